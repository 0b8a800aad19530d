"""Epochs: names for numberings, each greater than all before it."""

from __future__ import annotations

CLOCK_BYTES = 6
RANDOM_BYTES = 4


def next_epoch(now_ms: int, random: bytes, beyond: bytes) -> bytes:
    """48 bits of milliseconds since 1970, big-endian, and the 4 random bytes: 10 bytes that compare as they came about.

    Where that is not greater than `beyond` (a clock that was put back), the millisecond after that of `beyond` is used.
    """
    epoch = now_ms.to_bytes(CLOCK_BYTES, "big") + random
    if epoch > beyond:
        return epoch
    after = int.from_bytes(beyond[:CLOCK_BYTES], "big") + 1
    return after.to_bytes(CLOCK_BYTES, "big") + random
