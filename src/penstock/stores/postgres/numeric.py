"""Decimals as `numeric` has them on the wire: digits of base 10,000 (PostgreSQL, src/backend/utils/adt/numeric.c, numeric_send).

A value is int16s, big-endian: the number of digits, the weight of the first one (its power of 10,000), the sign (0 or 0x4000), how many
decimal places are shown, and the digits. We send all digits of a column's precision; the server strips zeros.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from numpy.typing import NDArray

BASE = np.uint64(10_000)
NEGATIVE = 0x4000
_LIMB = np.uint64(32)
_LOW = np.uint64(0xFFFF_FFFF)


def encode(column: pa.Array) -> NDArray[np.void]:
    """The values of a decimal128 column, all of one width; what stands for nulls means nothing."""
    precision, scale = column.type.precision, column.type.scale
    before, behind = -(-(precision - scale) // 4), -(-scale // 4)
    limbs, negative = _magnitudes(column)
    _multiply(limbs, 10 ** (behind * 4 - scale))
    wire = np.empty((len(column), 4 + before + behind), ">i2")
    wire[:, 0], wire[:, 1], wire[:, 3] = before + behind, before - 1, scale
    wire[:, 2] = np.where(negative, NEGATIVE, 0)
    for place in range(3 + before + behind, 3, -1):
        wire[:, place] = _divide(limbs)
    return wire.view(f"V{wire.shape[1] * 2}").reshape(-1)


def _magnitudes(column: pa.Array) -> tuple[list[NDArray[np.uint64]], NDArray[np.bool_]]:
    """Absolute values as five 32-bit limbs, the lowest first, and which values are negative."""
    words = np.frombuffer(column.buffers()[1], "<u4", 4 * len(column), 16 * column.offset).reshape(-1, 4)
    negative = words[:, 3] >> 31 == 1
    limbs, carry = [], negative.astype(np.uint64)
    for number in range(4):
        limb = np.where(negative, ~words[:, number], words[:, number]).astype(np.uint64) + carry
        limbs.append(limb & _LOW)
        carry = limb >> _LIMB
    return [*limbs, np.zeros(len(column), np.uint64)], negative


def _multiply(limbs: list[NDArray[np.uint64]], factor: int) -> None:
    carry = np.zeros(len(limbs[0]), np.uint64)
    for number, limb in enumerate(limbs):
        product = limb * np.uint64(factor) + carry
        limbs[number], carry = product & _LOW, product >> _LIMB


def _divide(limbs: list[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    """Divide by the base, and answer what remains: the lowest digit."""
    rest = np.zeros(len(limbs[0]), np.uint64)
    for number in reversed(range(len(limbs))):
        part = (rest << _LIMB) | limbs[number]
        limbs[number], rest = part // BASE, part % BASE
    return rest
