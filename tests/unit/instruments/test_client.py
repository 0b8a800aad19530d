"""A client of a live source, with a real queue behind it."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pkgutil import walk_packages
from threading import Event, Thread
from threading import enumerate as enumerate_threads
from typing import Any

import pytest

from penstock.instruments import client as clients
from penstock.instruments.account import IngestionState
from penstock.instruments.client import IngestionOff, NoSourceName, StillReading
from penstock.instruments.config import CircuitBreakerSettings, IngestionConfig, RetrySettings, SourceConfig
from penstock.instruments.link import CircuitOpen, NotConnected
from penstock.instruments.samples import DataSample, JetDriveSampleSchema
from penstock.instruments.validation import DEFAULT, ValidationResult, ValidationSettings
from penstock.model.errors import Fatal, PenstockError, Refused
from penstock.model.gaps import SHED, UNREADABLE, Gap
from penstock.model.metrics import CLIENT_HELP
from penstock.queue.capture import READER_FAILED
from penstock.queue.ingestion import IngestionQueue, QueuePriority, QueueSettings
from penstock.queue.log import LogFull
from penstock.reliability.breakers import Breakers
from penstock.reliability.circuit import BreakerState
from tests.unit.instruments.hands import Hands
from tests.unit.instruments.sources import Scripted, Step, rpm

BLOCKING = QueueSettings(max_size=5, overflow="block", block_timeout_sec=0)


def config(**parts: Any) -> IngestionConfig:  # noqa: ANN401 - keys of the file
    """A configuration with something of its own."""
    return IngestionConfig(**parts)


def values(queue: IngestionQueue | None) -> list[float]:
    """What is in a queue, in order."""
    assert queue is not None
    return [item.data["value"] for item in queue.lease(1_000)]


def test_a_client_as_document_001_writes_it() -> None:
    """Connect, start reading, look at health and counts: samples are in the queue as they were read, of high priority."""
    client = Scripted([rpm(3500.0), None, rpm(3600.0)])

    assert client.connect()
    assert client.health_check()["healthy"]
    client.read_through()

    health, stats = client.health_check(), client.get_stats()
    assert (health["healthy"], health["state"], health["reasons"], health["channels"]) == (True, "connected", [], {"rpm": "ok"})
    assert (stats.samples_received, stats.samples_processed, stats.samples_failed, stats.samples_dropped) == (2, 2, 0, 0)
    assert (stats.samples_pending, stats.consecutive_errors, stats.circuit_state) == (0, 0, BreakerState.CLOSED)
    assert client.queue is not None
    items = client.queue.lease()
    assert [(item.source, item.priority) for item in items] == [("ecu", QueuePriority.HIGH)] * 2
    assert items[0].data == {"timestamp_ms": 0, "source": "ecu", "channel": "rpm", "value": 3500.0, "unit": "", "quality": "ok"}
    client.close()


def test_everything_is_left_in_order() -> None:
    """Leaving it stops the reader, disconnects once, and closes its own queue; leaving again changes nothing."""
    with Scripted() as client:
        client.start_reading()
        client.start_reading()
        assert client.reading
        queue = client.queue
        client.close()

    assert (client.reading, client.calls, client.state) == (False, ["connect", "disconnect"], IngestionState.DISCONNECTED)
    assert queue is not None
    with pytest.raises(Fatal, match="closed"):
        queue.enqueue("ecu", 1)


def test_a_shared_queue_is_not_closed() -> None:
    """It belongs to whoever made it."""
    queue = IngestionQueue()
    for value in (1000.0, 2000.0):
        with Scripted([rpm(value)], queue=queue) as client:
            client.read_through()

    assert values(queue) == [1000.0, 2000.0]


def test_reading_needs_no_connection_to_begin_with() -> None:
    """The instrument is switched on later: the reader has been trying, and reads."""
    client = Scripted([rpm(1000.0)])
    client.connects = [False, OSError("no such port"), ValueError("odd")]

    client.read_through()

    assert (values(client.queue), client.calls) == ([1000.0], ["connect"] * 4)


def test_it_becomes_healthy_again() -> None:
    """After ten errors in a row of every kind it has connected again, reads, and is healthy, with a gap where something may be missing."""
    errors: list[Step] = [OSError("gone"), ValueError("odd"), KeyError("x"), RuntimeError("?"), TimeoutError("late")] * 2
    client = Scripted([rpm(1000.0), *errors, *(rpm(2000.0 + n) for n in range(5))])

    client.read_through()

    stats, health = client.get_stats(), client.health_check()
    assert (health["healthy"], health["reasons"], stats.consecutive_errors) == (True, [], 0)
    assert values(client.queue) == [1000.0, 2000.0, 2001.0, 2002.0, 2003.0, 2004.0]
    assert client.queue is not None
    assert [gap.cause for gap in client.queue.gaps()] == [READER_FAILED]
    assert stats.last_error
    assert stats.reconnects >= 2


def test_while_it_fails_it_says_so() -> None:
    """Before it is well again: unhealthy, with the reason and the number of errors in a row."""
    client = Scripted([rpm(1000.0), *[OSError("gone")] * 4], config(default_circuit_breaker=CircuitBreakerSettings(failure_threshold=4)))
    client.connects = [True, *[OSError("gone")] * 10_000]
    waiting, asked = Event(), Event()

    def wait_to_be_asked() -> None:
        waiting.set()
        asked.wait(10)

    client.hands.at.append((1_030.0, wait_to_be_asked))
    client.start_reading()
    assert waiting.wait(10)
    health = client.health_check()
    asked.set()
    client.stop_reading()

    assert (health["healthy"], health["live"], health["ready"]) == (False, True, False)
    assert health["reasons"][0].startswith("the circuit is open for another ")
    assert health["consecutive_errors"] >= 4


def test_refused_samples_are_counted_once_and_kept_as_dead_letters() -> None:
    """47 that are not a number in a row are failed and nothing else, and one dead letter; what follows is another run."""
    nan = [rpm(math.nan, time_ms=number) for number in range(47)]
    client = Scripted([*nan, rpm(1000.0), rpm(math.nan, time_ms=99), rpm(math.nan, "afr")])

    client.read_through()

    stats = client.get_stats()
    assert (stats.samples_received, stats.samples_failed, stats.samples_processed) == (50, 49, 1)
    assert values(client.queue) == [1000.0]
    assert client.queue is not None
    letters = [(letter.source, letter.error, letter.data) for letter in reversed(client.queue.get_dead_letter_items())]
    ends = {"first": {"timestamp_ms": 0, "value": "nan"}, "last": {"timestamp_ms": 46, "value": "nan"}}
    assert letters[0] == ("ecu", "the value is NaN", {"provider": "ecu", "channel": "rpm", "count": 47, **ends})
    assert [(data["channel"], data["count"]) for _, _, data in letters] == [("rpm", 47), ("rpm", 1), ("afr", 1)]


def jetdrive(value: float, provider: int) -> JetDriveSampleSchema:
    """A sample of a channel that more than one provider has."""
    return JetDriveSampleSchema(5, "ecu", "Torque", value, "N·m", provider_id=provider, channel_id=2)


def test_refused_samples_of_two_providers_are_two_dead_letters() -> None:
    """Channels repeat from provider to provider: runs that alternate are not broken, and a good sample of one ends none of the other."""
    client = Scripted([jetdrive(math.nan, 17), jetdrive(math.nan, 18), jetdrive(math.nan, 17), jetdrive(1.0, 18), jetdrive(math.nan, 17)])

    client.read_through()

    assert client.queue is not None
    letters = [letter.data for letter in reversed(client.queue.get_dead_letter_items())]
    assert [(data["provider"], data["channel"], data["count"]) for data in letters] == [("17", "Torque", 3), ("18", "Torque", 1)]


def test_a_sample_that_names_no_provider_is_of_the_source() -> None:
    """A source that knows of providers may not know which one it was."""
    client = Scripted([replace(jetdrive(math.nan, 17), provider_id=None)])  # type: ignore[arg-type]  # what comes over a wire

    client.read_through()

    assert client.queue is not None
    (letter,) = client.queue.get_dead_letter_items()
    assert letter.data["provider"] == "ecu"
    assert client.health_check()["channels"] == {"Torque": "ok"}


def test_the_health_of_a_channel_is_that_of_its_provider() -> None:
    """One that says nothing but NaN is not well because another one is."""
    client = Scripted([jetdrive(value, provider) for _ in range(10) for provider, value in ((17, math.nan), (18, 1.0))])
    client.connect()

    client.read_through()

    channels = client.health_check()["channels"]
    assert channels == {"17: Torque": "10 in a row were bad, the last one because the value is NaN", "18: Torque": "ok"}


def test_a_dead_letter_of_a_client_can_be_retried_and_cleared() -> None:
    """It is a dead letter like any other, though it never was an item."""
    client = Scripted([rpm(math.nan), rpm(1.0), rpm(math.nan)])
    client.read_through()
    queue = client.queue
    assert queue is not None
    newest, oldest = queue.get_dead_letter_items()

    assert queue.retry_dead_letter(oldest.id)
    assert queue.clear_dead_letter() == 1

    assert [item.data.get("count") for item in queue.lease()] == [None, 1]
    assert queue.get_stats().dead_letters == 0
    assert newest.id != oldest.id


@pytest.mark.parametrize(
    ("keys", "kept", "refused"),
    [
        ({}, [3500.0, 99_999.0], 2),
        ({"strict_mode": True}, [3500.0], 3),
        ({"reject_nan": False}, [3500.0, 99_999.0, "nan"], 1),
        ({"reject_inf": False}, [3500.0, 99_999.0, math.inf], 1),
        ({"enabled": False}, [3500.0, 99_999.0, "nan", math.inf], 0),
    ],
)
def test_each_key_of_validation_counts(keys: dict[str, bool], kept: list[object], refused: int) -> None:
    """Out of range is kept and flagged, or refused; NaN and infinity are refused, or kept; or nothing is looked at."""
    steps = [rpm(3500.0), rpm(99_999.0), rpm(math.nan), rpm(math.inf)]
    client = Scripted(steps, config(validation=ValidationSettings(**keys)))

    client.read_through()

    found = ["nan" if math.isnan(value) else value for value in values(client.queue)]
    assert (found, client.get_stats().samples_failed) == (kept, refused)


def test_sanitized_values_are_stored() -> None:
    """A number that came as text is stored as a number, or refused with `sanitize_values` off."""
    text: Any = "3500"
    kept, refused = Scripted([rpm(text)]), Scripted([rpm(text)], config(validation=ValidationSettings(sanitize_values=False)))

    kept.read_through()
    refused.read_through()

    assert (values(kept.queue), values(refused.queue)) == ([3500.0], [])


class Odd(Scripted):
    """A client whose hooks are not well written."""

    def _validate_sample(self, sample: DataSample) -> ValidationResult:
        if sample.value == 1.0:
            raise ZeroDivisionError
        return ValidationResult(is_valid=sample.value != 2.0)

    def _channel(self, sample: DataSample) -> str:
        if sample.value == 3.0:
            raise AttributeError("channel")
        return super()._channel(sample)


def test_a_hook_that_looks_at_samples_may_raise() -> None:
    """The sample is refused, with that as the reason; the reader goes on, and nothing is counted twice."""
    thing: Any = object()
    client = Odd([rpm(1.0), rpm(2.0), rpm(3.0), rpm(thing), rpm(5.0)])

    client.read_through()

    assert client.queue is not None
    reasons = [letter.error for letter in reversed(client.queue.get_dead_letter_items())]
    assert reasons[:2] == ["looking at it failed: ZeroDivisionError", "it is not valid"]
    assert reasons[2].startswith("it cannot be written down: ")
    assert values(client.queue) == [3.0, 5.0]
    assert client.get_stats().samples_failed == 3


class Surprising(Scripted):
    """Answers with whatever it was given, as hooks without annotations do."""

    answer: Any = None

    def _validate_sample(self, sample: DataSample) -> ValidationResult:
        answer: ValidationResult = self.answer
        return answer if sample.value == 1.0 else super()._validate_sample(sample)


@pytest.mark.parametrize("answer", [None, False, {}, ValidationResult(False, errors="bad"), ValidationResult(False, errors=("bad",))])  # type: ignore[arg-type]
def test_an_answer_that_is_no_result_refuses_the_sample(answer: object) -> None:
    """A `return` was forgotten: a dead letter says so, and the reader goes on."""
    client = Surprising([rpm(1.0), rpm(1000.0)])
    client.answer = answer

    client.read_through()

    assert client.queue is not None
    assert [letter.error for letter in client.queue.get_dead_letter_items()] == ["looking at it failed: AttributeError"]
    assert (values(client.queue), client.get_stats().consecutive_errors) == ([1000.0], 0)


class Untold(Exception):
    """An error that cannot be told."""

    def __str__(self) -> str:
        raise RuntimeError


class Hidden:
    """A sample that does not show its value."""

    @property
    def value(self) -> float:
        """None of it."""
        raise LookupError


LOOP: list[object] = []
LOOP.append(LOOP)

LOOKS = object()

CLOCK: Any = object()

HALF: Any = "\ud800"
"""One half of a character outside of the first 65,536: no UTF-8 has it."""

HUGE = rpm(10**400)


def test_a_sample_that_contains_itself_is_refused() -> None:
    """It cannot be written down, whether anybody looks at it or not."""
    client = Scripted([LOOP, rpm(1000.0)], config(validation=ValidationSettings(enabled=False)))  # type: ignore[list-item]  # on purpose

    client.read_through()

    assert client.queue is not None
    (letter,) = client.queue.get_dead_letter_items()
    assert letter.error.startswith("it cannot be written down: maximum recursion depth")
    assert values(client.queue) == [1000.0]


@pytest.mark.parametrize(
    ("odd", "kept_of_it"),
    [
        (LOOP, "[[...]]"),
        (Hidden(), None),
        (rpm(None, HALF), None),
        (DataSample(CLOCK, "ecu", "rpm", 1.0), 1.0),
        (HUGE, str(10**400)),
        (replace(HUGE, value=10**5000), "<int>"),
        (replace(HUGE, value=HALF), "\\ud800"),
        (Refused(HALF), "\\ud800"),
    ],
    ids=["contains itself", "raises", "half a letter", "no time", "huge", "cannot be written", "half a letter as value", "refused"],
)
def test_whatever_is_refused_becomes_a_dead_letter(odd: Any, kept_of_it: object) -> None:  # noqa: ANN401 - whatever a hook returns
    """Also what no JSON can say; neither it nor its letter ends the reader, and later letters are not held up by it."""
    client = Scripted([odd, rpm(1000.0), rpm(math.nan)])

    client.read_through()
    assert not client.reading

    assert client.queue is not None
    last, first = client.queue.get_dead_letter_items()
    assert (last.error, first.data["count"]) == ("the value is NaN", 1)
    assert isinstance(odd, Hidden) or first.data["first"]["value"] == kept_of_it
    assert (values(client.queue), client.get_stats().samples_failed) == ([1000.0], 2)


@pytest.mark.parametrize(
    "error", [asyncio.CancelledError(), SystemExit(1), GeneratorExit(), Untold()], ids=lambda error: type(error).__name__
)
def test_a_hook_that_is_broken_off_does_not_end_the_reader(error: Any) -> None:  # noqa: ANN401 - no exceptions in the narrow sense
    """What ends a thread elsewhere is an error of the hook here: told, counted, and tried again."""
    client = Scripted([rpm(1.0), error, rpm(2.0)])
    client.connects = [error]

    client.read_through()

    assert (values(client.queue), client.get_stats().consecutive_errors) == ([1.0, 2.0], 0)
    assert type(error).__name__ in client.get_stats().last_error


def test_who_breaks_off_connect_is_not_held_up() -> None:
    """In the main thread it is the process that is to end: Ctrl-C, or a handler of signals that calls `sys.exit`."""
    client = Scripted()
    goodbye: Any = SystemExit(130)
    client.connects = [goodbye]

    with pytest.raises(SystemExit):
        client.connect()


def test_who_hears_of_an_error_may_ask_how_it_stands() -> None:
    """A handler of logs that looks at the health of the client is answered, and waits for nobody."""
    client = Scripted([ValueError("odd"), rpm(1.0)], queue=IngestionQueue(BLOCKING))
    heard = list[bool]()

    class Asking(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            del record
            asking = Thread(target=client.health_check, daemon=True)
            asking.start()
            asking.join(5)
            heard.append(asking.is_alive())

    logger, handler = logging.getLogger("penstock.instruments.ecu"), Asking()
    logger.addHandler(handler)
    try:
        client.read_through()
    finally:
        logger.removeHandler(handler)

    assert heard
    assert not any(heard)


def test_what_cannot_be_decoded_becomes_a_dead_letter() -> None:
    """`Refused` from the reading hook says so: counted, kept, and no reason to connect again."""
    client = Scripted([Refused("checksum 12"), Refused("checksum 13"), rpm(1000.0)])

    client.read_through()

    assert client.queue is not None
    (letter,) = client.queue.get_dead_letter_items()
    assert (letter.error, letter.data["count"], letter.data["last"]["value"]) == ("One record cannot be stored", 2, "checksum 13")
    assert (client.get_stats().samples_failed, client.calls) == (2, ["connect"])


def test_what_the_queue_sheds_is_counted() -> None:
    """Its own queue holds ten: forty-two samples go, the oldest ones, and every sample is in exactly one count, also after closing."""
    client = Scripted([rpm(1000.0 + n) for n in range(52)], config(queue=QueueSettings(max_size=10)))
    client.read_through()

    stats = client.get_stats()
    assert (stats.samples_received, stats.samples_processed, stats.samples_dropped) == (52, 10, 42)
    assert client.queue is not None
    assert sum(gap.count or 0 for gap in client.queue.gaps()) == 42
    client.close()
    assert client.get_stats().samples_dropped == 42


def test_a_closed_client_can_begin_again() -> None:
    """With a queue of its own again, and counts that go on."""
    client = Scripted([rpm(1000.0 + n) for n in range(12)], config(queue=QueueSettings(max_size=10)))
    client.read_through()
    client.close()
    client.steps = [rpm(2000.0 + n) for n in range(13)]

    client.read_through()

    stats = client.get_stats()
    assert (stats.samples_received, stats.samples_processed, stats.samples_dropped) == (25, 20, 5)
    assert values(client.queue) == [2003.0 + n for n in range(10)]


def test_what_its_own_queue_does_not_take_is_counted_once() -> None:
    """Items of a higher priority stay, and the queue counts what it turned away as dropped, too."""
    client = Scripted(config=config(queue=QueueSettings(max_size=5)))
    client.read_through()
    assert client.queue is not None
    client.queue.enqueue_batch([("other", number) for number in range(5)], QueuePriority.CRITICAL)
    client.steps = [rpm(1000.0)] * 4

    client.read_through()

    stats = client.get_stats()
    assert (stats.samples_received, stats.samples_processed, stats.samples_dropped) == (4, 0, 4)
    assert sum(gap.count or 0 for gap in client.queue.gaps()) == 4


def test_what_the_queue_does_not_take_is_a_gap() -> None:
    """With `overflow` `block` and nobody who processes: dropped, counted, and recorded as soon as that is possible."""
    queue = IngestionQueue(BLOCKING)
    for number in range(5):
        queue.enqueue("other", number)
    client = Scripted([rpm(1000.0 + n) for n in range(7)], queue=queue)

    client.read_through()

    stats = client.get_stats()
    assert (stats.samples_processed, stats.samples_dropped, stats.samples_pending) == (0, 7, 0)
    assert {gap.cause for gap in queue.gaps()} == {SHED}
    assert sum(gap.count or 0 for gap in queue.gaps()) == 7
    assert "QueueFull" in stats.last_error


@dataclass(frozen=True, slots=True)
class Tagged(DataSample):
    """A sample with something of its own, which nobody looks at."""

    tags: object = None

    def validate(self, settings: ValidationSettings = DEFAULT) -> ValidationResult:
        """It is good, whatever the tags are."""
        result = DataSample.validate(self, settings)
        return replace(result, sanitized_data={**(result.sanitized_data or {}), "tags": self.tags})


@pytest.mark.parametrize(
    "tags",
    [object(), 1 << 64, -(1 << 63) - 1, {"inner": [1 << 80]}, "\ud800", b"x" * 10, {3: [LOOKS]}],
    ids=["an object", "too large", "too small", "too large inside", "half a character", "bytes", "an object inside"],
)
def test_a_valid_sample_that_cannot_be_written_down_is_a_dead_letter(tags: object) -> None:
    """Refused like any other, with its value and why, and not the fault of the others: nothing is dropped, and there is no gap."""
    client = Scripted([rpm(1.0), Tagged(7, "ecu", "rpm", 2.5, tags=tags), rpm(3.0)])

    client.read_through()

    stats, queue = client.get_stats(), client.queue
    assert queue is not None
    if tags == b"x" * 10:
        assert values(queue) == [1.0, 2.5, 3.0]
        return
    (letter,) = queue.get_dead_letter_items()
    assert letter.error.startswith("it cannot be written down: ")
    assert (letter.data["channel"], letter.data["first"]) == ("rpm", {"timestamp_ms": 7, "value": 2.5})
    assert (values(queue), list(queue.gaps())) == ([1.0, 3.0], [])
    assert (stats.samples_received, stats.samples_processed, stats.samples_failed, stats.samples_dropped) == (3, 2, 1, 0)


def test_nobody_looks_and_it_cannot_be_written_down() -> None:
    """A number of more than 64 bits is a dead letter also where validation is off, its value as text."""
    huge: Any = 1 << 80
    client = Scripted([rpm(1.0), rpm(huge), rpm(3.0)], config(validation=ValidationSettings(enabled=False)))

    client.read_through()

    assert client.queue is not None
    assert [letter.data["first"]["value"] for letter in client.queue.get_dead_letter_items()] == [str(1 << 80)]
    assert (values(client.queue), client.get_stats().samples_failed) == ([1.0, 3.0], 1)


def test_a_sample_larger_than_the_log_is_a_dead_letter() -> None:
    """With as much of it as a letter has room for; the others of its batch are in the queue."""
    big: Any = rpm(2.0, "x" * 100_000)
    client = Scripted([rpm(1.0), rpm(1.5), big, rpm(3.0), rpm(math.nan)], config(queue=QueueSettings(max_bytes=50_000)))

    client.read_through()

    stats, queue = client.get_stats(), client.queue
    assert queue is not None
    last, first = queue.get_dead_letter_items()
    assert (first.error, last.error) == ("it is larger than the log of the queue", "the value is NaN")
    assert first.data["first"]["value"].endswith(" characters in all)")
    assert (values(queue), list(queue.gaps())) == ([1.0, 1.5, 3.0], [])
    assert (stats.samples_processed, stats.samples_failed, stats.samples_dropped, stats.samples_pending) == (3, 2, 0, 0)


@pytest.mark.parametrize("odd", [DataSample(7, "ecu", "rpm", "y" * 100_000), Refused("y" * 100_000)], ids=["value", "read"])  # type: ignore[arg-type]
def test_a_letter_has_as_much_of_a_value_as_fits(odd: Step) -> None:
    """A value longer than the log may be is cut, which it says, and holds no later letter up."""
    client = Scripted([odd, rpm(1.0), rpm(math.nan)], config(queue=QueueSettings(max_bytes=50_000)))

    client.read_through()

    assert client.queue is not None
    last, first = client.queue.get_dead_letter_items()
    assert first.data["last"]["value"] == f"{'y' * 1_000}... (100,000 characters in all)"
    assert last.error == "the value is NaN"
    assert len(str(client.health_check())) < 10_000


def test_a_letter_for_which_no_log_is_large_enough_holds_nobody_up() -> None:
    """It becomes a gap with its number; the account says so, and the next letter is written."""
    client = Scripted(
        [rpm(math.nan, "a" * 5_000), rpm(math.nan, "a" * 5_000), rpm(1.0), rpm(math.nan)], config(queue=QueueSettings(max_bytes=1_000))
    )

    client.read_through()
    client.read_through()

    assert client.queue is not None
    assert [letter.data["channel"] for letter in client.queue.get_dead_letter_items()] == ["rpm"]
    assert [(gap.cause, gap.count) for gap in client.queue.gaps()] == [(UNREADABLE, 2)]
    assert "AppendTooLarge" in client.get_stats().last_error


def test_an_error_without_a_docstring_is_told_by_its_name() -> None:
    """As the reason of its letter, and in health."""
    nameless: type[Refused] = type("Nameless", (Refused,), {})
    client = Scripted([nameless("line 7")] * 10)

    client.read_through()

    assert client.queue is not None
    assert [letter.error for letter in client.queue.get_dead_letter_items()] == ["Nameless"]
    assert client.health_check()["reasons"][0].endswith("because Nameless: line 7")


@pytest.mark.parametrize("name", ["", " ", 5, None, b"ecu", HALF])
def test_a_source_has_a_name(name: Any) -> None:  # noqa: ANN401 - whatever somebody may write there
    """Under any other nothing could be queued, sample by sample."""

    class Named(Scripted):
        def __init__(self) -> None:
            clients.BaseIngestionClient.__init__(self, name, config=IngestionConfig())

    with pytest.raises(NoSourceName) as caught:
        Named()

    assert ascii(name) in caught.value.detail
    assert "text" in caught.value.hint


def test_a_client_whose_samples_nobody_takes_is_not_healthy(caplog: pytest.LogCaptureFixture) -> None:
    """It says why, and logs it once; when they are taken again it becomes well."""
    queue = IngestionQueue(BLOCKING)
    client = Scripted([rpm(1000.0 + n) for n in range(9)], queue=queue)
    for _ in range(3):
        client.read_through()
        client.steps = [rpm(2000.0)]
    full = client.health_check()
    logged = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    queue.ack(queue.lease())
    for _ in range(3):
        client.read_through()
        client.steps = [rpm(3000.0)]

    assert (full["healthy"], full["ready"], len(logged)) == (False, False, 1)
    assert full["reasons"][0].startswith("samples are dropped: QueueFull: ")
    assert client.health_check()["ready"]
    assert client.get_stats().samples_pending == 0


def test_a_queue_that_was_closed_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Samples that have nowhere to go are dropped and counted; that is told by health, and not logged for each."""
    queue = IngestionQueue()
    queue.close()
    client = Scripted([*[rpm(1000.0)] * 50, rpm(math.nan)] * 3, queue=queue)

    client.read_through()

    assert client.get_stats().samples_dropped == 150
    assert client.health_check()["reasons"][0].startswith("samples are dropped: LogClosed: ")
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 2


