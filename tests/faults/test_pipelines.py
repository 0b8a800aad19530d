"""Pipelines of every kind of source and sink, killed at drawn moments: each ends with exactly the rows of the source."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.conftest import LONG, SEED
from tests.faults.matrix import ORDERS, WANTED, Pair, Place, pairs


def drawn() -> list[tuple[str, str, str]]:
    """All pairs with `--long`; else one for each sink, in a mode and with a source of their own."""
    every = pairs()
    if LONG:
        return every
    random.Random(SEED).shuffle(every)
    chosen = list[tuple[str, str, str]]()
    for source, sink, mode in every:
        if not any(sink == other[1] or source == other[0] for other in chosen):
            chosen.append((source, sink, mode))
    return chosen


@pytest.mark.parametrize("pair", drawn(), ids=" ".join)
def test_a_pipeline_that_is_killed_again_and_again_ends_with_exactly_its_rows(
    tmp_path: Path, database_url: str, seed: int, scale: int, pair: tuple[str, str, str]
) -> None:
    """Whatever the ends and wherever the kills, each row is there once, and the counts and the reader of the sink agree."""
    place, (source, sink, mode) = Place(tmp_path, database_url), pair

    result = Pair(place, source, sink, mode, seed).carried(most_kills=2 * scale)

    assert place.found(sink) == WANTED, f"seed {seed}"
    assert result.items() >= {"complete": True, "rows_received": ORDERS, "rows_stored": len(WANTED), "filtered": 1}.items()
