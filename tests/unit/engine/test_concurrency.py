"""Giving up when a stop is asked for, and finding the one cause."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.engine.concurrency import first_cause, unless
from penstock.model.errors import Fatal, Transient
from penstock.testing.clock import clock, simulated


async def one() -> int:
    """A result."""
    return 1


def test_without_a_stop_the_result_counts() -> None:
    """What is awaited is what comes back, with its exceptions."""

    async def main() -> int | None:
        return await unless(asyncio.Event(), one())

    assert simulated(main) == 1


def test_errors_pass() -> None:
    """An exception of the work is the caller's."""

    async def fail() -> None:
        raise Transient

    async def main() -> None:
        await unless(asyncio.Event(), fail())

    with pytest.raises(Transient):
        simulated(main)


def test_a_stop_gives_the_work_up() -> None:
    """The moment a stop is asked for, the work is cancelled, has time to clean up, and there is no result."""
    left = []

    async def work() -> int:
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(1)
            left.append(clock())
        return 1

    async def main() -> int | None:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(5, stop.set)
        return await unless(stop, work())

    assert simulated(main) is None
    assert left == [6]


def test_after_a_stop_nothing_is_begun() -> None:
    """Work that would be done at once is not, when a stop was asked for before."""

    async def main() -> int | None:
        stop = asyncio.Event()
        stop.set()
        return await unless(stop, one())

    assert simulated(main) is None


def test_being_cancelled_cancels_the_work() -> None:
    """Whoever cancels the caller cancels the work too."""
    left = []

    async def work() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            left.append(clock())

    async def main() -> None:
        async with asyncio.timeout(3):
            await unless(asyncio.Event(), work())

    with pytest.raises(TimeoutError):
        simulated(main)
    assert left == [3]


@given(st.lists(st.booleans(), min_size=1, max_size=6), st.data())
def test_a_passing_failure_never_decides_beside_another(passing: list[bool], data: st.DataObject) -> None:
    """Among failures of many workers the first that is not passing is the cause, else the first of all, however deep they lie."""
    leaves: list[Exception] = [Transient(str(number)) if one else Fatal(str(number)) for number, one in enumerate(passing)]
    cut = data.draw(st.integers(0, len(leaves) - 1))
    nested = ExceptionGroup("all", [*leaves[:cut], ExceptionGroup("some", leaves[cut:])])

    cause = first_cause(nested)

    assert cause is leaves[passing.index(False) if False in passing else 0]


def test_a_defect_is_a_cause_like_a_fatal_error() -> None:
    """What is no error of ours decides before a passing failure."""
    defect = KeyError("a defect")

    assert first_cause(BaseExceptionGroup("both", [Transient(), defect])) is defect