def test_reads_that_are_refused_for_ever_are_told() -> None:
    """Unready, by its reason, although the hook never fails; well again after three good ones, and nothing of it stays."""
    client = Scripted([rpm(1.0), *[Refused("checksum of frame 7")] * 2_500])
    client.read_through()

    health, stats = client.health_check(), client.get_stats()
    assert (health["healthy"], health["live"], health["ready"], stats.samples_failed) == (False, True, False, 2_500)
    assert health["reasons"][0].endswith("the last one because One record cannot be stored: checksum of frame 7")

    client.steps = [rpm(2.0), rpm(3.0), rpm(4.0)]
    client.read_through()

    assert client.health_check()["channels"].keys() == {"rpm"}
    assert client.health_check()["ready"]


def test_gaps_and_letters_wait_for_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log without room takes them later; nothing of it is forgotten meanwhile."""
    queue = IngestionQueue()
    real, full = queue.record_gap, [True, True]

    def record(gap: Gap) -> None:
        if full:
            full.pop()
            raise LogFull
        real(gap)

    monkeypatch.setattr(queue, "record_gap", record)
    client = Scripted([rpm(1.0), ValueError("odd"), rpm(2.0), rpm(math.nan), rpm(3.0)], queue=queue)
    client.read_through()
    client.read_through()

    assert [gap.cause for gap in queue.gaps()] == [READER_FAILED]
    assert [letter.error for letter in queue.get_dead_letter_items()] == ["the value is NaN"]


def test_ingestion_can_be_switched_off() -> None:
    """`global_enabled` false: nothing connects, and it is said what to change."""
    client = Scripted(config=config(global_enabled=False))

    for start in (client.connect, client.start_reading):
        with pytest.raises(IngestionOff) as caught:
            start()
        assert "global_enabled" in caught.value.hint
    assert client.calls == []


def test_log_level_says_from_where_on_it_logs(caplog: pytest.LogCaptureFixture) -> None:
    """Transitions are logged at INFO, failures at WARNING; with ERROR neither is."""
    for level, expected in (("INFO", {"INFO", "WARNING"}), ("ERROR", set[str]())):
        caplog.clear()
        client = Scripted([rpm(1.0)], config(log_level=level))
        client.connects = [False]
        client.read_through()
        client.close()
        assert {record.levelname for record in caplog.records} == expected
    logging.getLogger("penstock.instruments.ecu").setLevel(logging.NOTSET)


def test_settings_of_the_source_go_before_the_defaults() -> None:
    """`retry`, `circuit_breaker`, `validation` and `auto_reconnect` in its table are those of this client."""
    own = SourceConfig(
        retry=RetrySettings(max_attempts=2),
        circuit_breaker=CircuitBreakerSettings(failure_threshold=3, timeout_sec=7),
        validation=ValidationSettings(strict_mode=True),
        auto_reconnect=False,
    )
    client = Scripted([rpm(1.0), rpm(99_999.0), OSError("gone")], config(sources={"ecu": own}))
    client.start_reading()
    assert client._thread is not None
    client._thread.join(10)
    client.connects = [False, False]

    with pytest.raises(NotConnected):
        client.connect()
    with pytest.raises(CircuitOpen, match="for another 7 s"):
        client.connect()

    assert client.get_stats().samples_failed == 1
    assert "auto_reconnect is off" in client.health_check()["reasons"][0]


def test_the_circuit_opens_for_a_source_that_connects_and_never_reads(caplog: pytest.LogCaptureFixture) -> None:
    """With the defaults, however long the delays get: no failures follow each other, but half of all calls fail."""
    client = Scripted([ConnectionError("gone")] * 30, hands=Hands(0.999))

    client.read_through()

    assert client.get_stats().circuit_opened > 0
    assert "the circuit is open: 10 of the last 20 calls failed" in caplog.text


class Slow(Scripted):
    """A source of which each sample takes more than a minute."""

    def _read_impl(self) -> DataSample | None:
        self.hands.now += 61 if self.steps else 0
        return super()._read_impl()


def test_the_circuit_opens_for_a_source_that_is_slow(caplog: pytest.LogCaptureFixture) -> None:
    """With the defaults, though connecting is quick, and calls that are as slow are few in an hour."""
    client = Slow([rpm(1000.0)] * 70)

    client.read_through()

    assert client.get_stats().circuit_opened > 0
    assert "the circuit is open: 19 of the last 20 calls took longer than 60 s" in caplog.text


def test_a_client_is_isolated_by_hand() -> None:
    """Nothing goes through until it is let again; a registry that is shared does the same by name."""
    breakers = Breakers(lambda: 0.0)
    client = Scripted(breakers=breakers)

    client.isolate("being serviced")
    with pytest.raises(CircuitOpen, match="being serviced, until it is reset"):
        client.connect()
    assert client.health_check()["circuit_state"] == "isolated"
    client.reset_circuit_breaker()
    assert client.connect()
    breakers["ecu"].isolate(0.0, "by name")
    assert client.health_check()["reasons"] == ["the circuit is isolated until it is reset: by name"]


class Stuck(Scripted):
    """A source whose reading does not come back."""

    def __init__(self) -> None:
        self.entered, self.let_go = Event(), Event()
        super().__init__()

    def _read_impl(self) -> DataSample | None:
        self.entered.set()
        self.let_go.wait(10)
        return None


def test_a_reader_that_does_not_stop_is_told() -> None:
    """After the time-out, with what the hook has to do; it is disconnected all the same, and ends once the hook returns."""
    client = Stuck()
    client.start_reading()
    assert client.entered.wait(10)

    with pytest.raises(StillReading, match="after 0 s"):
        client.stop_reading(timeout_s=0)
    client.hands.now += 100
    assert client.health_check()["reasons"][0].startswith("the reader has not come round")
    assert client.connect()
    with pytest.raises(StillReading):
        client.start_reading()
    client.let_go.set()
    client.disconnect()

    assert (client.calls, client.reading) == (["connect", "disconnect"], False)


def test_what_a_slow_hook_brings_is_in_the_queue() -> None:
    """Closing does not take the queue away from a reader that has not stopped; it is closed by closing again."""

    class Late(Stuck):
        patience_s = 0.0

        def _read_impl(self) -> DataSample | None:
            super()._read_impl()
            return rpm(1000.0)

        def stop_reading(self, timeout_s: float = 10.0) -> None:
            super().stop_reading(min(timeout_s, self.patience_s))

    client = Late()
    client.start_reading()
    assert client.entered.wait(10)
    with pytest.raises(StillReading):
        client.close()
    queue = client.queue
    client.let_go.set()
    client.patience_s = 10.0
    client.stop_reading()

    assert values(queue) == [1000.0]
    client.close()
    assert queue is not None
    with pytest.raises(Fatal, match="closed"):
        queue.enqueue("ecu", 1)


def test_a_hook_may_stop_its_own_reader() -> None:
    """Stopping from within does not wait for itself."""

    class Once(Scripted):
        def _read_impl(self) -> DataSample | None:
            self.disconnect()
            self.through.set()
            return rpm(1000.0)

    client = Once()
    client.read_through()

    assert (values(client.queue), client.state) == ([1000.0], IngestionState.DISCONNECTED)


class Quick(Scripted):
    """Brings something each time, at once."""

    def _read_impl(self) -> DataSample | None:
        return None if self.stopping.wait(0.001) else rpm(1000.0)

    def _validate_sample(self, sample: DataSample) -> ValidationResult:
        return sample.validate()


@pytest.mark.parametrize("seed", range(3))
def test_any_threads_may_start_and_stop_it(seed: int) -> None:
    """All at once, in any order: nobody is left waiting, no reader is left behind, and it reads again afterwards."""
    client, odd = Quick(), list[Exception]()

    def use(number: int) -> None:
        chance = random.Random(f"{seed} {number}")
        for _ in range(40):
            try:
                chance.choice([client.start_reading, client.stop_reading, client.connect, client.disconnect, client.close])()
            except StillReading as error:  # told to stop by another one just now
                assert "after" not in str(error)  # noqa: PT017 - only some of these are wrong
            except Exception as error:  # noqa: BLE001 - whatever it is
                odd.append(error)

    users = [Thread(target=use, args=(number,), daemon=True) for number in range(6)]
    for user in users:
        user.start()
    for user in users:
        user.join(20)

    assert ([user.is_alive() for user in users], odd) == ([False] * 6, [])
    client.close()
    assert not [thread for thread in enumerate_threads() if thread.name == "penstock-ecu" and thread.is_alive()]
    client.start_reading()
    assert client.queue is not None
    assert client.queue.lease(wait_sec=10)
    client.close()
    assert client.get_stats().samples_dropped == client.get_stats().samples_pending == 0


class Log:
    """What a pipeline's capture is to a live source."""

    def __init__(self) -> None:
        self.entries = list[bytes | Gap]()

    def __call__(self, bodies: Sequence[bytes]) -> None:
        """Entries."""
        self.entries += bodies

    def gap(self, gap: Gap) -> None:
        """A gap."""
        self.entries.append(gap)


