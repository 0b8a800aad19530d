"""Settings out of flags, environment and a file, with every fault at its place."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Le

from penstock.engine.configuration import FaultySettings, Given, gather, settings


@dataclass(frozen=True)
class Sample:
    """Settings of the kinds that commands have."""

    api_key: str
    batch_size: Annotated[int, Ge(1), Le(5_000)] = 5_000
    sync: Literal["off", "on"] = "off"
    share: float = 0.5


def given(environ: Mapping[str, str] | None = None, flags: Mapping[str, str | None] | None = None, file: Path | None = None) -> Sample:
    """Gathered and read."""
    return settings(Sample, gather(Sample, flags or {}, environ or {}, file))


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    """Where `.env` would be."""
    return tmp_path / ".env"


def test_defaults_stand_where_nothing_is_given() -> None:
    """Only what has no default must be given."""
    assert given({"API_KEY": "k"}) == Sample("k")


def test_text_becomes_what_the_setting_is() -> None:
    """Numbers and choices are read from text."""
    assert given({"API_KEY": "k", "BATCH_SIZE": "10", "SYNC": "on", "SHARE": "0.25"}) == Sample("k", 10, "on", 0.25)


def test_a_flag_beats_the_environment_which_beats_the_file(env_file: Path) -> None:
    """The nearer it is to the person who runs the command, the more it counts."""
    env_file.write_text("API_KEY=filed\nBATCH_SIZE=1\nSYNC=on\n")

    found = given({"API_KEY": "from outside", "BATCH_SIZE": "2"}, {"batch_size": "3", "sync": None}, env_file)

    assert found == Sample("from outside", 3, "on")


def test_an_empty_variable_is_not_given(env_file: Path) -> None:
    """An empty variable of the environment leaves the file its say, and an empty one there leaves the default."""
    env_file.write_text("API_KEY=filed\nSYNC=\n")

    assert given({"API_KEY": "", "BATCH_SIZE": ""}, file=env_file) == Sample("filed")


def test_every_fault_is_listed_with_its_place(env_file: Path) -> None:
    """One run tells all that has to be mended, and where; a value that is missing is named by its flag."""
    env_file.write_text("# sizes\n\nSHARE=half\n")

    with pytest.raises(FaultySettings) as failure:
        given({"SYNC": "perhaps"}, {"batch_size": "5001"}, env_file)

    places = [fault.partition(":")[0] for fault in failure.value.faults]
    assert places == ["--api-key", "--batch-size", "SYNC in the environment", f"SHARE in {env_file}, line 3"]
    assert all(fault in str(failure.value) for fault in failure.value.faults)


def test_a_single_fault_is_the_message() -> None:
    """One fault needs no list."""
    with pytest.raises(FaultySettings) as failure:
        given({"API_KEY": "k", "BATCH_SIZE": "0"})

    assert str(failure.value) == ("Some settings are not usable: BATCH_SIZE in the environment: input should be greater than or equal to 1")


def test_values_are_not_shown() -> None:
    """A secret that does not fit is not printed while saying so."""
    with pytest.raises(FaultySettings) as failure:
        given({"API_KEY": "k", "BATCH_SIZE": "s3cr3t", "SHARE": "s3cr3t", "SYNC": "s3cr3t"})

    assert len(failure.value.faults) == 3
    assert "s3cr3t" not in str(failure.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("SHARE=x", 1),
        ("\n\nSHARE=x", 3),
        ("A=1\n\n# a comment\n  \n\nSHARE=x\n", 6),
        ("A='two\nlines'\nSHARE=x", 3),
        ("\r\nSHARE=x\r\n", 2),
    ],
)
def test_lines_are_counted_as_an_editor_counts_them(env_file: Path, text: str, line: int) -> None:
    """Blank lines, comments and values of several lines do not put the number wrong."""
    env_file.write_bytes(text.encode())

    with pytest.raises(FaultySettings, match=rf"SHARE in .*, line {line}:"):
        given({"API_KEY": "k"}, file=env_file)


def test_a_line_that_assigns_nothing_is_a_fault(env_file: Path) -> None:
    """A line that would be passed over silently is named instead."""
    env_file.write_text("API_KEY=k\n\nthis is no assignment\n")

    with pytest.raises(FaultySettings, match=r"\.env, line 3: this is no NAME=value"):
        given(file=env_file)


def test_a_name_alone_is_not_given(env_file: Path) -> None:
    """A name without a value leaves the default."""
    env_file.write_text("API_KEY=k\nSYNC\n")

    assert given(file=env_file) == Sample("k")


def test_quotes_and_exports_are_understood(env_file: Path) -> None:
    """The file is in the format that shells and other tools read too."""
    env_file.write_text("export API_KEY='a # b'\nBATCH_SIZE=\"7\" # seven\n")

    assert given(file=env_file) == Sample("a # b", 7)


def test_no_file_is_no_fault(env_file: Path) -> None:
    """Nobody has to have one; a folder of that name, as some keep their interpreters in, is none."""
    assert given({"API_KEY": "k"}, file=env_file) == Sample("k")

    env_file.mkdir()

    assert given({"API_KEY": "k"}, file=env_file) == Sample("k")


def test_a_file_that_is_not_text_is_a_fault(env_file: Path) -> None:
    """What cannot be read as UTF-8 is named, not shown."""
    env_file.write_bytes(b"API_KEY=\xff\xfe\n")

    with pytest.raises(FaultySettings, match=r"\.env: this is not UTF-8"):
        given(file=env_file)


def test_the_last_assignment_counts(env_file: Path) -> None:
    """As in a shell that reads the file."""
    env_file.write_text("API_KEY=first\nAPI_KEY=second\n")

    assert gather(Sample, {}, {}, env_file) == {"api_key": Given("second", f"API_KEY in {env_file}, line 2")}


def test_a_file_that_may_not_be_read_is_a_fault(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever keeps the file from us is told, instead of its settings being passed over."""

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(errno.EACCES, "Permission denied")

    env_file.touch()
    monkeypatch.setattr(Path, "read_text", refuse)

    with pytest.raises(FaultySettings, match=r"\.env: Permission denied"):
        given(file=env_file)
