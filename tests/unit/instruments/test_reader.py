"""The reader survives whatever a hook raises, connects again, and becomes healthy again."""

from __future__ import annotations

import logging
from itertools import pairwise
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.instruments.account import Account, IngestionState
from penstock.instruments.config import CircuitBreakerSettings, RetrySettings
from penstock.instruments.link import Link
from penstock.instruments.reader import IDLE_S, Reader
from penstock.model.errors import Fatal, Refused, Throttled, Transient
from penstock.model.gaps import Gap
from penstock.queue.capture import READER_FAILED
from penstock.reliability.breaker import Breaker
from penstock.reliability.circuit import BreakerState
from penstock.reliability.health import HealthSettings
from tests.unit.instruments.hands import Hands

SAMPLE, NOTHING = "sample", "nothing"
ERRORS = (OSError("gone"), TimeoutError("late"), ValueError("odd"), KeyError("x"), Transient("busy"), Throttled(delay_s=1), Fatal("no"))
Step = str | Exception


class Bench:
    """A reader of a source that does what a script says, and then brings samples for ever."""

    def __init__(self, reads: list[Step], connects: list[bool | Exception] | None = None, *, auto_reconnect: bool = True) -> None:
        self.hands, self.stop = Hands(0.5), Event()
        self.reads, self.connects = list(reads), list(connects or [])
        self.given, self.taken, self.refused, self.gaps = list[int](), list[int](), list[str](), list[Gap]()
        self.times = list[tuple[float, str]]()
        self.open = self.good = 0
        self.disconnecting_fails = False
        self.enough = 20
        timing = self.hands.timing
        self.breaker = Breaker("ecu", CircuitBreakerSettings().core(), timing.rand)
        self.account = Account("ecu", self.breaker, HealthSettings(), timing, logging.getLogger("penstock.instruments.ecu"))
        self.link = Link("ecu", self._connect, self._disconnect, self.breaker, RetrySettings(), self.account, timing)
        self.reader = Reader(
            self.link, self.account, timing,
            read=self._read, take=self._take, refuse=lambda error: self.refused.append(str(error)), miss=self.gaps.append,
            check=lambda: None,
            attempts=3, auto_reconnect=auto_reconnect,
        )  # fmt: skip

    def run(self) -> None:
        """Until enough good samples have come after the script."""
        self.reader.run(self.stop)

    def _connect(self) -> bool:
        assert self.open == 0, "connected twice"
        self.times.append((self.hands.now, "connect"))
        answer = self.connects.pop(0) if self.connects else True
        if isinstance(answer, Exception):
            raise answer
        self.open += answer
        return answer

    def _disconnect(self) -> None:
        assert self.open == 1, "disconnected twice"
        self.open = 0
        if self.disconnecting_fails:
            raise OSError("gone already")

    def _read(self) -> int | None:
        assert self.open == 1, "read without a connection"
        self.hands.now += 0.02
        step = self.reads.pop(0) if self.reads else SAMPLE
        self.times.append((self.hands.now, str(step)))
        if isinstance(step, Exception):
            raise step
        if step is NOTHING:
            return None
        self.given.append(len(self.given))
        return self.given[-1]

    def _take(self, sample: int) -> None:
        self.account.received("rpm")
        self.taken.append(sample)
        self.good += not self.reads
        if self.good == self.enough:
            self.stop.set()


steps = st.lists(st.sampled_from([SAMPLE, SAMPLE, NOTHING, Refused("noise"), *ERRORS]), max_size=40)
connections = st.lists(st.sampled_from([True, False, OSError("refused"), ValueError("odd"), Fatal("no")]), max_size=12)


@given(reads=steps, connects=connections, rude=st.booleans())
def test_it_survives_whatever_a_hook_raises(reads: list[Step], connects: list[bool | Exception], rude: bool) -> None:  # noqa: FBT001 - drawn
    """In any order and number: every sample that was read is taken once and in order, and once the source is well, so is the client."""
    bench = Bench(reads, connects)
    bench.disconnecting_fails = rude

    bench.run()

    stats, report = bench.account.stats(), bench.account.report()
    assert bench.taken == bench.given
    assert len(bench.refused) == sum(isinstance(step, Refused) for step in reads)
    assert (stats.consecutive_errors, stats.state, report.reasons) == (0, IngestionState.CONNECTED, ())
    assert bench.breaker.state is BreakerState.CLOSED


@given(reads=steps)
def test_every_failure_is_in_a_gap(reads: list[Step]) -> None:
    """From the last sample before it to the first one after it, the gap says that something may be missing; there are no others."""
    bench = Bench(reads)

    bench.run()

    failed = [now for now, step in bench.times if any(step == str(error) for error in ERRORS)]
    samples = [now for now, step in bench.times if step == SAMPLE]
    stretches = {(max((one for one in samples if one < now), default=None), min(one for one in samples if one > now)) for now in failed}
    assert {gap.cause for gap in bench.gaps} <= {READER_FAILED}
    assert len(bench.gaps) == len(stretches)
    for gap, (before, after) in zip(bench.gaps, sorted(stretches, key=lambda stretch: stretch[1]), strict=True):
        assert gap.until == int(after * 1e6)
        assert before is None or gap.since == int(before * 1e6)


def test_a_lost_connection_is_made_again_at_once() -> None:
    """An `OSError` is not waited out: after a tenth of a second at the most it is connected again, and reads."""
    bench = Bench([SAMPLE, OSError("gone"), SAMPLE])

    bench.run()

    assert [what for _, what in bench.times[:5]] == ["connect", SAMPLE, "gone", "connect", SAMPLE]
    assert bench.times[3][0] - bench.times[2][0] <= 0.1
    assert bench.account.stats().reconnects == 1


