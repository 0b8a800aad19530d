"""One picture of a run, made to fit a terminal: a line for each worker, a bar, and the figures below it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text

from penstock.cli.lines import by_state, duration, one_line, pace, percent, rows, share, troubles, waiting
from penstock.engine.telemetry import ENDED, Status, Telemetry, Variant, Worker, WorkerState

WIDEST = 100
"""Columns; in a wider terminal the eye would lose the line."""

HEADER = ("#", "state", "part", "rows", "rows/s")
NARROWEST = (2, 7, 4, 9, 8)
"""Columns of each cell: the table stands still while its numbers grow, and fits into 40 columns."""

MESSAGE_LINES = 2
STYLES: Mapping[WorkerState | Variant, str] = {
    "reading": "cyan",
    "writing": "green",
    "idle": "dim",
    "stopped": "dim",
    "reconnecting": "yellow",
    "completed": "green",
    "completed with rejected rows": "yellow",
    "failed": "red",
    "cancelled": "yellow",
}


@dataclass(frozen=True, slots=True)
class Canvas:
    """What there is to draw on: columns and lines, and whether the terminal knows ASCII only."""

    width: int
    height: int
    ascii_only: bool = False


def frame(telemetry: Telemetry, rates: Mapping[int, float], canvas: Canvas) -> Text:
    """The picture, no wider than the canvas and at least a line lower. `rates` are the workers' rows per second, none once they stand."""
    status = telemetry.status()
    width = min(canvas.width, WIDEST)
    below = [*_whole(telemetry, status, width, ascii_only=canvas.ascii_only), *_message(status, width)]
    above = _workers(status.workers, rates, canvas.height - 1 - len(below), width)
    return Text("\n", no_wrap=True, overflow="crop").join([*above, *below][: max(1, canvas.height - 1)])


def _workers(workers: Mapping[int, Worker], rates: Mapping[int, float], room: int, width: int) -> Iterator[Text]:
    """A table of as many workers as there is room for, and a summary of the others."""
    named = len(workers) if len(workers) < room else max(0, room - 2)
    if named:
        yield from _table(list(workers.items())[:named], rates, width)
    if folded := list(workers.values())[named:]:
        yield Text(f"{'and ' if named else ''}{len(folded)} {'more' if named else 'workers'}: {by_state(folded)}"[:width], "dim")


def _table(workers: Sequence[tuple[int, Worker]], rates: Mapping[int, float], width: int) -> Iterator[Text]:
    cells = [_cells(number, worker, rates) for number, worker in workers]
    header = HEADER if rates else HEADER[:-1]
    widths = [max(least, *map(len, column)) for least, column in zip(NARROWEST, zip(header, *cells, strict=True), strict=False)]
    while len(widths) > 1 and sum(widths) + 2 * (len(widths) - 1) > width:
        widths.pop()
    yield _row(header, widths, "dim", "dim")
    for row, (_, worker) in zip(cells, workers, strict=True):
        yield _row(row, widths, "", STYLES[worker.state])


def _cells(number: int, worker: Worker, rates: Mapping[int, float]) -> tuple[str, ...]:
    cells = str(number), worker.state, "-" if worker.partition is None else str(worker.partition), f"{worker.rows:,}"
    return (*cells, f"{rates.get(number, 0.0):,.0f}") if rates else cells


def _row(cells: Sequence[str], widths: Sequence[int], style: str, state_style: str) -> Text:
    """Numbers to the right, the state to the left; cells beyond the widths are left out."""
    line = Text(style=style)
    for place, (cell, width) in enumerate(zip(cells, widths, strict=False)):
        line.append("  " if place else "")
        line.append(f"{cell:<{width}}" if place == 1 else f"{cell:>{width}}", state_style if place == 1 else "")
    return line


def _whole(telemetry: Telemetry, status: Status, width: int, *, ascii_only: bool) -> Iterator[Text]:
    yield from _flowing([status.variant, f"{rows(telemetry)} rows"], width, STYLES.get(status.variant, "bold"))
    if (done := share(telemetry)) is not None:
        yield _bar(done, width, ascii_only=ascii_only)
    yield from _flowing(_figures(telemetry, status), width)


def _bar(done: float, width: int, *, ascii_only: bool) -> Text:
    """Heavy and light, so that it can be read without colours."""
    label = f" {percent(done):>7}"
    columns = max(0, width - len(label))
    full = int(columns * done)
    heavy, light = ("#", "-") if ascii_only else ("━", "─")
    return Text.assemble((heavy * full, "green"), (light * (columns - full), "dim"), label)


def _figures(telemetry: Telemetry, status: Status) -> Iterator[str]:
    if status.variant not in ENDED:
        yield f"elapsed {duration(status.seconds + status.proof_seconds)}"
    yield from pace(status)
    yield from waiting(status)
    counters = telemetry.counters
    if counters["requests_total"]:
        yield f"requests {counters['requests_total']:,}"
        yield f"throttled {counters['responses_throttled_total']:,}"
        yield f"retried {counters['requests_retried_total']:,}"
    yield from troubles(telemetry)
    if telemetry.before.received:
        yield f"from earlier runs {telemetry.before.received:,}"


def _message(status: Status, width: int) -> Iterator[Text]:
    """What stands in the way of a run that is not over; how it ended is said below the picture."""
    if status.message and status.variant not in ENDED:
        for line in textwrap.wrap(one_line(status.message), width)[:MESSAGE_LINES]:
            yield Text(line, "yellow")


def _flowing(words: Iterable[str], width: int, first: str = "") -> Iterator[Text]:
    """As many words on each line as it holds, the first word in a style of its own."""
    line = Text()
    style = first
    for word in words:
        if line and len(line) + 3 + len(word) > width:
            yield line
            line = Text()
        line.append("   " if line else "")
        line.append(word, style)
        style = ""
    yield line