def test_it_is_a_live_source() -> None:
    """In a pipeline its samples go into the log as they came, not looked at, with the gap at its place between them."""
    client, log, stop = Scripted([rpm(1.0), OSError("gone"), rpm(99_999.0)]), Log(), Event()
    receiving = Thread(target=client.receive, args=(log, stop))

    receiving.start()
    assert client.through.wait(10)
    stop.set()
    client.stopping.set()
    receiving.join(10)

    first, gap, second = log.entries
    assert isinstance(first, bytes)
    assert isinstance(second, bytes)
    assert (b'"value":1.0' in first, b'"value":99999.0' in second) == (True, True)
    assert isinstance(gap, Gap)
    assert gap.cause == READER_FAILED
    assert (client.get_stats().samples_processed, client.calls[-1]) == (2, "disconnect")


def test_what_cannot_be_read_is_a_gap_in_the_log_of_a_pipeline() -> None:
    """Refused by the hook, or impossible to write down: counted, at its place, and the reader goes on."""
    bad = [Refused("checksum"), Refused("checksum"), rpm(1.0, HALF), LOOP]
    client, log, stop = Scripted([rpm(1.0), *bad, rpm(2.0)]), Log(), Event()  # type: ignore[list-item]  # on purpose
    receiving = Thread(target=client.receive, args=(log, stop))

    receiving.start()
    assert client.through.wait(10)
    stop.set()
    client.stopping.set()
    receiving.join(10)

    gaps = [entry for entry in log.entries if isinstance(entry, Gap)]
    assert (type(log.entries[0]), type(log.entries[-1]), len(log.entries) - len(gaps)) == (bytes, bytes, 2)
    assert ({gap.cause for gap in gaps}, sum(gap.count or 0 for gap in gaps)) == ({UNREADABLE}, 4)
    stats = client.get_stats()
    assert (stats.samples_processed, stats.samples_failed, stats.samples_dropped, stats.samples_pending) == (2, 4, 0, 0)


