"""Orders by their number, each the same wherever and whenever it is asked for."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.simulate.shop.settings import ShopSettings

BEGIN_S = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp())
APART_S = 10
"""Seconds between one order and the next."""

_STATUSES = ("open", "paid", "shipped", "void")
_BROKEN = (b"null", b"7", b'"lost"', b"[1,2]")


def updated_s(number: int) -> int:
    """When order `number` was last changed, in epoch seconds; it grows with the number."""
    return BEGIN_S + number * APART_S


def first_since(moment_s: float) -> int:
    """The first order that was changed at `moment_s` or later."""
    return max(0, -int(-(moment_s - BEGIN_S) // APART_S))


def order(number: int, settings: ShopSettings) -> dict[str, object]:
    """Order `number`: numbers, texts, a moment, something nested, and now and then a null."""
    drawn = Random(f"{settings.seed}:{number}")
    items = [{"sku": f"S{drawn.randrange(1000):03}", "quantity": drawn.randint(1, 5)} for _ in range(drawn.randint(1, 3))]
    return {
        "id": number + 1,
        "customer": f"customer {drawn.randrange(500)}",
        "amount": drawn.randrange(100, 100_000) / 100,
        "status": drawn.choice(_STATUSES),
        "note": None if drawn.random() < 0.5 else f"Grüße № {drawn.randrange(10)}",
        "updated_at": datetime.fromtimestamp(updated_s(number), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "items": items,
    }


def is_broken(number: int, settings: ShopSettings) -> bool:
    """Whether order `number` is one of those that are no objects."""
    return settings.undecodable > 0 and Random(f"{settings.seed}:{number}:broken").random() < settings.undecodable


def written(number: int, settings: ShopSettings) -> bytes:
    """Order `number` as JSON, or what stands in its place."""
    if is_broken(number, settings):
        return _BROKEN[number % len(_BROKEN)]
    return json.dumps(order(number, settings), ensure_ascii=False, separators=(",", ":")).encode()
