"""Every protection of the HTTP source is seen to be needed: without it the test of what it protects fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from penstock.simulate.faults import FaultProfile
from penstock.simulate.shop.serve import running
from penstock.simulate.shop.settings import ShopSettings
from penstock.stores.http import pull, source
from penstock.stores.http.api import Api
from penstock.stores.http.page import Page
from penstock.stores.http.place import Place
from penstock.stores.http.rows import sort_out
from penstock.stores.http.window import Window

from . import test_source
from .reading import ids, of, once, read


async def repeated_pages(shop: ShopSettings) -> None:
    """Pages that come twice are stored once."""
    async with running(replace(shop, faults=FaultProfile(same_page=0.4))) as server:
        _, found = await read(of(server, "cursor"))

    assert ids(found) == once(shop.orders)


def _repeats_unnoticed(patch: pytest.MonkeyPatch) -> None:
    numbers = count()
    patch.setattr(pull, "digest", lambda _: str(next(numbers)))


def _place_not_compared(patch: pytest.MonkeyPatch) -> None:
    async def back_to(self: pull.Pull, place: Place) -> pull.Turn:
        turn = pull.Turn(Page((), b"", None, None), replace(place, rows=0, pages=place.pages - 1), None)
        return replace(await self._turn(turn, place.ask), place=place)

    patch.setattr(pull.Pull, "back_to", back_to)


def _pushed_on_twice(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(source, "sort_out", lambda raws, _, window, decoder: sort_out(raws, (), window, decoder))


def _no_bounds(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Window, "holds", lambda *_: True)


def _key_kept(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Api, "kept", lambda _, ask: ask)


def _total_not_compared(patch: pytest.MonkeyPatch) -> None:
    real = source._upto

    def upto(turn: pull.Turn, end: Any) -> Any:  # noqa: ANN401 - as the real one
        return real(replace(turn, place=replace(turn.place, total=None)), end)

    patch.setattr(source, "_upto", upto)


PROTECTIONS: dict[Callable[[pytest.MonkeyPatch], None], Callable[[], Awaitable[None]]] = {
    _repeats_unnoticed: lambda: repeated_pages(ShopSettings(orders=60)),
    _place_not_compared: lambda: test_source.test_a_place_that_moved("offset"),
    _pushed_on_twice: lambda: test_source.test_orders_that_come_in_at_the_front("offset", 6),
    _no_bounds: lambda: test_source.test_notations_of_time("iso8601"),
    _key_kept: test_source.test_no_key_in_positions,
    _total_not_compared: test_source.test_fewer_rows_than_stated,
}


@pytest.mark.parametrize("take_out", PROTECTIONS, ids=lambda take_out: take_out.__name__.strip("_"))
async def test_a_check_fails_without_its_protection(
    take_out: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one protection taken out its check fails; with it, it passes."""
    await PROTECTIONS[take_out]()
    take_out(monkeypatch)

    with pytest.raises((AssertionError, pytest.fail.Exception)):
        await PROTECTIONS[take_out]()
