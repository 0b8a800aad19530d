"""Functions for python stages."""

from __future__ import annotations

from typing import Any


def same(row: dict[str, Any]) -> dict[str, Any]:
    """The row as it is."""
    return row


def odd_only(row: dict[str, Any]) -> object:
    """Rows with an odd number doubled; multiples of ten raise, those of seven give something else, other even ones are left out."""
    number = row["number"]
    if number % 10 == 0:
        raise ValueError(f"{number} is round")
    if number % 7 == 0:
        return number
    if number % 9 == 0:
        return row | {"surprise": 1}
    if number % 11 == 0:
        return row | {"number": "eleven"}
    return row | {"number": number * 2} if number % 2 else None
