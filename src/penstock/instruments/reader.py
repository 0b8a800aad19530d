"""Reads for ever: whatever a hook raises, it connects again and goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event
from typing import Generic, TypeVar

from penstock.instruments.account import Account, IngestionState
from penstock.instruments.hooks import text_of
from penstock.instruments.link import CircuitOpen, Link
from penstock.instruments.timing import Timing
from penstock.model.errors import Refused
from penstock.model.gaps import Gap
from penstock.queue.capture import READER_FAILED

T = TypeVar("T")

IDLE_S = 0.01
"""After a read that brought nothing; a hook that does not wait itself is asked so often."""

NOISE = 1_000
"""Refused reads in a row after which there is a pause. One after each of them would keep a reader from what is good behind the noise."""

LONGEST_PAUSE_S = 1.0
"""After so many refused reads in a row, however often it was in vain."""


@dataclass(slots=True)
class Reader(Generic[T]):
    """What a client's thread does. `take`, `refuse` and `miss` hear of samples, of reads that were refused, and of gaps, in order.

    What these raise ends it, and so does what `check` raises, which is asked before each read.
    """

    link: Link
    account: Account
    timing: Timing
    read: Callable[[], T | None]
    take: Callable[[T], None]
    refuse: Callable[[Refused], None]
    miss: Callable[[Gap], None]
    check: Callable[[], None]
    attempts: int
    auto_reconnect: bool
    last_us: int | None = field(default=None, init=False)
    missing_since_us: int | None = field(default=None, init=False)

    def run(self, stop: Event) -> None:
        """Read until `stop` is set, or until the connection is lost where it is not to be made again."""
        ended = "the reader was broken off"
        try:
            ended = self._run(stop)
        finally:
            self.account.ended(ended)

    def _run(self, stop: Event) -> str:
        """Why it ended by itself, empty where it was stopped."""
        next_s = self.link.backoff()
        while self.link.connect_patiently(stop):
            read_before = self.last_us
            lost = self._read(stop)
            if lost is None:
                break
            if not self.auto_reconnect:
                self.link.disconnect(IngestionState.ERROR, f"{text_of(lost)}; auto_reconnect is off")
                return f"the connection was lost, and auto_reconnect is off: {text_of(lost)}"
            self.link.disconnect(IngestionState.RECONNECTING, text_of(lost))
            next_s = self.link.backoff() if self.last_us != read_before else next_s
            self.link.pause(stop, next_s(lost))
        self._close_gap()
        return ""

    def _read(self, stop: Event) -> Exception | None:
        """Read until `stop` is set, or until the connection is lost, and why."""
        failures, refused, next_s = 0, 0, self.link.backoff()
        while not stop.is_set():
            self.account.beat()
            self.check()
            try:
                sample = self.link.call(self.read)
            except CircuitOpen as error:
                return error
            except Refused as error:
                self.refuse(error)
                refused += 1
                if refused % NOISE == 0:
                    self.link.pause(stop, min(next_s(error), LONGEST_PAUSE_S))
                continue
            except Exception as error:  # noqa: BLE001 - a hook may raise whatever it likes
                failures += 1
                self._failed(error)
                if _gone(error) or failures >= self.attempts:
                    return error
                self.link.pause(stop, next_s(error))
                continue
            if sample is None:
                refused = 0
                self.timing.wait(stop, IDLE_S)
                continue
            if failures or refused:
                failures, refused, next_s = 0, 0, self.link.backoff()
            self._came(sample)
        return None

    def _came(self, sample: T) -> None:
        self.account.went_well()
        self._close_gap()
        self.last_us = self.timing.clock_us()
        self.take(sample)

    def _failed(self, error: Exception) -> None:
        self.account.went_wrong("reading failed", error, reading=True)
        if self.missing_since_us is None:
            self.missing_since_us = self.last_us or self.timing.clock_us()

    def _close_gap(self) -> None:
        if self.missing_since_us is not None:
            self.miss(Gap(READER_FAILED, None, self.missing_since_us, self.timing.clock_us()))
            self.missing_since_us = None


def _gone(error: Exception) -> bool:
    """Whether an error says that the connection is no more."""
    return isinstance(error, OSError) and not isinstance(error, TimeoutError)
