"""What is received reaches the log once and in order, whatever fails; what cannot is counted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.errors import Fatal
from penstock.model.gaps import SHED, Gap
from penstock.ports.live import Append
from penstock.queue.capture import KILLED, READER_FAILED, Capture, CaptureSettings
from penstock.queue.log import AppendUnknown, LogFull
from penstock.queue.memory import MemoryLog
from penstock.queue.pending import Pending


@dataclass
class Script:
    """A live source that does one thing at each call, and then ends."""

    calls: list[Callable[[Append], None]]

    def receive(self, append: Append, stop: threading.Event) -> None:
        """Do the next thing."""
        del stop
        while self.calls:
            self.calls.pop(0)(append)


def appending(*bodies: bytes) -> Callable[[Append], None]:
    """Append these."""
    return lambda append: append(bodies)


def raising(error: Exception) -> Callable[[Append], None]:
    """Raise that."""

    def call(append: Append) -> None:
        del append
        raise error

    return call


@dataclass
class Clock:
    """A second passes each time somebody looks."""

    now_us: int = 0

    def __call__(self) -> int:
        """The time, in microseconds."""
        self.now_us += 1_000_000
        return self.now_us


class Patience(threading.Event):
    """A stop that nobody sets, and that takes note of how long it was waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        """At once."""
        assert timeout is not None
        self.waited.append(timeout)
        return self.is_set()


@dataclass
class Narrow(MemoryLog):
    """A log that says of some appends that there is no room, at once or later, or that it does not know."""

    fate: Callable[[], str] = lambda: "well"
    taken: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    def append(self, lane: int, bodies: Sequence[bytes], *, marked: bool = False, sync: bool = True, wake: bool = True) -> Pending:
        """Meet its fate."""
        return self._meet(bodies, lambda some: MemoryLog.append(self, lane, some, marked=marked, sync=sync, wake=wake))

    def append_gap(self, lane: int, gap: Gap) -> Pending:
        """Meet its fate."""
        return self._meet([gap], lambda _: MemoryLog.append_gap(self, lane, gap))

    def _meet(self, load: Sequence[bytes | Gap], append: Callable[[Sequence[bytes]], Pending]) -> Pending:
        way = self.fate()
        if way == "full":
            raise LogFull
        if way == "well":
            return append(load)  # type: ignore[arg-type]  # a gap is not looked at
        if way == "some arrived":
            self.taken += 1
            append(load[: 1 + self.taken % len(load)])  # type: ignore[arg-type]  # as above
        pending = Pending(0, [b"it does not matter what"])
        pending.answer(LogFull() if way == "full later" else AppendUnknown())
        return pending


def kept(log: MemoryLog) -> list[bytes | Gap]:
    """All entries of the log."""
    found = log.read(log.kept()[0].first, 1 << 30)
    return [one for stretch in found for one in ([stretch.gap] if stretch.gap else stretch.bodies)]


def test_what_is_received_is_in_the_log() -> None:
    """Everything is durable, and in order, when it has ended."""
    log = MemoryLog()

    Capture(Script([appending(b"a", b"b"), appending(b"c")]), log).run()

    assert kept(log) == [b"a", b"b", b"c"]


def test_a_reader_that_fails_is_started_again_behind_a_gap() -> None:
    """From the first failure until something came again is one gap; the waits grow, and begin anew once something came."""
    log, stop, told = MemoryLog(), Patience(), list[str]()
    calls = [raising(OSError("unplugged")), raising(OSError("still")), appending(b"a"), raising(ValueError("odd")), appending(b"b")]

    Capture(Script(calls), log, stop=stop, tell=told.append, clock_us=Clock()).run()

    first, second = Gap(READER_FAILED, None, 1_000_000, 3_000_000), Gap(READER_FAILED, None, 4_000_000, 5_000_000)
    assert kept(log) == [first, b"a", second, b"b"]
    assert stop.waited == [0.4, 0.8, 0.2]
    assert "OSError: unplugged" in told[0]


def test_a_gap_that_nothing_follows_is_left_all_the_same() -> None:
    """A reader that failed and was stopped leaves its gap."""
    log, stop = MemoryLog(), Patience()

    def fail(append: Append) -> None:
        del append
        stop.set()
        raise OSError

    Capture(Script([fail]), log, stop=stop, clock_us=Clock()).run()

    assert kept(log) == [Gap(READER_FAILED, None, 1_000_000, 2_000_000)]


def test_what_is_fatal_ends_it() -> None:
    """Nothing is tried again then."""
    with pytest.raises(Fatal):
        Capture(Script([raising(Fatal("gone"))]), MemoryLog()).run()


def test_a_gap_of_the_source_keeps_its_place() -> None:
    """What the source itself has lost stands between what came before and after it."""
    log, lost = MemoryLog(), Gap("datagrams lost", 3)

    Capture(Script([appending(b"a"), lambda append: append.gap(lost), appending(b"b"), appending()]), log).run()

    assert kept(log) == [b"a", lost, b"b"]


