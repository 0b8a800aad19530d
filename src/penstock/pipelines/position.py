"""What stages remember of earlier rows travels in the position: `resume` holds the source's own beside the states of the stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from penstock.model.coverage import Position

_MARK = b"penstock.stages\0"
_PACKED = msgspec.msgpack.Decoder(tuple[bytes, list[bytes]])


def joined(position: Position, states: Sequence[bytes]) -> Position:
    """A position of the source together with states; the source's own where there is nothing to remember."""
    if not any(states):
        return position
    return replace(position, resume=_MARK + msgspec.msgpack.encode((position.resume, list(states))))


def parted(position: Position, stages: int) -> tuple[Position, list[bytes]]:
    """The source's own position, and a state for each of `stages`.

    The states are empty where the position has none, or was made by another number of stages: what they remember begins anew then.
    """
    if not position.resume.startswith(_MARK):
        return position, [b""] * stages
    resume, states = _PACKED.decode(position.resume.removeprefix(_MARK))
    return replace(position, resume=resume), states if len(states) == stages else [b""] * stages
