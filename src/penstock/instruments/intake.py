"""What a client makes of a sample that was read: looked at, and as plain data, or refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

import msgspec

from penstock.instruments.account import Account
from penstock.instruments.delivery import Refusal, Sample
from penstock.instruments.timing import Timing
from penstock.instruments.validation import ValidationResult

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Intake(Generic[T]):
    """`look` is the hook that looks at a sample, None where nobody is to look; `channel_of` says which channel it is of."""

    look: Callable[[T], ValidationResult] | None
    channel_of: Callable[[T], str]
    account: Account
    timing: Timing

    def judged(self, sample: T) -> Sample | Refusal:
        """The sample as it is to be stored, or why it is not."""
        if self.look is None:
            return self.sampled(sample)
        try:
            result = self.look(sample)
        except Exception as error:  # noqa: BLE001 - a hook may raise whatever it likes
            self.account.went_wrong("looking at a sample failed", error, reading=False)
            return self.refused(self._channel(sample), f"looking at it failed: {type(error).__name__}", sample)
        if not result.is_valid:
            reason = "; ".join(error.message for error in result.errors)
            return self.refused(self._channel(sample), reason or "it is not valid", sample)
        return self.sampled(sample, result.sanitized_data)

    def sampled(self, sample: T, data: object = None) -> Sample | Refusal:
        """A sample that is kept, as `data` where that is not None."""
        channel = self._channel(sample)
        try:
            plain = msgspec.to_builtins(sample if data is None else data, builtin_types=(bytes, datetime))
        except TypeError as error:
            return self.refused(channel, f"it cannot be written down: {error}", sample)
        self.account.received(channel)
        return Sample(channel, self.timing.clock(), plain)

    def _channel(self, sample: T) -> str:
        try:
            return self.channel_of(sample)
        except Exception as error:  # noqa: BLE001 - as above
            self.account.went_wrong("naming the channel of a sample failed", error, reading=False)
            return ""

    def refused(self, channel: str, reason: str, sample: object = None) -> Refusal:
        """A sample that is not kept, and why."""
        self.account.received(channel, reason)
        return Refusal(channel, reason, getattr(sample, "timestamp_ms", None), getattr(sample, "value", sample))
