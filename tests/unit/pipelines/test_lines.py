"""Every key of a TOML text is found on its line."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.pipelines.lines import Path, line, lines

KEYS = st.sampled_from(["a", "b-c", "d_1", '"e f"', "'g.h'", '"i\\"j"', '"="', "1"])
GAPS = st.sampled_from(["", "\n", '  # a comment with = [ and "\n', "\n\n", "\t\n"])
SCALARS = st.sampled_from(
    ["1", "true", "1.5e3", "1979-05-27 07:32:00", '"x # y"', "'it]s'", '"""\na = 1\n[b]\n"""', '"""x"""""', "'''\n\\'''", '""', '"\\""']
)


@st.composite
def values(draw: st.DrawFn) -> str:
    """A value, perhaps over several lines."""
    kind = draw(st.sampled_from(["scalar", "scalar", "list", "table"]))
    if kind == "scalar":
        return draw(SCALARS)
    if kind == "table":
        keys = draw(st.lists(KEYS, unique=True, max_size=3))
        return "{ " + ", ".join(f"{key} = {draw(SCALARS)}" for key in keys) + " }"
    inner = [draw(GAPS) + draw(st.one_of(SCALARS, values())) + draw(GAPS) for _ in range(draw(st.integers(0, 3)))]
    return "[" + ",".join(inner) + draw(st.sampled_from(["", "," if inner else ""])) + draw(GAPS) + "]"


@st.composite
def documents(draw: st.DrawFn) -> str:
    """A TOML text: keys, dotted keys, tables and lists of tables, with comments and blank lines between."""
    text = ""
    headers = ["", *draw(st.lists(st.sampled_from(["[t]", "[[l]]", "[[l]]", "[t.u]", "[l.m]", "[[l.n]]", "[\"t\".'v w']"]), max_size=6))]
    for header in headers:
        text += f"{header}\n{draw(GAPS)}"
        for key in draw(st.lists(st.tuples(KEYS, st.booleans()), unique_by=lambda one: one[0], max_size=3)):
            text += f"  {key[0]}{' . z' if key[1] else ''} = {draw(values())} # end\n{draw(GAPS)}"
    return text


@given(documents())
def test_every_path_is_found_and_nothing_else(text: str) -> None:
    """The paths of a text are those of the values that `tomllib` reads from it."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return

    found = lines(text)

    assert set(found) == set(paths(document))


@given(documents())
def test_a_key_stands_on_its_line(text: str) -> None:
    """The line of a path names the last key of it."""
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return

    for path, number in lines(text).items():
        name = next(step for step in reversed(path) if isinstance(step, str))
        at = text.splitlines()[number - 1]
        assert isinstance(path[-1], int) or any(written in at for written in (name, json.dumps(name)))


@pytest.mark.parametrize(
    ("path", "number"),
    [
        (("name",), 2),
        (("text",), 3),
        (("after",), 6),
        (("list", 0), 7),
        (("list", 1), 8),
        (("list", 2, "z"), 9),
        (("stages", 0), 11),
        (("stages", 0, "filter"), 12),
        (("stages", 1), 13),
        (("stages", 1, "cast", "at"), 14),
        (("stages", 1, "rename", "b"), 16),
        (("source", "pages", "size"), 18),
    ],
)
def test_lines_are_those_of_an_editor(path: Path, number: int) -> None:
    """Texts of several lines, lists, inline tables, lists of tables and dotted keys do not put the number wrong."""
    text = (
        '# first\nname = "x"\ntext = """\n[not]\n"""\nafter = 1\nlist = ["a", # one\n  [2, 3],\n  { y = 1, z = 2 }]\n'
        '\n[[stages]]\nfilter = "a"\n[[stages]]\ncast = { at = "date" }\n[stages.rename]\nb = "c"\n[source.pages]\r\nsize = 3\r\n'
    )
    assert tomllib.loads(text)

    assert lines(text)[path] == number


def test_the_line_of_what_is_missing_is_that_of_what_should_have_it() -> None:
    """A key that is not there has the line of its table, and one without a table the first."""
    found = lines("\n[source]\n")

    assert (line(found, ("source", "path")), line(found, ("sink", "type"))) == (2, 1)


def paths(value: Any, path: Path = ()) -> list[Path]:  # noqa: ANN401 - whatever TOML has
    """The paths of a value and of all within it."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for step, one in steps for found in ((*path, step), *paths(one, (*path, step)))]