def test_another_error_is_tried_again_on_the_same_connection() -> None:
    """Twice, and after the third in a row it is connected again."""
    bench = Bench([ValueError("odd"), ValueError("odd"), SAMPLE, ValueError("odd"), ValueError("odd"), TimeoutError("late")])

    bench.run()

    assert [what for _, what in bench.times[:8]] == ["connect", "odd", "odd", SAMPLE, "odd", "odd", "late", "connect"]


def test_a_source_that_connects_and_never_reads_is_left_alone_in_the_end() -> None:
    """Delays grow although connecting works each time, and the breaker opens: in an hour it is bothered some dozens of times."""
    bench = Bench([OSError("gone")] * 10_000)
    bench.hands.at.append((4_600.0, bench.stop.set))

    bench.run()

    connects = [now for now, what in bench.times if what == "connect"]
    pauses = [after - before - 0.02 for before, after in pairwise(connects)]
    assert pauses[:6] == pytest.approx([0.075 * 2**n for n in range(6)])
    assert len(connects) < 200


def test_five_errors_in_a_row_open_the_circuit_and_it_closes_again() -> None:
    """It reads again a minute later, and nobody had to start anything."""
    bench = Bench([*[ValueError("odd")] * 2, OSError("gone")], [True, False, OSError("refused")])

    bench.run()

    assert bench.hands.now > 1_060
    assert (bench.taken, bench.breaker.state) == (bench.given, BreakerState.CLOSED)


def test_what_cannot_be_decoded_is_no_failure() -> None:
    """A thousand refused reads are a thousand dead letters: no reconnecting, no open circuit, nothing lost."""
    bench = Bench([Refused("noise")] * 1_000)

    bench.run()

    assert (len(bench.refused), len(bench.gaps), bench.breaker.status(0).in_a_row) == (1_000, 0, 0)
    assert sum(what == "connect" for _, what in bench.times) == 1


def test_a_hook_that_refuses_for_ever_is_given_pauses() -> None:
    """A thousand at once, as a burst of noise is; then a pause, each time longer, up to a second. A good sample begins anew."""
    bench = Bench([*[Refused("noise")] * 8_000, SAMPLE, *[Refused("noise")] * 1_000])

    bench.run()

    assert bench.hands.waits == pytest.approx([0.075, 0.15, 0.3, 0.6, *[1.0] * 4, 0.075])
    assert (len(bench.refused), len(bench.gaps)) == (9_000, 0)


def test_a_pause_in_the_noise_is_none() -> None:
    """Reads that were refused are in a row only where there was something to read all the time."""
    bench = Bench([*[Refused("noise")] * 999, NOTHING, *[Refused("noise")] * 999])

    bench.run()

    assert bench.hands.waits == [IDLE_S]


def test_nothing_to_read_is_not_asked_for_without_a_pause() -> None:
    """A hook that returns at once does not keep a processor busy."""
    bench = Bench([NOTHING] * 5)

    bench.run()

    assert bench.hands.waits == [IDLE_S] * 5


def test_without_auto_reconnect_it_ends_and_says_so() -> None:
    """It is not alive then, which tells its owner to start it again."""
    bench = Bench([SAMPLE, OSError("gone")], auto_reconnect=False)

    bench.run()

    report = bench.account.report()
    assert (bench.taken, bench.open, bench.account.stats().state) == ([0], 0, IngestionState.ERROR)
    assert report.live.reason == "the connection was lost, and auto_reconnect is off: gone"


def test_a_reader_that_is_stopped_leaves_its_gap() -> None:
    """What may be missing at the end is written down, too."""
    bench = Bench([SAMPLE, OSError("gone")], [True, *[False] * 100])
    bench.hands.at.append((1_000.5, bench.stop.set))

    bench.run()

    assert [(gap.since, gap.cause) for gap in bench.gaps] == [(1_000_020_000, READER_FAILED)]
    assert bench.account.report().live.well


def test_what_is_no_exception_of_a_hook_ends_it_and_is_seen() -> None:
    """Whoever takes the samples may raise, as when the log is closed: the reader is not alive then."""
    bench = Bench([SAMPLE])
    bench.reader.take = lambda _: (_ for _ in ()).throw(Fatal("the log is closed"))

    with pytest.raises(Fatal):
        bench.run()

    assert bench.account.report().live.reason == "the reader was broken off"


def test_a_source_that_asks_to_slow_down_is_left_alone_for_so_long() -> None:
    """On the same connection, and also when it is made again after the third time."""
    bench = Bench([SAMPLE, *[Throttled(delay_s=40)] * 3, SAMPLE])

    bench.run()

    assert bench.hands.waits == [40.0, 40.0, 40.0]
    assert bench.breaker.status(0).in_a_row == 0


def test_calls_that_are_held_back_in_the_middle_of_reading() -> None:
    """Somebody isolates the source: it is disconnected, and read again once that is over."""
    bench = Bench([SAMPLE, NOTHING, SAMPLE])
    bench.hands.at.append((1_000.03, lambda: bench.breaker.isolate(bench.hands.now, "being serviced")))
    bench.hands.at.append((1_020.0, lambda: bench.breaker.reset(bench.hands.now)))

    bench.run()

    assert bench.taken == bench.given
    assert [what for _, what in bench.times[:5]] == ["connect", SAMPLE, NOTHING, "connect", SAMPLE]
    assert bench.times[3][0] >= 1_020.0
