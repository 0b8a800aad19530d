"""What a client makes of a sample that was read: looked at and written down, or refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

from penstock.instruments.account import Account
from penstock.instruments.delivery import Refusal, Sample, known_as
from penstock.instruments.hooks import brief, text_of
from penstock.instruments.timing import Timing
from penstock.instruments.validation import ValidationResult
from penstock.model.errors import Refused

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Intake(Generic[T]):
    """`look` is the hook that looks at a sample, None where nobody is to look; `channel_of` says which channel it is of.

    `encode` writes plain data down. It is done here, so that what cannot be written down is refused like anything else that is wrong.
    """

    look: Callable[[T], ValidationResult] | None
    channel_of: Callable[[T], str]
    encode: Callable[[object], bytes]
    account: Account
    timing: Timing

    def judged(self, sample: T) -> Sample | Refusal:
        """The sample as it is to be stored, or why it is not."""
        if self.look is None:
            return self._kept(sample, sample)
        try:
            result = self.look(sample)
            kept = sample if result.sanitized_data is None else result.sanitized_data
            reason = "" if result.is_valid else "; ".join(text_of(error.message) for error in result.errors) or "it is not valid"
        except Exception as error:  # noqa: BLE001 - a hook may raise whatever it likes
            self.account.went_wrong("looking at a sample failed", error, reading=False)
            return self._refused(sample, f"looking at it failed: {type(error).__name__}")
        return self._refused(sample, reason) if reason else self._kept(sample, kept)

    def unread(self, source: str, error: Refused) -> Refusal:
        """What came in place of a sample, and its hook refused."""
        self.account.unread(brief(error))
        return Refusal(source, brief(error.headline), None, error.detail)

    def _kept(self, sample: T, data: object) -> Sample | Refusal:
        try:
            written = self.encode(msgspec.to_builtins(data, builtin_types=(bytes, datetime)))
        except Exception as error:  # noqa: BLE001 - a sample may be anything, as one that contains itself
            return self._refused(sample, f"it cannot be written down: {text_of(error)}")
        channel, provider = self._channel(sample), _provider(sample)
        self.account.received(known_as(channel, provider))
        return Sample(channel, self.timing.clock(), written, provider)

    def _refused(self, sample: T, reason: str) -> Refusal:
        channel, provider, why = self._channel(sample), _provider(sample), brief(reason)
        self.account.received(known_as(channel, provider), why)
        return Refusal(channel, why, _member(sample, "timestamp_ms", None), _member(sample, "value", sample), provider)

    def _channel(self, sample: T) -> str:
        try:
            return brief(self.channel_of(sample))
        except Exception as error:  # noqa: BLE001 - as above
            self.account.went_wrong("naming the channel of a sample failed", error, reading=False)
            return ""


def _provider(sample: object) -> str:
    """Whose channel it is; empty where it does not say."""
    provider = _member(sample, "provider_id", None)
    return "" if provider is None else brief(provider)


def _member(sample: object, name: str, otherwise: object) -> Any:  # noqa: ANN401 - a sample may be anything
    try:
        return getattr(sample, name, otherwise)
    except Exception:  # noqa: BLE001 - a property may raise whatever it likes
        return otherwise
