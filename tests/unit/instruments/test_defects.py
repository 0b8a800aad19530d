"""What the public original of document 001 really does, line by line: each test is named after a defect of it, which is none here.

Lines about files and wire formats (WP8, Power Vision, tables of text as files) belong to the sources that read those.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from penstock.instruments import (
    CircuitBreakerSettings,
    DataSample,
    IngestionConfig,
    IngestionQueue,
    QueueItem,
    QueuePriority,
    QueueSettings,
    RetrySettings,
    ValidationSettings,
    convert_to_standard,
    get_source_config,
)
from penstock.instruments.adapters import JetDriveAdapter
from penstock.instruments.config import JetDriveConfig
from penstock.instruments.link import CircuitOpen, NotConnected
from penstock.instruments.ranges import OPEN, limits_for
from penstock.instruments.samples import JetDriveSampleSchema
from penstock.reliability.breaker import Breaker
from penstock.reliability.circuit import Call, Outcome
from penstock.reliability.gate import Wait
from tests.unit.instruments.sources import Scripted, Step, rpm

CRITICAL, HIGH, NORMAL, LOW, BATCH = QueuePriority


@pytest.fixture
def on_disk(tmp_path: Path) -> QueueSettings:
    """A queue that outlives its process."""
    return QueueSettings(persist_to_disk=True, persist_path=str(tmp_path / "queue"), retry_delay_sec=0, max_attempts=1)


def failing(queue: IngestionQueue) -> None:
    """Take the next item, and fail with it."""
    queue.nack(queue.lease(1), "it failed")


# The queue


def test_overflow_discards_the_critical_item() -> None:
    """The queue is full and something of the lowest priority comes: one of the lowest goes, the critical item stays."""
    queue = IngestionQueue(QueueSettings(max_size=3))
    queue.enqueue("s", "critical", CRITICAL)
    queue.enqueue("s", "normal", NORMAL)
    queue.enqueue("s", "batch", BATCH)

    queue.enqueue("s", "batch2", BATCH)

    assert sorted(item.data for item in queue.lease()) == ["batch2", "critical", "normal"]
    assert queue.get_stats().total_dropped == 1


def test_one_batch_for_each_interval() -> None:
    """5,000 waiting items are processed without waiting for an interval, however long that is."""
    queue, done = IngestionQueue(QueueSettings(flush_interval_sec=3_600)), Event()
    seen = list[int]()

    def processor(item: QueueItem) -> bool:
        seen.append(item.data)
        if len(seen) == 5_000:
            done.set()
        return True

    queue.enqueue_batch([("s", number) for number in range(5_000)])
    queue.start_processing(processor, interval=3_600)

    assert done.wait(30)
    queue.close()
    assert sorted(seen) == [*range(5_000)]


def test_cleared_dead_letters_come_back_after_a_restart(on_disk: QueueSettings) -> None:
    """Cleared is gone: neither in the queue nor among the dead letters, and a dead letter is not in the queue as well."""
    with IngestionQueue(on_disk) as queue:
        queue.enqueue("s", 1)
        failing(queue)
    with IngestionQueue(on_disk) as queue:
        assert (len(queue), [letter.data for letter in queue.get_dead_letter_items()]) == (0, [1])
        assert queue.clear_dead_letter() == 1

    with IngestionQueue(on_disk) as queue:
        assert (len(queue), queue.get_dead_letter_items()) == (0, [])


def test_an_item_is_in_memory_before_it_is_on_disk(on_disk: QueueSettings, tmp_path: Path) -> None:
    """What `enqueue` has returned for is in the files by then: a copy of them, taken while the queue is open, has it."""
    queue = IngestionQueue(on_disk)
    for number in range(3):
        queue.enqueue("s", number)
    copy = shutil.copytree(on_disk.persist_path, tmp_path / "copy")
    queue.close()

    with IngestionQueue(QueueSettings(persist_to_disk=True, persist_path=str(copy))) as again:
        assert [item.data for item in again.lease()] == [0, 1, 2]


def test_a_file_for_each_item(on_disk: QueueSettings) -> None:
    """A thousand items are not a thousand files."""
    with IngestionQueue(on_disk) as queue:
        queue.enqueue_batch([("s", number) for number in range(1_000)])

        assert sum(1 for _ in Path(on_disk.persist_path).rglob("*")) < 30


def test_a_restart_loads_no_more_than_max_size(tmp_path: Path) -> None:
    """25 items wait in a queue whose memory holds ten: after a restart all of them are delivered, once."""
    settings = QueueSettings(max_size=10, batch_size=4, persist_to_disk=True, persist_path=str(tmp_path / "queue"))
    with IngestionQueue(settings) as queue:
        for number in range(25):
            queue.enqueue("s", number)

    with IngestionQueue(settings) as queue:
        assert list(_drained(queue)) == [*range(25)]


def test_what_was_shed_resurrects_after_a_restart(tmp_path: Path) -> None:
    """Items that went because the queue was full do not come back."""
    path = str(tmp_path / "queue")
    settings = QueueSettings(max_size=3, overflow="shed_lowest", persist_to_disk=True, persist_path=path)
    with IngestionQueue(settings) as queue:
        for number in range(10):
            queue.enqueue("s", number)

    with IngestionQueue(settings) as queue:
        assert list(_drained(queue)) == [7, 8, 9]
        assert queue.get_stats().total_dropped == 7


def test_a_failed_item_sinks_in_priority_and_comes_again_at_once() -> None:
    """It keeps its priority and its id, and is not handed out again before its delay is over."""
    queue = IngestionQueue(QueueSettings(retry_delay_sec=3_600, max_retry_delay_sec=3_600))
    queue.enqueue("s", "urgent", CRITICAL)
    (first,) = queue.lease()
    queue.nack([first], "it failed")

    assert queue.lease() == []
    queue.enqueue("s", "now", CRITICAL)
    (now,) = queue.lease()
    queue.nack([now], "it failed", delay_sec=0)
    (again,) = queue.lease()

    assert (again.id, again.priority, again.attempts) == (now.id, CRITICAL, 1)


def test_low_priorities_starve() -> None:
    """Among 300 urgent items the ones of the lowest priority get their turn."""
    queue = IngestionQueue()
    queue.enqueue_batch([("s", "urgent")] * 300, CRITICAL)
    queue.enqueue_batch([("s", "bulk")] * 3, BATCH)

    assert [item.data for item in queue.lease(100)].count("bulk") == 3


def test_get_stats_returns_the_live_object() -> None:
    """What was asked for yesterday does not change today; and nothing enqueued is no division by nought."""
    queue = IngestionQueue()
    before = queue.get_stats()

    queue.enqueue("s", 1)

    assert (before.total_enqueued, queue.get_stats().total_enqueued) == (0, 1)
    assert before.drop_rate_percent == 0


def test_dead_letters_are_capped_silently_and_the_oldest_are_shown() -> None:
    """1,100 of them are all there, and the newest are shown first."""
    queue = IngestionQueue(QueueSettings(max_attempts=1))
    queue.enqueue_batch([("s", number) for number in range(1_100)])
    queue.reject(queue.lease(2_000), "it failed")

    assert queue.get_stats().dead_letters == 1_100
    assert [letter.data for letter in queue.get_dead_letter_items(limit=3)] == [1_099, 1_098, 1_097]


# The circuit breaker


def test_half_open_max_calls_is_never_enforced() -> None:
    """Three calls try at once after the circuit was open, and no fourth."""
    breaker = Breaker("ecu", CircuitBreakerSettings().core(), lambda: 0.0)
    for _ in range(5):
        call = breaker.ask(0.0)
        assert isinstance(call, Call)
        breaker.finish(call, 0.0, Outcome.FAILED)

    assert [type(breaker.ask(60.0)) for _ in range(4)] == [Call, Call, Call, Wait]


def test_a_whole_connect_counts_as_one_failure() -> None:
    """With three attempts each it does not take fifteen failures to open the circuit: five do."""
    client = Scripted()
    client.connects = [False] * 100

    with pytest.raises(NotConnected):
        client.connect()
    with pytest.raises(CircuitOpen):
        client.connect()

    assert client.calls == ["connect"] * 5


def test_the_breaker_goes_by_the_wall_clock() -> None:
    """Its clock is handed in, and clients hand in the monotonic one: setting the time of day changes nothing."""
    client = Scripted(config=IngestionConfig(default_retry=RetrySettings(max_attempts=5)))
    client.connects = [False] * 5
    with pytest.raises(NotConnected):
        client.connect()
    client.hands.now += 59

    with pytest.raises(CircuitOpen):
        client.connect()
    client.hands.now += 2
    assert client.connect()


# The client


def test_health_is_bad_for_ever_after_three_errors() -> None:
    """Errors in a row end with the next good read, and three good reads make it healthy."""
    failures: list[Step] = [ValueError("odd")] * 3
    client = Scripted([rpm(1000.0), *failures, rpm(1001.0), rpm(1002.0), rpm(1003.0)])

    client.read_through()

    assert (client.get_stats().consecutive_errors, client.health_check()["healthy"]) == (0, True)


def test_the_reader_dies_of_five_errors() -> None:
    """It connects again in its own thread, without waiting for itself, and reads on."""
    failures: list[Step] = [RuntimeError("odd")] * 12
    client = Scripted([rpm(1000.0), *failures, rpm(1001.0)])

    client.start_reading()
    assert client.through.wait(10)
    alive = client.reading
    client.stop_reading()

    assert (alive, client.state.value, client.get_stats().samples_processed) == (True, "connected", 2)


def test_a_sample_is_failed_and_processed_and_enqueued() -> None:
    """47 samples that are NaN are failed, and nothing else; the queue has none of them, strict or not."""
    for strict in (False, True):
        client = Scripted([rpm(math.nan)] * 47, IngestionConfig(validation=ValidationSettings(strict_mode=strict)))
        client.read_through()
        stats = client.get_stats()
        assert (stats.samples_failed, stats.samples_processed) == (47, 0)
        assert client.queue is not None
        assert len(client.queue) == 0


@pytest.mark.parametrize("key", ["enabled", "sanitize_values", "reject_nan", "reject_inf", "strict_mode"])
def test_keys_of_validation_are_never_read(key: str) -> None:
    """Each of them decides about one of these samples."""
    steps = [rpm(math.nan), rpm(math.inf), rpm(1e6), rpm("3500")]  # type: ignore[arg-type]
    kept = []
    for value in (True, False):
        client = Scripted(list(steps), IngestionConfig(validation=ValidationSettings(**{key: value})))
        client.read_through()
        kept.append(client.get_stats().samples_processed)

    assert kept[0] != kept[1]


def test_samples_dropped_is_nought_while_the_queue_drops() -> None:
    """42 that the queue let go of are 42 that the client counts as dropped."""
    client = Scripted([rpm(float(n)) for n in range(52)], IngestionConfig(queue=QueueSettings(max_size=10)))

    client.read_through()

    assert client.get_stats().samples_dropped == 42


def test_the_multicast_group_is_another_one() -> None:
    """That of document 001 and of the vendor's reference, and it can be changed."""
    assert JetDriveConfig().multicast_group == "224.0.2.10"
    assert isinstance(get_source_config("jetdrive"), JetDriveConfig)


