"""What a client makes of a sample that was read: looked at, and as plain data, or refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

from penstock.instruments.account import Account
from penstock.instruments.delivery import Refusal, Sample
from penstock.instruments.hooks import text_of
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
            kept = result.sanitized_data
            reason = "" if result.is_valid else "; ".join(text_of(error.message) for error in result.errors) or "it is not valid"
        except Exception as error:  # noqa: BLE001 - a hook may raise whatever it likes
            self.account.went_wrong("looking at a sample failed", error, reading=False)
            return self.refused(self._channel(sample), f"looking at it failed: {type(error).__name__}", sample)
        return self.refused(self._channel(sample), reason, sample) if reason else self.sampled(sample, kept)

    def sampled(self, sample: T, data: object = None) -> Sample | Refusal:
        """A sample that is kept, as `data` where that is not None."""
        channel = self._channel(sample)
        try:
            plain = msgspec.to_builtins(sample if data is None else data, builtin_types=(bytes, datetime))
        except Exception as error:  # noqa: BLE001 - a sample may be anything, as one that contains itself
            return self.refused(channel, f"it cannot be written down: {text_of(error)}", sample)
        self.account.received(channel)
        return Sample(channel, self.timing.clock(), plain)

    def _channel(self, sample: T) -> str:
        try:
            return text_of(self.channel_of(sample))
        except Exception as error:  # noqa: BLE001 - as above
            self.account.went_wrong("naming the channel of a sample failed", error, reading=False)
            return ""

    def refused(self, channel: str, reason: str, sample: object = None) -> Refusal:
        """A sample that is not kept, and why."""
        self.account.received(channel, reason)
        return Refusal(channel, reason, _member(sample, "timestamp_ms", None), _member(sample, "value", sample))


def _member(sample: object, name: str, otherwise: object) -> Any:  # noqa: ANN401 - a sample may be anything
    try:
        return getattr(sample, name, otherwise)
    except Exception:  # noqa: BLE001 - a property may raise whatever it likes
        return otherwise