def test_a_log_that_is_closed_ends_receiving() -> None:
    """What the log raises comes out of `receive`, where the engine knows what to do with it."""
    client = Scripted([rpm(1.0)] * 100)
    client.stopping.set()

    class Closed(Log):
        def __call__(self, bodies: Sequence[bytes]) -> None:
            super().__call__(bodies)
            raise Fatal("the log is closed")

    with pytest.raises(Fatal, match="the log is closed"):
        client.receive(Closed(), Event())


def test_the_names_are_in_one_import_place() -> None:
    """Everything of document 001 that this module has is found where users look."""
    from penstock import instruments  # noqa: PLC0415

    for name in (
        "BaseIngestionClient",
        "IngestionState",
        "IngestionStats",
        "IngestionQueue",
        "QueuePriority",
        "QueueItem",
        "QueueSettings",
        "Finding",
        "Quality",
    ):
        assert getattr(instruments, name)
    assert instruments.BaseIngestionClient is clients.BaseIngestionClient


WITHIN = {"NotANumber", "NotConvertible", "NeverStill"}
"""Caught where they are raised, or raised by what is not behind it: limits in other units, a log that is looked at."""


def test_every_error_is_in_the_same_import_place() -> None:
    """Whatever a client, its queue or its circuit breaker raises, and what a hook may raise, can be caught by a name from there."""
    from penstock import instruments, queue, reliability  # noqa: PLC0415

    paths = [path for package in (instruments, queue, reliability) for path in walk_packages(package.__path__, f"{package.__name__}.")]
    known = {name: one for path in paths for name, one in vars(import_module(path.name)).items() if isinstance(one, type)}
    errors = {name: one for name, one in known.items() if issubclass(one, PenstockError)}

    assert {name for name, one in errors.items() if getattr(instruments, name, None) is not one} == WITHIN


def test_every_metric_of_the_catalogue_is_there() -> None:
    """Document 001's eight and ours, by their names."""
    stats = Scripted().get_stats()

    assert [name for name in CLIENT_HELP if not hasattr(stats, name)] == []


def test_samples_per_second_and_latency() -> None:
    """The rate is of the samples that came, the latency of those that the queue took; both are finite from the start."""
    client = Scripted([rpm(float(1_000 + n)) for n in range(300)], hands=Hands())
    before = client.get_stats()
    client.read_through()
    client.hands.now += 1

    stats = client.get_stats()
    assert (before.samples_per_second, before.avg_latency_ms) == (0, 0)
    assert stats.samples_per_second > 0
    assert stats.avg_latency_ms >= 0
