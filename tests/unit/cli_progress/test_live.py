"""The live picture on a terminal, as the bytes it writes."""

from __future__ import annotations

import io
import os
import re
import sys
from contextlib import suppress
from typing import IO, cast

import pytest
from rich.cells import cell_len

from penstock.cli.live import Live
from penstock.cli.outlet import Outlet
from penstock.engine.telemetry import Telemetry
from tests.unit.console.runs import a_busy_run, a_run

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture(params=[(40, 24), (60, 24), (80, 24), (200, 50), (80, 10)], ids=lambda size: f"{size[0]}x{size[1]}")
def terminal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """A terminal of this size, which a display finds in its environment."""
    columns, rows = cast("tuple[int, int]", request.param)
    for name, value in {"COLUMNS": columns, "LINES": rows, "TERM": "xterm"}.items():
        monkeypatch.setenv(name, str(value))
    return columns, rows


def drawn(text: str) -> list[str]:
    """The lines of the last picture."""
    return ESCAPE.sub("", text.rpartition("\r")[2]).rstrip("\n").split("\n")


class Written(io.StringIO):
    """What was written to a terminal."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def shown(telemetry: Telemetry, out: IO[str], times: int = 2) -> Live:
    """A display that has shown the run."""
    live = Live(telemetry, Outlet(cast("io.StringIO", out)))
    for _ in range(times):
        live.show()
    return live


def test_every_line_fits(terminal: tuple[int, int]) -> None:
    """At any size no line is wider and no picture higher than the terminal, so that drawing over it again works."""
    out = Written()
    run = a_run("reconnecting", "Verbindung verloren: 接続が失われました " * 20, workers=40)

    shown(run.telemetry, out).finish()

    picture = drawn(out.getvalue())
    assert max(map(cell_len, picture)) <= terminal[0]
    assert len(picture) < terminal[1]
    assert "reconnecting" in "\n".join(picture)


def test_it_draws_over_itself(terminal: tuple[int, int]) -> None:
    """The second picture begins where the first began: nothing scrolls."""
    out = Written()
    live = shown(a_busy_run().telemetry, out, times=1)
    height = len(drawn(out.getvalue()))
    first = len(out.getvalue())

    live.show()

    again = out.getvalue()[first:]
    assert again.count("\x1b[1A") == height - 1
    live.finish()
    assert out.getvalue().endswith("\n")
    assert terminal


def test_the_cursor_is_never_hidden() -> None:
    """A run that is killed leaves a terminal that can be used."""
    out = Written()

    shown(a_busy_run().telemetry, out).finish()

    assert "\x1b[?25l" not in out.getvalue()


def test_the_last_picture_shows_the_end() -> None:
    """What the run came to is drawn even if no time was left to look before."""
    run, out = a_busy_run(), Written()
    live = shown(run.telemetry, out, times=0)
    run.telemetry.enter("completed")

    live.finish()

    assert "completed   1,000,000 of 3,000,000 rows" in drawn(out.getvalue())


def test_the_rates_of_workers() -> None:
    """Each has its own."""
    run, out = a_run(), Written()
    live = shown(run.telemetry, out, times=1)
    run.after(1).telemetry.workers[0].rows = 5000
    live.show()

    assert [line.split()[-1] for line in drawn(out.getvalue())[:3]] == ["rows/s", "5,000", "0"]


def test_no_rates_once_the_workers_are_done() -> None:
    """A proof is no time to look at speeds."""
    run, out = a_busy_run(), Written()
    live = shown(run.telemetry, out)
    run.telemetry.enter("proving")

    live.finish()

    assert drawn(out.getvalue())[0].split() == ["#", "state", "part", "rows"]


def test_others_write_above(monkeypatch: pytest.MonkeyPatch) -> None:
    """A remark on standard error while the picture stands does not tear it, and standard error is given back."""
    out = Written()
    monkeypatch.setattr(sys, "stderr", out)
    live = shown(a_busy_run().telemetry, out)

    print("a remark", file=sys.stderr)  # noqa: T201
    live.finish()

    assert sys.stderr is out
    text = ESCAPE.sub("", out.getvalue())
    assert re.search(r"a remark\n #  state", text)


def test_standard_output_is_left_alone() -> None:
    """Data never goes through a display."""
    before = sys.stdout
    live = shown(a_busy_run().telemetry, Written())

    during = sys.stdout
    live.finish()

    assert during is before


def test_a_reader_that_has_gone() -> None:
    """Showing raises `OSError` as any write would, instead of ending the process, and standard error is given back."""
    reading, writing = os.pipe()
    os.close(reading)
    stream, before = os.fdopen(writing, "w"), sys.stderr
    live = Live(a_busy_run().telemetry, Outlet(stream))

    with pytest.raises(BrokenPipeError):
        live.show()
    with suppress(BrokenPipeError):
        live.finish()

    assert sys.stderr is before
    with suppress(BrokenPipeError):
        stream.close()


def test_a_terminal_that_was_closed() -> None:
    """There is nothing to be drawn on, and that is all."""
    out = Written()
    live = shown(a_busy_run().telemetry, out)
    before = out.getvalue()
    out.close()

    live.show()
    live.finish()

    assert before
