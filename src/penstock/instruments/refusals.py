"""Refused samples: an unbroken run of the same fault of one channel is one letter."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from penstock.instruments.hooks import brief

LEAST, LARGEST = -(1 << 63), (1 << 64) - 1
"""Whole numbers that every format can say."""


@dataclass(slots=True)
class RefusedRun:
    """Consecutive samples of one channel of one provider, all refused for one reason.

    `numbers` say which samples they are, of those that were looked at together. `first` and `last` are times in milliseconds, None where
    there was none, and values as they came.
    """

    provider: str
    channel: str
    reason: str
    numbers: list[int]
    first: tuple[int | None, object]
    last: tuple[int | None, object]

    @property
    def data(self) -> dict[str, Any]:
        """What a dead letter keeps of it, for JSON. A value that JSON cannot say is text, and of long text it is the beginning."""
        ends = {"first": _end(*self.first), "last": _end(*self.last)}
        return {"provider": brief(self.provider), "channel": brief(self.channel), "count": len(self.numbers), **ends}

    @property
    def raw(self) -> bytes:
        """The same as JSON."""
        return json.dumps(self.data).encode()


@dataclass(slots=True)
class Runs:
    """Refused samples as they come, joined into runs; a kept sample of the same channel ends a run, and so does another reason."""

    _found: list[RefusedRun] = field(default_factory=list)
    _open: dict[tuple[str, str], RefusedRun] = field(default_factory=dict)

    def refuse(self, number: int, provider: str, channel: str, reason: str, sample: tuple[int | None, object]) -> None:
        """Sample `number` is refused; `sample` is its time and its value."""
        run = self._open.get((provider, channel))
        if run is not None and run.reason == reason:
            run.numbers.append(number)
            run.last = sample
            return
        self._open[provider, channel] = run = RefusedRun(provider, channel, reason, [number], sample, sample)
        self._found.append(run)

    def keep(self, provider: str, channel: str) -> None:
        """A sample of this channel is kept."""
        self._open.pop((provider, channel), None)

    def take(self) -> Sequence[RefusedRun]:
        """The runs up to here, in the order of their first samples; what comes after is another run.

        Whoever writes letters asks for this each time they are to be durable: a run is never longer than what is stored at once.
        """
        found, self._found = self._found, []
        self._open.clear()
        return found


def _end(time: object, value: object) -> dict[str, object]:
    return {"timestamp_ms": _said(time), "value": _said(value)}


def _said(value: object) -> object:
    if value is None or (isinstance(value, int) and LEAST <= value <= LARGEST):
        return value
    return value if isinstance(value, float) and isfinite(value) else brief(value)
