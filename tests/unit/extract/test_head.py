"""How far a scope reaches: up to what has settled, counted exactly."""

from __future__ import annotations

import pytest

from penstock.extract import head
from penstock.extract.cursor import Cursor
from penstock.extract.events import Page
from penstock.extract.keys import Frontier
from penstock.extract.probe import StillGrowing
from penstock.extract.source import EventSource
from penstock.ports.source import Scope

from .keyset import BASE, Keyset, Told, told

SIZE = 1_200
"""Events of one millisecond, more than the first page holds."""


class Growing(Keyset):
    """An API with one event more for every answer."""

    async def page(self, cursor: Cursor | None, limit: int, since: int | None = None) -> Page | None:
        """The truth of this moment."""
        self.told = [*self.told, Told(self.told[0].ts, len(self.told))]
        return await Keyset.page(self, cursor, limit, since)


def source_of(double: Keyset) -> EventSource:
    """Pages of a hundred."""
    return EventSource(double.api, "epoch", page_limit=100)


def reach(scope: Scope) -> tuple[int, int | None]:
    """The bound, after `BASE`, and how many events there are up to it."""
    return Frontier.of(scope.span.start).ts - BASE, scope.rows


@pytest.mark.parametrize("teapot", [True, False])
@pytest.mark.parametrize("sees_ahead", [True, False])
async def test_a_millisecond_that_is_all_there_is(sees_ahead: bool, teapot: bool) -> None:  # noqa: FBT001 - parameters of a test
    """Where one millisecond holds everything, nothing lies up to the first bound, and everything up to the second."""
    double = Keyset(told([5] * SIZE), sees_ahead=sees_ahead, teapot=teapot)

    first = await head.frozen(source_of(double))
    second = await head.widened(source_of(double), first)

    assert (reach(first), reach(second)) == ((4, 0), (5, SIZE))
    assert await head.widened(source_of(double), second) is second


async def test_a_millisecond_that_grows_while_it_is_counted() -> None:
    """What is counted page after page while events come in is no count of any moment: it is begun again later."""
    with pytest.raises(StillGrowing):
        await head.frozen(source_of(Growing(told([5] * SIZE))))


async def test_a_source_that_goes_on() -> None:
    """What was the newest millisecond lies below a newer one; one that only grew is left out until it does no more."""
    double = Keyset(told([5, 3, 1]))
    scopes = [await head.frozen(source_of(double))]
    for ts in (5, 9, 9):
        double.told = [*double.told, Told(ts, len(double.told))]
        scopes.append(await head.widened(source_of(double), scopes[-1]))
    scopes.append(await head.widened(source_of(double), scopes[-1]))

    assert [reach(scope) for scope in scopes] == [(4, 2), (4, 2), (8, 4), (8, 4), (9, 6)]
