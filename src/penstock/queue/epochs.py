"""Epochs: names for numberings, each greater than all before it."""

from __future__ import annotations

from penstock.model.errors import Fatal

CLOCK_BYTES = 6
RANDOM_BYTES = 4
MOST_MS = (1 << 48) - (1 << 40) - 1
"""A clock that shows more than that, in the year 10,854, is wrong, and would leave no room for a greater epoch."""


class NoGreaterEpoch(Fatal):
    """There is no epoch behind this one."""

    default_hint = (
        "No clock ever showed such a time: what names it, a stored position or the file of a log, is not what was written. Remove it."
    )


def next_epoch(now_ms: int, random: bytes, beyond: bytes) -> bytes:
    """48 bits of milliseconds since 1970, big-endian, and the 4 random bytes: 10 bytes that compare as they came about.

    Where that is not greater than `beyond` (a clock that was put back), the millisecond after that of `beyond` is used. Whatever the clock
    shows, the time is between 1970 and `MOST_MS`. Raises `NoGreaterEpoch`.
    """
    epoch = min(max(now_ms, 0), MOST_MS).to_bytes(CLOCK_BYTES, "big") + random
    if epoch > beyond:
        return epoch
    after = int.from_bytes(beyond[:CLOCK_BYTES], "big") + 1
    if after > MOST_MS:
        raise NoGreaterEpoch(beyond.hex())
    return after.to_bytes(CLOCK_BYTES, "big") + random