# Looking at samples


@pytest.mark.parametrize(
    "channel",
    ["Front Adaptive Fuel Factor", "Short Term Fuel Trim", "Fuel Pump Relay", "Fuel Pressure", "Injector Duty Cycle", "Detected Gear"],
)
def test_ranges_are_found_by_parts_of_names(channel: str) -> None:
    """A name that only contains that of a sensor has no range."""
    assert limits_for(channel) is OPEN


@pytest.mark.parametrize(
    ("channel", "unit", "most"),
    [
        ("Engine Speed", "rpm", 20_000),
        ("Intake Air Temperature", "°F", 300),
        ("Manifold Absolute Pressure", "kPa", 300),
        ("RPM", "rpm", 20_000),
    ],
)
def test_names_of_sensors_have_no_range(channel: str, unit: str, most: float) -> None:
    """Names that loggers use are listed."""
    assert (limits_for(channel).unit, limits_for(channel).high) == (unit, most)


def test_digital_rpm_has_the_range_of_the_drum() -> None:
    """It is the engine's: the 10,280 that real runs reach are possible."""
    result = DataSample(0, "jetdrive", "Digital RPM 1", 10_280.0).validate()

    assert (result.is_valid, result.errors, str(result.quality)) == (True, (), "ok")


# Converting


