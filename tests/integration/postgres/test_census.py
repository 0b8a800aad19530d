"""Counting what is really in a table, and looking at what could not be put there."""

from __future__ import annotations

import pytest

from penstock.ports.checkpoints import Pipeline
from penstock.ports.flow import Receipt, Verdict
from penstock.stores.postgres.census import Census, Stretch
from penstock.testing import records
from tests.contract.benches import PostgresBench


@pytest.fixture
async def census(bench: PostgresBench) -> Census:
    """Of four events in three milliseconds."""
    await bench.ask("create table if not exists happenings (key text primary key, at timestamptz not null)")
    await bench.ask("truncate happenings")
    await bench.ask(
        "insert into happenings select key, 'epoch'::timestamptz + ms * interval '1 ms' from"
        " (values ('a', -1), ('b', 1700000000123), ('c', 1700000000123), ('d', 1700000000124)) as v (key, ms)"
    )
    return Census(bench.runs.connections, "happenings", "key", "at")


async def test_rows_are_counted_between_bounds(census: Census) -> None:
    """A bound belongs to the stretch above it; stretches without rows are there, and have no times."""
    found = await census.stretches([0, 1_700_000_000_123, 1_700_000_000_124, 1_700_000_000_125])

    assert found == [
        Stretch(1, -1, -1),
        Stretch(),
        Stretch(2, 1_700_000_000_123, 1_700_000_000_123),
        Stretch(1, 1_700_000_000_124, 1_700_000_000_124),
        Stretch(),
    ]


async def test_keys_are_found_by_their_moment(census: Census) -> None:
    """All keys of a millisecond, and nothing of one at which nothing happened."""
    assert await census.at([1_700_000_000_123, 5]) == {1_700_000_000_123: {"b", "c"}}


async def test_dead_letters_are_found(bench: PostgresBench, census: Census, pipeline: Pipeline) -> None:
    """By their bytes."""
    run = await bench.runs.begin(pipeline, bench.next_holder())
    await bench.runs.save(run, records.block(0, 6, refused=[1, 4]), Receipt(3, refused=(Verdict(0, "too big"),)))

    assert await census.is_dead_letter(pipeline.name, b"record 4")
    assert await census.is_dead_letter(pipeline.name, b'{"id": 0, "name": "record 0"}')
    assert not await census.is_dead_letter(pipeline.name, b"record 5")
