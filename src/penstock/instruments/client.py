"""The base of clients of live sources: four hooks, and everything around them that must not go wrong."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from dataclasses import replace
from threading import Event, RLock, Thread, current_thread
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar

import msgspec

from penstock.instruments.account import Account, IngestionState, IngestionStats
from penstock.instruments.config import CircuitBreakerSettings, IngestionConfig, RetrySettings
from penstock.instruments.delivery import Appending, Delivery, Queueing
from penstock.instruments.feed import Feed
from penstock.instruments.hooks import contained, is_name
from penstock.instruments.ingestion_file import get_ingestion_config
from penstock.instruments.intake import Intake
from penstock.instruments.link import Link
from penstock.instruments.reader import Reader
from penstock.instruments.timing import Timing
from penstock.instruments.validation import ValidationResult, ValidationSettings
from penstock.model.errors import Fatal, Misconfigured, Transient
from penstock.ports.live import Append
from penstock.queue.ingestion import IngestionQueue, QueuePriority
from penstock.reliability.breakers import Breakers
from penstock.reliability.circuit import BreakerState, Transition
from penstock.reliability.health import HealthSettings

T = TypeVar("T")

MOST_WAITING = 10_000
"""Samples that wait for the batch before them to be written; reading waits when there are more."""


class IngestionOff(Fatal):
    """Ingestion is switched off."""

    default_hint = "Set global_enabled to true in config/ingestion.json."


class NoSourceName(Misconfigured):
    """This is no name of a source."""

    default_hint = "A source is named by a text that says something: samples are queued, and settings are found, by it."


class StillReading(Transient):
    """The reader has not stopped."""

    default_hint = "_read_impl has to return within seconds, with None where nothing came; the reader stops as soon as it does."


class BaseIngestionClient(ABC, Generic[T]):
    """A client of a live source. A subclass says how to connect, to disconnect, to read one sample, and to look at it.

    What the hooks raise never ends the reader. An `OSError` says that the connection is gone, and it is made again; after any other error
    reading is tried again, and the connection is made again when that did not help as often as `max_attempts` says. `Refused` says that
    what came is no sample: it becomes a dead letter, and after each thousand in a row reading pauses, up to a second. All calls go through
    a circuit breaker.

    It is a `LiveSource` as well: `receive` brings samples, not yet looked at, into the log of a pipeline.

    `config` is by default that of `config/ingestion.json`. `queue` may be shared with others; without one the client makes its own when it
    starts reading, and closes it with itself. `breakers` shares circuit breakers by the names of sources.
    """

    priority: ClassVar[QueuePriority] = QueuePriority.HIGH
    """Of the samples, in the queue."""

    health_settings: ClassVar[HealthSettings] = HealthSettings()
    """When a source of this kind is called unwell."""

    def __init__(
        self,
        source_name: str,
        *,
        config: IngestionConfig | None = None,
        queue: IngestionQueue | None = None,
        breakers: Breakers | None = None,
        timing: Timing | None = None,
    ) -> None:
        if not is_name(source_name):
            raise NoSourceName(ascii(source_name))
        self.source_name = source_name
        self.config = config or get_ingestion_config()
        self.settings = self.config.get_source_config(source_name)
        self.validation: ValidationSettings = self.settings.validation or self.config.validation
        self.queue = queue
        self._timing = timing or Timing()
        self._log = logging.getLogger(f"penstock.instruments.{source_name}")
        self._log.setLevel(self.config.log_level)
        breaker: CircuitBreakerSettings = self.settings.circuit_breaker or self.config.default_circuit_breaker
        self._breaker = (breakers or Breakers(self._timing.rand, self._tell)).at(source_name, breaker.core())
        self._account = Account(source_name, self._breaker, self.health_settings, self._timing, self._log)
        self._retry: RetrySettings = self.settings.retry or self.config.default_retry
        hooks = contained(self._connect_impl), contained(self._disconnect_impl)
        self._link = Link(source_name, *hooks, self._breaker, self._retry, self._account, self._timing)
        look = contained(self._validate_sample) if self.validation.enabled else None
        self._intake = Intake(look, contained(self._channel), msgspec.msgpack.encode, self._account, self._timing)
        self._lock = RLock()
        self._own_queue: IngestionQueue | None = None
        self._queueing: Queueing | None = None
        self._shed_before = self._shed_at_the_end = 0
        self._stop = Event()
        self._thread: Thread | None = None

    @abstractmethod
    def _connect_impl(self) -> bool:
        """Connect. False, or an exception, says that it did not work."""

    @abstractmethod
    def _disconnect_impl(self) -> None:
        """Let go of the connection. Called once after each time that connecting worked, also when the connection is gone already."""

    @abstractmethod
    def _read_impl(self) -> T | None:
        """The next sample; None where nothing came for a while. It has to return within seconds, or the client cannot be stopped."""

    @abstractmethod
    def _validate_sample(self, sample: T) -> ValidationResult:
        """Look at a sample; `self.validation` says how. It is not called where `validation.enabled` is false."""

    def _channel(self, sample: T) -> str:
        """The channel of a sample, for the freshness of each; by default its `channel`, or the name of the source where it has none.

        Where samples have a `provider_id`, each provider has channels of its own.
        """
        return str(getattr(sample, "channel", self.source_name))

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def state(self) -> IngestionState:
        """Where it stands with its source."""
        return self._account.stats().state

    @property
    def reading(self) -> bool:
        """Whether its reader is at work."""
        return self._thread is not None and self._thread.is_alive()

    def connect(self) -> Literal[True]:
        """Connect, trying again as the settings for retries say; at once where it is connected.

        Raises:
            IngestionOff: the configuration says that nothing is to be read.
            CircuitOpen: too many calls have failed, and none is made for a while.
            NotConnected: all attempts have failed; the last one is the cause.
            Fatal: what the hook raised, where another attempt would not help.
        """
        self._require_enabled()
        with self._lock:
            if not self.reading:
                self._stop = Event()
            stop = self._stop
        self._link.connect(stop)
        return True

    def start_reading(self) -> None:
        """Read into the queue from now on, in a thread, until `stop_reading`; nothing new where it reads already.

        It need not be connected: the reader connects by itself, and again whenever the connection is lost (`auto_reconnect`). A sample is
        in the queue, and on disk where the queue is, as soon as the batch before it is.

        Raises:
            IngestionOff: the configuration says that nothing is to be read.
            StillReading: the reader was told to stop, and has not yet.
        """
        self._require_enabled()
        with self._lock:
            if self.reading:
                if self._stop.is_set():
                    raise StillReading(self.source_name)
                return
            if self.queue is None:
                self.queue = self._own_queue = IngestionQueue(self.config.queue)
                self._shed_before = self._own_queue.get_stats().total_dropped - self._account.turned_away - self._shed_at_the_end
            if self._queueing is None:
                self._queueing = Queueing(self.queue, self.source_name, self.priority, self._account, self._timing)
            self._stop = Event()
            work = self._queueing, self._stop
            self._thread = Thread(target=self._read_into, args=work, name=f"penstock-{self.source_name}", daemon=True)
            self._thread.start()

    def stop_reading(self, timeout_s: float = 10.0) -> None:
        """Return once the reader has stopped, and everything that was read is in the queue.

        Raises:
            StillReading: it has not within `timeout_s`.
        """
        with self._lock:
            self._stop.set()
            thread = self._thread
        if thread is None or thread is current_thread():
            return
        thread.join(timeout_s)
        if thread.is_alive():
            raise StillReading(f"{self.source_name}, after {timeout_s:g} s")

    def disconnect(self) -> None:
        """Stop reading and disconnect. Raises `StillReading`, after it has disconnected all the same."""
        try:
            self.stop_reading()
        finally:
            self._link.disconnect(IngestionState.DISCONNECTED)

    def close(self) -> None:
        """Disconnect, and close the queue if it is this client's own.

        Raises `StillReading`: the queue is open for what is being read, and closed when this is called again.
        """
        self.disconnect()
        if (own := self._given_up()) is not None:
            own.close()

    def receive(self, append: Append, stop: Event) -> None:
        """See `LiveSource`. Samples are appended as JSON, before anybody looks at them; it is disconnected when this returns.

        What is refused, or cannot be written down, is a gap: there is no queue to keep its dead letter in. JSON has no NaN and no
        infinity: they are null there.
        """
        self._require_enabled()
        try:
            self._read(Appending(append, self._account, self._timing), stop, replace(self._intake, look=None, encode=msgspec.json.encode))
        finally:
            self._link.disconnect(IngestionState.DISCONNECTED)

    def get_stats(self) -> IngestionStats:
        """Its counts at this moment."""
        return self._account.stats(self._shed())

    def health_check(self) -> dict[str, Any]:
        """Whether it is healthy, and if not why, as one object for JSON."""
        report, stats = self._account.report(), self.get_stats()
        return {
            "source": self.source_name,
            "healthy": report.healthy,
            "state": stats.state.value,
            "reasons": list(report.reasons),
            "live": report.live.well,
            "ready": report.ready.well,
            "channels": {name: one.reason or "ok" for name, one in report.channels.items()},
            "circuit_state": stats.circuit_state.value,
            "consecutive_errors": stats.consecutive_errors,
            "samples_per_second": round(stats.samples_per_second, 2),
            "last_error": stats.last_error or None,
        }

    def reset_circuit_breaker(self) -> None:
        """Let calls through again at once."""
        self._breaker.reset(self._timing.clock())

    def isolate(self, reason: str) -> None:
        """Let no call through until `reset_circuit_breaker`, as while the instrument is being serviced."""
        self._breaker.isolate(self._timing.clock(), reason)

    def _require_enabled(self) -> None:
        if not self.config.global_enabled:
            raise IngestionOff(self.source_name)

    def _tell(self, transition: Transition) -> None:
        level = logging.WARNING if transition.after is BreakerState.OPEN else logging.INFO
        self._log.log(level, "%s: the circuit is %s: %s", transition.name, transition.after.value, transition.reason)

    def _shed(self) -> int:
        """Samples that its own queue took, and let go of later. Whose items a shared queue sheds is not known here."""
        own = self._own_queue
        return self._shed_at_the_end if own is None else own.get_stats().total_dropped - self._shed_before - self._account.turned_away

    def _given_up(self) -> IngestionQueue | None:
        """Its own queue, which is not any more; None where there is none, or another thread has begun to read into it again."""
        with self._lock:
            if self._own_queue is None or self.reading:
                return None
            self._shed_at_the_end, own = self._shed(), self._own_queue
            self.queue = self._own_queue = self._queueing = None
            return own

    def _read_into(self, queueing: Queueing, stop: Event) -> None:
        try:
            self._read(queueing, stop, self._intake)
        finally:
            queueing.flush()

    def _read(self, deliver: Delivery, stop: Event, intake: Intake[T]) -> None:
        with Feed(deliver, MOST_WAITING) as feed:
            Reader(
                self._link,
                self._account,
                self._timing,
                read=contained(self._read_impl),
                take=lambda sample: feed.put(intake.judged(sample)),
                refuse=lambda error: feed.put(intake.unread(self.source_name, error)),
                miss=feed.put,
                check=feed.check,
                attempts=self._retry.max_attempts,
                auto_reconnect=self.settings.auto_reconnect,
            ).run(stop)