def test_nought_becomes_missing() -> None:
    """A closed throttle is 0, and stays it; so does a pressure of nought."""
    point = convert_to_standard({"time ms": "0", "TPS": "0.0", "MAP kPa": "0"})

    assert (point.tps, point.map_kpa) == (0.0, 0.0)


def test_missing_becomes_nought() -> None:
    """What was not measured within a window is None, not an engine that stands still."""
    samples = [JetDriveSampleSchema(time, "jetdrive", "TPS", 12.0, "%", provider_id=1, channel_id=7) for time in (0, 60)]

    points = JetDriveAdapter().aggregate_samples(samples, time_window_ms=50)

    assert [(point.tps, point.rpm, point.horsepower, point.torque) for point in points] == [(12.0, None, None, None)] * 2


def test_time_in_seconds_is_taken_for_an_integer() -> None:
    """A row at 1.25 s is one at 1,250 ms, and its names are those of the logger."""
    point = convert_to_standard({"Time": "1.25", "(DWRT CPU) Engine RPM": "5400.5", "(DWRT CPU) Power": "88.25"})

    assert (point.timestamp_ms, point.rpm, point.horsepower) == (1250, 5400.5, 88.25)


def _drained(queue: IngestionQueue) -> Iterator[int]:
    while items := queue.lease():
        yield from (item.data for item in items)
        queue.ack(items)
