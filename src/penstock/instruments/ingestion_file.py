"""`config/ingestion.json`, read with all of its faults at once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

from msgspec import to_builtins

from penstock.engine.configuration import FaultySettings
from penstock.instruments.config import IngestionConfig, SourceConfig, source_kinds
from penstock.instruments.constraints import dataclass_in, fitting, hints, misfit
from penstock.instruments.hooks import text_of
from penstock.model.errors import Misconfigured
from penstock.model.naming import near

DEFAULT_FILE = Path("config/ingestion.json")

OWN = "; `register_source_config` makes the table of another source known"

T = TypeVar("T")


class NoIngestionFile(Misconfigured):
    """The configuration of ingestion cannot be read."""

    default_hint = "Without a file at config/ingestion.json the defaults stand; one that is named has to be there."


def get_ingestion_config(path: str | PathLike[str] | None = None) -> IngestionConfig:
    """The configuration of a file, by default `config/ingestion.json` of the current folder; the defaults where that is not there.

    The file is read each time.

    Raises:
        FaultySettings: listing everything that is wrong, with its place and what to write instead.
        NoIngestionFile: the named file is not there, or one cannot be read.
    """
    file = DEFAULT_FILE if path is None else Path(path)
    if path is None and not file.exists():
        return IngestionConfig()
    return _Reading(file).config(_document(file))


def get_source_config(name: str) -> SourceConfig:
    """The table of a source in `config/ingestion.json`; see `get_ingestion_config` for what it raises."""
    return get_ingestion_config().get_source_config(name)


def _document(file: Path) -> object:
    """What the file holds; a key that is there twice is a fault, where JSON would take the last."""
    try:
        return json.loads(file.read_text(encoding="utf-8-sig"), object_pairs_hook=_Table.of)
    except OSError as error:
        raise NoIngestionFile(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise FaultySettings([f"{file}: this is not UTF-8"]) from None
    except json.JSONDecodeError as error:
        raise FaultySettings([f"{file}, line {error.lineno}: this is no JSON: {error.msg[0].lower()}{error.msg[1:]}"]) from None
    except (RecursionError, ValueError):
        raise FaultySettings([f"{file}: it is nested too deeply, or a number in it has too many digits"]) from None


class _Table(dict[str, Any]):
    """An object of the file, with the keys that it has twice."""

    twice: Sequence[str] = ()

    @classmethod
    def of(cls, pairs: Sequence[tuple[str, Any]]) -> _Table:
        table = cls(pairs)
        keys = [key for key, _ in pairs]
        table.twice = [key for key in table if keys.count(key) > 1]
        return table


class _Reading:
    """One reading of a file, and the faults that were found."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._faults = list[str]()

    def config(self, document: object) -> IngestionConfig:
        """All of it; raises `FaultySettings` where anything is wrong."""
        kinds = source_kinds()
        table = self._object(document, "")
        found = {name: self._table(kinds[name], table.pop(name), name) for name in [*table] if name in kinds}
        given = self._values(IngestionConfig, table, "", kinds)
        if self._faults:
            raise FaultySettings(self._faults)
        return IngestionConfig(**given, sources={name: one for name, one in found.items() if one is not None})

    def _table(self, kind: type[T], given: object, path: str) -> T | None:
        """An instance of a dataclass of what fits; None where it cannot be made."""
        values = self._values(kind, self._object(given, path), path)
        try:
            return kind(**values)
        except FaultySettings as error:
            for fault in error.faults:
                self._wrong(path, fault)
        except Misconfigured as error:
            self._wrong(path, error.detail)
        except (TypeError, ValueError) as error:  # of a dataclass that others wrote
            self._wrong(path, text_of(error))
        return None

    def _values(self, kind: type, table: _Table, path: str, others: Mapping[str, type] | None = None) -> dict[str, Any]:
        """What a table says for the fields of a dataclass. `others` are keys that it may have beside them."""
        annotated = hints(kind)
        known = {field.name: field for field in fields(kind) if field.name != "sources"}
        values = dict[str, Any]()
        for key, value in table.items():
            place = _joined(path, key)
            if key not in known:
                own = OWN if others and isinstance(value, _Table) else ""
                self._wrong(place, f"there is no such key{near(key, [*known, *(others or ())])}{own}")
            elif inner := dataclass_in(annotated[key]):
                values[key] = self._table(inner, value, place) or inner()
            elif wrong := misfit(annotated[key], value):
                self._wrong(place, f"{wrong}{_default(known[key])}")
            else:
                values[key] = fitting(annotated[key], value)
        return values

    def _object(self, given: object, path: str) -> _Table:
        if not isinstance(given, _Table):
            self._wrong(path, "this is to be an object, { ... }")
            return _Table()
        for key in given.twice:
            self._wrong(_joined(path, key), "this key is there twice")
        return given

    def _wrong(self, path: str, message: str) -> None:
        self._faults.append(f"{self._file}: {path}: {message}" if path else f"{self._file}: {message}")


def _joined(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _default(field: Any) -> str:  # noqa: ANN401 - typeshed knows the type only as a generic
    """A remark on the default, which always fits; empty where there is none to show."""
    shown = field.default is not MISSING and field.default is not None
    return f"; the default is {json.dumps(to_builtins(field.default, enc_hook=str))}" if shown else ""
