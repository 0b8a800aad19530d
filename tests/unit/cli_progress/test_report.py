"""The table of a proof, with as many stretches as workers made of the time."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest

from penstock.cli.report import MOST_ROWS, Report, table
from penstock.engine.telemetry import Telemetry
from penstock.extract.job import Extraction
from penstock.extract.proof import Part, Proof
from penstock.ports.checkpoints import Outcome
from penstock.stores.postgres.names import quoted
from penstock.stores.postgres.place import Database

DAY_MS = 86_400_000
START_MS = 1_769_541_612_369


def proof(parts: int, *, missing: int = 0) -> Proof:
    """Of so many stretches of a day, newest first, each with as many events as its number; so many rows are missing of the last one."""
    stretches = [Part(START_MS - (day + 1) * DAY_MS, START_MS - day * DAY_MS, day, day, 0, 0, day) for day in range(1, parts + 1)]
    stretches[-1] = replace(stretches[-1], in_table=parts - missing)
    total = sum(range(1, parts + 1))
    return Proof("source", total, total, 0, 0, 0, tuple(stretches), ())


@pytest.mark.parametrize("parts", [1, 8, 12, 13, 25, 60])
def test_it_fits_a_screen_and_adds_up(parts: int) -> None:
    """At most twelve rows, which tile the time as the stretches do, and the sums below them."""
    _, *rows, sums = table(proof(parts))

    columns = [row.split() for row in rows]
    assert len(rows) == min(parts, len(rows)) <= MOST_ROWS
    assert sum(int(cells[4].replace(",", "")) for cells in columns) == sum(range(1, parts + 1))
    assert sums.split()[1:] == [f"{sum(range(1, parts + 1)):,}"] * 2 + ["0", f"{sum(range(1, parts + 1)):,}"]
    assert [cells[2:4] for cells in columns[1:]] == [cells[:2] for cells in columns[:-1]]


@pytest.mark.parametrize("name", ["ingested_events", "Events", "user", "it's", 'a "b"'])
def test_the_command_that_shows_the_data(name: str) -> None:
    """Whatever the table is called, a shell passes on a query that PostgreSQL takes for this table."""
    telemetry, extraction = Telemetry(), Extraction(Outcome("cancelled", "stopped"), None)
    database = Database(None, "postgresql://host/db", "psql -c")  # type: ignore[arg-type] # it is not dialled
    command = Report(extraction, telemetry, database, name).as_text().rstrip().splitlines()[-1]

    assert shlex.split(command) == ["psql", "-c", f"select count(*) from {quoted(name)}"]


def test_where_something_does_not_hold_each_stretch_is_shown() -> None:
    """Rows that are missing are not hidden in a sum."""
    _, *rows, _ = table(proof(40, missing=1))

    assert len(rows) == 40
