"""Pipeline files: what they may say, and every fault with its line and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from penstock.engine.configuration import FaultySettings
from penstock.pipelines.definition import Definition, Limits
from penstock.pipelines.reading import NoPipelineFile, read
from penstock.ports.ends import Intake
from penstock.stores.columns import UnknownType
from tests.unit.pipelines import ends

ENDS = '[source]\ntype = "memory"\ntable = "t"\n[sink]\ntype = "memory"\ntable = "u"\n'

TEN = """\
nam = "orders"
mode = "upsert(id)"
schema = "frozen"

[source]
type = "memry"

[[stages]]
cast = { at = "timestmp", id = "int64" }

[[stages]]
filter = "amount >"

[[stages]]
python = "no_such_module.function"

[[stages]]
rename = { a = "b" }
dedupe = ["id"]

[sink]
type = "memory"
table = "u"
key = "${NO_SUCH_VARIABLE}"

[limits]
workers = "many"
"""


def parsed(file: Path, text: str, environ: Mapping[str, str] | None = None) -> Definition:
    """The definition in a file with this text."""
    file.write_text(text)
    return read(file, environ or {})


def faults(file: Path, text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    """What is wrong with a text, without the name of the file."""
    with pytest.raises(FaultySettings) as failure:
        parsed(file, text, environ)
    return [fault.removeprefix(f"{file}, ") for fault in failure.value.faults]


def test_what_is_not_said_has_a_default(file: Path) -> None:
    """A source and a sink are enough: the file's stem is the name, rows are added, columns are frozen."""
    found = parsed(file, ENDS)

    assert (found.name, found.folder, found.intake, found.limits, found.stages) == ("orders", file.parent, Intake(), Limits(), ())
    assert (found.source.settings, found.sink.settings) == (ends.SourceSettings("t"), ends.SinkSettings("u"))


def test_everything_can_be_said(file: Path) -> None:
    """Name, mode, schema policy, stages in their order and limits."""
    text = """
        name = "the-orders"
        mode = "replace"
        schema = "quarantine"
        stages = [{ rename = { a = "b" } }, { cast = { b = "date" } }, { filter = "b is None" }, { dedupe = ["b"] },
            { python = "tests.unit.pipelines.functions.same", columns = { b = "string" } }]
        limits = { workers = 2, max_refused_percent = 0.5, stall_minutes = 1, lease_seconds = 9 }
    """

    found = parsed(file, text + ENDS)

    assert (found.name, found.intake) == ("the-orders", Intake("replace", (), "quarantine"))
    assert found.limits == Limits(2, 0.5, 1, 9)
    assert [stage.place for stage in found.stages] == [
        "stage 1 (rename)",
        "stage 2 (cast)",
        "stage 3 (filter)",
        "stage 4 (dedupe)",
        "stage 5 (python)",
    ]