def test_a_full_log_keeps_the_source_waiting() -> None:
    """Where it blocks, nothing is lost, and the order stays; a person is told once."""
    fates, pauses, told = iter(["well", "full", "full later", "full", "well", "well"]), list[float](), list[str]()
    log = Narrow(fate=lambda: next(fates))

    Capture(Script([appending(b"a"), appending(b"b", b"c"), appending(b"d")]), log, tell=told.append, pause=pauses.append).run()

    assert kept(log) == [b"a", b"b", b"c", b"d"]
    assert len(pauses) == 3
    assert told == ["The log has no room; until there is room, what comes has to wait"]


def test_what_a_full_log_lets_go_of_is_counted() -> None:
    """Where it sheds, one gap says how many were let go, from the first until there was room again; nobody waited.

    A log that stays full does not grow by gaps: they are told once there is room.
    """
    fates = iter(["well", "full", "full", "full later", "well", "well"])
    log = Narrow(fate=lambda: next(fates))
    calls = [appending(*one) for one in ([b"a"], [b"b", b"c"], [b"d"], [b"e"], [b"f"])]

    Capture(Script(calls), log, CaptureSettings(overflow="shed"), pause=lambda _: pytest.fail("it waited"), clock_us=Clock()).run()

    assert kept(log) == [b"a", b"f", Gap(SHED, 4, 1_000_000, 4_000_000)]


def test_a_run_that_was_killed_leaves_a_gap() -> None:
    """From the last entry that the killed run had appended until there is something again; unknown how much was on its way."""
    log = MemoryLog(clock_us=lambda: 5)
    log.append(0, [b"a"]).result()

    Capture(Script([appending(b"b")]), log, interrupted=True, clock_us=Clock()).run()

    assert kept(log) == [b"a", Gap(KILLED, None, 5, 1_000_000), b"b"]


def test_a_run_that_was_killed_and_left_nothing() -> None:
    """Where nothing is kept, nobody knows since when."""
    log = MemoryLog()

    Capture(Script([]), log, interrupted=True, clock_us=Clock()).run()

    assert kept(log) == [Gap(KILLED, None, None, 1_000_000)]


def leaving(log: Narrow, *calls: Callable[[Append], None]) -> list[str]:
    """What is told where nobody waits for room after the first time."""
    leave, told = threading.Event(), list[str]()

    def pause(_: float) -> None:
        leave.set()

    Capture(Script(list(calls)), log, leave=leave, pause=pause, tell=told.append, clock_us=Clock()).run()
    return told


def test_who_has_to_leave_waits_no_longer() -> None:
    """What there is no room for is let go then and counted, also where it would have waited; a person hears how much."""
    fates = iter(["full", "full", "well"])
    log = Narrow(fate=lambda: next(fates))

    told = leaving(log, appending(b"a", b"b"))

    assert kept(log) == [Gap(SHED, 2, 1_000_000, 2_000_000)]
    assert told[1:] == ["2 records that had been read were let go of for want of room"]


def test_what_cannot_even_be_written_down_is_told() -> None:
    """Where a gap has no room either, a person hears of it, and how many records it is."""
    log = Narrow(fate=lambda: "full")

    told = leaving(log, appending(b"a"), lambda append: append.gap(Gap("datagrams lost", 3)), lambda append: append.gap(Gap("unplugged")))

    assert kept(log) == []
    missing = "there was no room even to write down what is missing"
    assert told[1:] == [
        "1 record that had been read was let go of for want of room",
        f"{missing}: {SHED}, 1 record",
        f"{missing}: datagrams lost, 3 records",
        f"{missing}: unplugged, unknown how many",
    ]


FATES = ["well", "full", "full later", "none arrived", "some arrived"]


@given(st.integers(), st.lists(st.integers(0, 4), max_size=12), st.sampled_from(["block", "shed"]))
def test_every_record_arrives_once_or_is_counted(seed: int, sizes: list[int], overflow: str) -> None:
    """Whatever becomes of single appends, what is in the log is in order and once, and what is not is in its gaps."""
    random = Random(seed)
    log = Narrow(fate=lambda: random.choice(FATES))
    numbers = iter(range(100))
    calls = [appending(*(b"%d" % next(numbers) for _ in range(size))) for size in sizes]

    Capture(Script(calls), log, CaptureSettings(overflow="block" if overflow == "block" else "shed"), pause=lambda _: None).run()

    records = [int(one) for one in kept(log) if isinstance(one, bytes)]
    lost = sum(one.count or 0 for one in kept(log) if isinstance(one, Gap))
    assert records == sorted(set(records))
    assert len(records) + lost == sum(sizes)
    assert not (overflow == "block" and lost)
