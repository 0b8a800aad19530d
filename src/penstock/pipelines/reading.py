"""Pipeline files, read with every fault at its line."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from penstock.engine.configuration import FaultySettings, Wrong, checked
from penstock.model.errors import Misconfigured
from penstock.model.naming import near
from penstock.pipelines import ends, lines
from penstock.pipelines.definition import AnySource, Definition, End, Head, Kind, Limits, Queue
from penstock.pipelines.stages import reading as stages
from penstock.pipelines.variables import Variables, dataclasses_of
from penstock.ports.ends import Intake, LiveKind, Mode, SinkKind

T = TypeVar("T")

TABLES = ("source", "queue", "stages", "sink", "limits")

_NAME = re.compile(r"[\w.-]{1,100}", re.ASCII)
_UPSERT = re.compile(r"upsert\(([^()]+)\)")


class NoPipelineFile(Misconfigured):
    """The pipeline file cannot be read."""

    default_hint = "`penstock init` writes one to start from, `penstock list` names those of this folder."


def read(file: Path, environ: Mapping[str, str] = os.environ) -> Definition:
    """The definition in a file.

    Raises:
        NoPipelineFile: it is not there, or may not be read.
        FaultySettings: listing everything that is wrong, with line and remedy; nothing was touched.
    """
    text = _text(file)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FaultySettings([f"{file}, {_syntax(str(error), text)}"]) from None
    return _Reading(file, lines.lines(text)).definition(document, environ)


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode()
    except OSError as error:
        raise NoPipelineFile(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise FaultySettings([f"{file}, line {line}: this is not UTF-8"]) from None


def _syntax(message: str, text: str) -> str:
    """What `tomllib` says, with the line in front."""
    what, _, where = message.rpartition(" (at ")
    found = re.match(r"line (\d+)", where)
    number = int(found[1]) if found else text.count("\n") + 1
    return f"line {number}: this is no TOML: {what[0].lower()}{what[1:]}"


@dataclass(slots=True)
class _Reading:
    """One reading of a file, and the faults that were found; the first one at each place is told."""

    file: Path
    places: Mapping[lines.Path, int]
    faults: dict[lines.Path, str] = field(default_factory=dict)

    def definition(self, raw: Mapping[str, Any], environ: Mapping[str, str]) -> Definition:
        """All of it; raises `FaultySettings` where anything is wrong."""
        folder = self.file.absolute().parent
        variables = Variables(environ, folder, self.wrong)
        document = variables.filled(raw)
        head = self._checked(Head, {key: one for key, one in document.items() if key not in TABLES}, (), TABLES)
        source = self._end("source", ends.sources(), ends.source, document, variables)
        sink = self._end("sink", ends.sinks(), ends.sink, document, variables)
        passed = tuple(stages.stage(number, table, folder, self.wrong) for number, table in enumerate(self._stages(document)))
        limits = self._checked(Limits, self._table(document, "limits"), ("limits",))
        queue = self._queue(document, source)
        intake = self._intake(str(document.get("mode", Head().mode)), head, sink)
        name = self._name(head or Head())
        if self.faults or not (source and sink and intake and limits and queue):
            raise FaultySettings(self._listed())
        return Definition(name, folder, source, tuple(one for one in passed if one is not None), sink, intake, limits, queue)

    def wrong(self, path: lines.Path, message: str) -> None:
        """Take note of a fault."""
        self.faults.setdefault(path, message)

    def _listed(self) -> list[str]:
        """The faults in the order of their lines."""
        found = sorted((lines.line(self.places, path), said(path), message) for path, message in self.faults.items())
        return [f"{self.file}, line {line}: {place}{message}" for line, place, message in found]

    def _table(self, document: Mapping[str, Any], key: str) -> dict[str, Any]:
        table = document.get(key, {})
        if isinstance(table, dict):
            return table
        self.wrong((key,), f"this is a table; write [{key}] on a line of its own and its keys below")
        return {}

    def _stages(self, document: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
        tables = document.get("stages", [])
        if isinstance(tables, list) and all(isinstance(table, dict) for table in tables):
            return tables
        self.wrong(("stages",), "these are tables; write [[stages]] on a line of its own before each one")
        return []

    def _end(
        self, key: str, known: Sequence[str], load: Callable[[str], Kind], document: Mapping[str, Any], variables: Variables
    ) -> End[Kind] | None:
        """The source or the sink; None where something about it is wrong."""
        table = self._table(document, key)
        name = table.get("type")
        if not isinstance(name, str):
            self.wrong((key, "type"), f"this key is missing; the types are {', '.join(known)}")
            return None
        try:
            kind = load(name)
        except ends.UnknownKind:
            self.wrong((key, "type"), f"there is no {key} of type `{name}`{near(name, known)}")
            return None
        except Misconfigured as error:
            self.wrong((key, "type"), f"{error}. {error.hint}")
            return None
        given = {name: value for name, value in table.items() if name != "type"}
        settings = self._checked(kind.settings, variables.secrets(kind.settings, given, (key,)), (key,))
        return None if settings is None else End(name, kind, settings)

    def _queue(self, document: Mapping[str, Any], source: End[AnySource] | None) -> Queue | None:
        if "queue" in document and source is not None and not isinstance(source.kind, LiveKind):
            self.wrong(("queue",), f"a source of type {source.type} needs no queue: it can be read again")
        return self._checked(Queue, self._table(document, "queue"), ("queue",))

    def _checked(self, kind: type[T], given: Mapping[str, Any], path: lines.Path, others: Sequence[str] = ()) -> T | None:
        """The settings; None where something about them is wrong. `others` are keys beside those of `kind`."""
        strange = list(unknown(kind, given, others))
        found = checked(kind, given)
        for wrong in [*strange, *(found if isinstance(found, list) else [])]:
            message = "this key is missing" if wrong.message == "field required" else wrong.message
            self.wrong((*path, *_within(given, wrong.path)), message)
        return None if strange or isinstance(found, list) else found

    def _intake(self, said: str, head: Head | None, sink: End[SinkKind] | None) -> Intake | None:
        mode, key = _mode(said)
        if mode is None:
            self.wrong(("mode",), f"`{said}` is no mode; write append, replace or upsert(COLUMN, ...)")
            return None
        if sink is not None and mode not in sink.kind.modes:
            self.wrong(("mode",), f"a sink of type {sink.type} cannot {mode}; it can {' and '.join(sorted(sink.kind.modes))}")
        return None if head is None else Intake(mode, key, head.schema)

    def _name(self, head: Head) -> str:
        name = head.name or self.file.stem
        if not _NAME.fullmatch(name):
            self.wrong(("name",), f"`{name}` is no name of a pipeline; write name = with letters, digits, dots, - and _, at most 100")
        return name


def unknown(kind: object, given: object, others: Sequence[str] = (), path: lines.Path = ()) -> Iterator[Wrong]:
    """Keys that are no field of the dataclass `kind`, down to the tables within; what is no dataclass knows its keys itself."""
    kinds = dataclasses_of(kind)
    known = {name: of for one in kinds for name, of in get_type_hints(one).items() if name in {field.name for field in fields(one)}}
    if not kinds or not isinstance(given, dict):
        return
    for key, value in given.items():
        if key in known:
            yield from unknown(known[key], value, (), (*path, key))
        else:
            yield Wrong((*path, key), f"there is no such key{near(key, (*known, *others))}")


def _mode(text: str) -> tuple[Mode | None, tuple[str, ...]]:
    """A mode and the columns of its key; None for what is no mode."""
    if text in ("append", "replace"):
        return ("append" if text == "append" else "replace"), ()
    found = _UPSERT.fullmatch(text)
    key = tuple(name.strip() for name in found[1].split(",")) if found else ()
    return ("upsert", key) if all(key) and len(set(key)) == len(key) > 0 else (None, ())


def _within(given: object, path: lines.Path) -> lines.Path:
    """`path` without the names that pydantic puts in for the members of a union: all but the last one are keys of the file."""
    place = list[str | int]()
    for step in path:
        inside = step in given if isinstance(given, dict) else isinstance(given, list) and isinstance(step, int)
        if inside or step is path[-1]:
            place.append(step)
        if inside:
            given = given[step]  # type: ignore[index]  # it was looked up just now
    return tuple(place)


def said(path: lines.Path) -> str:
    """A place as people write it: `stages[2].filter: `."""
    text = ""
    for step in path:
        text += f"[{step + 1}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return f"{text}: " if text else ""