def test_ten_faults_are_ten_lines(file: Path) -> None:
    """One look at the file finds everything that is wrong, in the order of its lines, each with what to do."""
    assert faults(file, TEN) == [
        "line 1: nam: there is no such key; did you mean `name`?",
        "line 2: mode: a sink of type memory cannot upsert; it can append and replace",
        "line 3: schema: input should be 'evolve', 'freeze' or 'quarantine'",
        "line 6: source.type: there is no source of type `memry`; did you mean `memory`?",
        f"line 9: stages[1].cast.at: `timestmp` is no type of column; t{UnknownType.default_hint[1:]}",
        "line 12: stages[2].filter: it is no expression: invalid syntax",
        "line 15: stages[3].python: the module `no_such_module` cannot be imported: ModuleNotFoundError: No module named 'no_such_module'",
        "line 17: stages[4]: a stage is one of rename, cast, filter, dedupe, python; this one has rename and dedupe",
        "line 24: sink.key: the variable NO_SUCH_VARIABLE is not set; set it in the environment",
        "line 27: limits.workers: input should be a valid integer, unable to parse string as an integer",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = 'x y'\n" + ENDS, "line 1: name: `x y` is no name of a pipeline"),
        ("mode = 'upsert'\n" + ENDS, "line 1: mode: `upsert` is no mode; write append, replace or upsert(COLUMN, ...)"),
        ("mode = 'upsert(a, a)'\n" + ENDS, "line 1: mode: `upsert(a, a)` is no mode"),
        ("mode = 'upsert(a,)'\n" + ENDS, "line 1: mode: `upsert(a,)` is no mode"),
        ("mode = 7\n" + ENDS, "line 1: mode: input should be a valid string"),
        ("stages = 3\n" + ENDS, "line 1: stages: these are tables; write [[stages]]"),
        ("limits = 3\n" + ENDS, "line 1: limits: this is a table; write [limits]"),
        ("source = 3\n[sink]\ntype = 'memory'\ntable = 'u'", "line 1: source: this is a table; write [source]"),
        ("[sink]\ntype = 'memory'\ntable = 'u'", "line 1: source.type: this key is missing; the types are csv, http, jsonl, memory"),
        ("stages = [{}]\n" + ENDS, "line 1: stages[1]: a stage is one of rename, cast, filter, dedupe, python; this one has none of them"),
        ("stages = [{ drop = ['a'] }]\n" + ENDS, "line 1: stages[1].drop: `drop` is no stage; there are `rename`"),
        ("stages = [{ filter = 'a', columns = {} }]\n" + ENDS, "line 1: stages[1].columns: `columns` is no stage"),
        ("stages = [{ filter = 3 }]\n" + ENDS, "line 1: stages[1].filter: a filter is an expression in quotes"),
        (
            "stages = [{ rename = { a = 1 } }]\n" + ENDS,
            'line 1: stages[1].rename: rename is a table of columns, as in rename = { ts = "occ',
        ),
        ("stages = [{ cast = 'int64' }]\n" + ENDS, "line 1: stages[1].cast: cast is a table of columns"),
        ("stages = [{ dedupe = 'id' }]\n" + ENDS, 'line 1: stages[1].dedupe: dedupe is a list of columns, as in dedupe = ["id"]'),
        ("stages = [{ python = 3 }]\n" + ENDS, "line 1: stages[1].python: a python stage names a function in quotes"),
        ("stages = [{ python = 'function' }]\n" + ENDS, "line 1: stages[1].python: `function` names no module"),
        ("stages = [{ python = 'json.nothing' }]\n" + ENDS, "line 1: stages[1].python: the module `json` has no function `nothing`"),
        (
            "stages = [{ python = 'json.dumps', columns = { a = 'timestamp(s)' } }]\n" + ENDS,
            "line 1: stages[1].columns.a: `timestamp(s)` is",
        ),
        (ENDS + "[queue]\npath = 'q'\n", "line 7: queue: a source of type memory needs no queue: it can be read again"),
        (ENDS + "color = 1\n", "line 7: sink.color: there is no such key"),
        (ENDS + "[source.auth]\nkind = 'x'\ntocken = 'y'\n", "line 9: source.auth.tocken: there is no such key; did you mean `token`?"),
        (ENDS + "[source.auth]\nkind = 'x'\n", "line 7: source.auth.token: this key is missing"),
        ('name = "a\n' + ENDS, "line 1: this is no TOML: illegal character"),
        ("name = 'a'\n[source", "line 2: this is no TOML: expected ']'"),
        ("name = '${A B}'\n" + ENDS, "line 1: name: `${A B}` names no variable"),
        ("name = '${A'\n" + ENDS, "line 1: name: `${A` names no variable"),
    ],
)
def test_a_fault_is_told_with_line_and_remedy(file: Path, text: str, said: str) -> None:
    """Where it is, what it is, and what can be written instead."""
    assert any(fault.startswith(said) for fault in faults(file, text)), faults(file, text)


def test_variables_stand_in_any_text(file: Path) -> None:
    """`${NAME}` is replaced within a text, `$${` stands for itself, an empty variable counts as not set."""
    text = ENDS.replace('"t"', '"${A}-${B} $${A} $5"')

    assert parsed(file, text, {"A": "1", "B": "2"}).source.settings.table == "1-2 ${A} $5"
    assert faults(file, text, {"A": "1", "B": ""}) == ["line 3: source.table: the variable B is not set; set it in the environment"]


def test_secrets_come_from_the_environment_or_a_file(file: Path) -> None:
    """`env:NAME` and `file:PATH` are read where a value must not be shown, and nowhere else; neither is printed."""
    (file.parent / "secret").write_text("from a file\n")
    text = ENDS.replace('"t"', '"env:T"\npassword = "file:secret"\nauth = { token = "env:TOKEN" }')

    found = parsed(file, text, {"TOKEN": "from outside"})

    assert found.source.settings == ends.SourceSettings("env:T", password="from a file", auth=ends.Auth("from outside"))
    assert not any(secret in repr(found) for secret in ("from a file", "from outside"))


def test_secrets_that_cannot_be_had_are_faults(file: Path) -> None:
    """A variable that is not set and a file that cannot be read, each at its line."""
    text = ENDS.replace('"t"', '"t"\npassword = "file:nothing"\nauth = { token = "env:NOTHING" }')

    assert faults(file, text) == [
        f"line 4: source.password: {file.parent}/nothing cannot be read: No such file or directory",
        "line 5: source.auth.token: the variable NOTHING is not set; set it in the environment",
    ]


def test_a_file_that_is_not_there_says_what_to_do(file: Path) -> None:
    """The error leads to `penstock init`."""
    with pytest.raises(NoPipelineFile, match="No such file") as failure:
        read(file)

    assert "penstock init" in failure.value.hint


def test_a_file_that_is_no_text_is_a_fault(file: Path) -> None:
    """With the line of the first byte that is none."""
    file.write_bytes(b"name = 'a'\n# \xff\n")

    with pytest.raises(FaultySettings, match="line 2: this is not UTF-8"):
        read(file)
