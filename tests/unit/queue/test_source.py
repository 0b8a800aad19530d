"""What of a log is read, and what is told where it is not the log that was read before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pytest

from penstock.model.coverage import Interval
from penstock.model.errors import Fatal
from penstock.model.gaps import Gap
from penstock.ports.flow import Batch
from penstock.ports.live import Arrival, NoRow
from penstock.ports.source import Plan, Progress
from penstock.queue.arrivals import Arrivals
from penstock.queue.log import NO_LONGER_KEPT, LogSettings
from penstock.queue.memory import MemoryLog
from penstock.queue.source import REPLACED, LogSource, Portions, attach, reconcile
from penstock.queue.stretches import BEGINNING, place_of, position
from penstock.testing.sources import read_all


@dataclass(frozen=True)
class Texts:
    """One column: the entry, as text; `-` is none."""

    schema: pa.Schema = field(default_factory=lambda: pa.schema([pa.field("text", pa.string())]))
    facts: dict[str, int | str] = field(default_factory=dict)

    def decode(self, arrivals: Sequence[Arrival]) -> tuple[pa.RecordBatch, Sequence[NoRow]]:
        """See `Decoder`."""
        bodies = [body.decode() for arrival in arrivals for body in arrival.bodies]
        bad = [NoRow(number, "it is none") for number, body in enumerate(bodies) if body == "-"]
        return pa.RecordBatch.from_pydict({"text": [body for body in bodies if body != "-"]}, schema=self.schema), bad


def source(log: MemoryLog, done: Progress | None = None, portions: Portions | None = None, *, live: bool = True) -> LogSource:
    """The log, for a consumer that has stored so much."""
    stretches = attach(log, "a consumer")
    reconcile(stretches, done or Progress())
    arrivals = Arrivals(stretches, flush_interval_s=0) if live else None
    return LogSource(stretches, "a consumer", Texts(), lambda _: Texts(), arrivals, portions or Portions())


def filled(*bodies: bytes, clock_us: int = 1_800_000_000_000_000) -> MemoryLog:
    """A log with these entries, each appended alone."""
    log = MemoryLog(clock_us=lambda: clock_us)
    for body in bodies:
        log.append(0, [body]).result()
    return log


def whole(plan: Plan) -> Progress:
    """All of it stored."""
    return Progress(plan.scope, (Interval(plan.scope.span.start, plan.scope.span.end),))


def texts(batches: Sequence[Batch]) -> list[str]:
    """The rows."""
    return [row["text"] for batch in batches for row in batch.rows.to_pylist()]


async def new(log: MemoryLog, done: Progress) -> tuple[list[str], list[Gap]]:
    """What a process finds that starts with this progress."""
    found = source(log, done)
    batches = await read_all(found, await found.plan(done))
    return texts(batches), [gap for batch in batches for gap in batch.gaps]


async def stored(log: MemoryLog) -> Progress:
    """All that is there, stored."""
    return whole(await source(log).plan(Progress()))


async def test_reading_goes_on_in_a_new_epoch() -> None:
    """Coverage goes on behind the epoch that the log had before, as one stretch, and nothing is called lost."""
    log = filled(b"a", b"b")
    done = await stored(log)
    log.renew(bytes(10))
    log.append(0, [b"c"]).result()

    assert await new(log, done) == (["c"], [])


async def test_a_log_that_was_deleted_leaves_a_gap() -> None:
    """A folder that is begun anew has none of what waited in the old one: that is told once, and what is new is read."""
    done = await stored(filled(b"a", b"b"))
    log = MemoryLog()
    found = source(log, done)
    log.append(0, [b"c"]).result()

    batches = await read_all(found, await found.plan(done))

    assert (texts(batches), [gap for batch in batches for gap in batch.gaps]) == (["c"], [Gap(REPLACED)])
    assert await new(log, whole(await found.plan(done))) == ([], [])


async def test_a_clock_that_was_put_back_hides_nothing() -> None:
    """A log begun anew where the clock runs behind does not take new entries for stored."""
    done = await stored(filled(b"a", b"b"))
    log = MemoryLog(clock_us=lambda: 1)
    found = source(log, done)

    log.append(0, [b"c"]).result()

    assert texts(await read_all(found, await found.plan(done))) == ["c"]


async def test_a_log_that_has_outgrown_the_old_one_is_seen() -> None:
    """A log begun anew that has more entries by now than the old one had is not taken for it."""
    done = await stored(filled(b"a", b"b"))
    log = filled(b"c", b"d", b"e", clock_us=1_900_000_000_000_000)

    assert await new(log, done) == (["c", "d", "e"], [Gap(REPLACED)])


async def test_a_log_that_was_put_back_goes_on_behind_what_is_stored() -> None:
    """Entries of a restored backup that were stored before are not stored again; what comes new is."""
    log = filled(b"a", b"b")
    older, log._lanes[0].stretches = log._lanes[0].stretches[:1], log._lanes[0].stretches
    done = await stored(log)
    log._lanes[0].stretches, log._lanes[0].end = older, older[-1].end

    found = source(log, done)
    log.append(0, [b"c"]).result()

    batches = await read_all(found, await found.plan(done))
    assert (texts(batches), [gap for batch in batches for gap in batch.gaps]) == (["c"], [Gap(REPLACED)])


async def test_what_others_released_is_a_gap() -> None:
    """A consumer whose place is gone reads how many entries it has missed, also where they end beyond its pass."""
    log = filled(b"a", b"b", b"c", b"d")
    found = source(log, portions=Portions(pass_bytes=2))
    plan = await found.plan(Progress())
    log._lanes[0].stretches = log._lanes[0].stretches[3:]

    first = await read_all(found, plan)
    rest = await read_all(found, await found.plan(whole(plan)))

    gaps = [gap for batch in [*first, *rest] for gap in batch.gaps]
    assert ([gap.count for gap in gaps], {gap.cause for gap in gaps}) == ([2, 1], {NO_LONGER_KEPT})
    assert texts([*first, *rest]) == ["d"]


async def test_a_pass_is_bounded() -> None:
    """Of much that waits a pass takes a part, so that room is made; what a block holds beyond it is for the next one."""
    log = MemoryLog()
    log.append(0, [b"%d" % number for number in range(10)]).result()
    found, done, passes = source(log, portions=Portions(pass_bytes=4)), Progress(), list[list[str]]()

    while (plan := await found.plan(done)).partitions:
        passes.append(texts(await read_all(found, plan)))
        done = whole(plan)

    assert passes == [["0", "1", "2", "3"], ["4", "5", "6", "7"], ["8", "9"]]
    assert len(done.coverage) == 1


async def test_no_row_is_refused_with_its_place() -> None:
    """An entry that is no row is refused as it was received, and says where it stood."""
    found = source(filled(b"a", b"-", b"b"))

    (batch,) = await read_all(found, await found.plan(Progress()))

    assert texts([batch]) == ["a", "b"]
    (refusal,) = batch.refused
    assert (refusal.row, refusal.raw, refusal.reason, refusal.origin) == (1, b"-", "it is none", "entry 1 of lane 0 of the log")


async def test_lanes_at_rest_are_one_stretch() -> None:
    """All lanes are read to their ends, earlier epochs first, and what is appended later in a new epoch lies behind all of them."""
    log = MemoryLog(LogSettings(lanes=2))
    for lane, body in ((1, b"b"), (0, b"a")):
        log.append(lane, [body]).result()
    first = source(log, live=False)
    plan = await first.plan(Progress())
    assert texts(await read_all(first, plan)) == ["a", "b"]
    await first.release(whole(plan))
    log.renew(bytes(10))
    log.append(0, [b"c"]).result()

    again = source(log, whole(plan), live=False)

    assert texts(await read_all(again, await again.plan(whole(plan)))) == ["c"]
    assert [kept.size_bytes for kept in log.kept()] == [1, 0]


async def test_of_lanes_in_part_only_what_is_stored_is_let_go_of() -> None:
    """A lane that is not stored to its end keeps what is missing, and so does one that was not begun."""
    log = MemoryLog(LogSettings(lanes=3))
    for lane in (0, 1, 2):
        for number in range(2):
            log.append(lane, [b"%d%d" % (lane, number)]).result()
    found = source(log, portions=Portions(batch_bytes=1), live=False)
    plan = await found.plan(Progress())
    third = (await read_all(found, plan))[2]

    await found.release(Progress(plan.scope, (Interval(BEGINNING, third.upto),)))

    rest = Progress(plan.scope, (Interval(BEGINNING, third.upto),))
    assert texts(await read_all(found, await found.plan(rest))) == ["11", "20", "21"]
    assert [kept.size_bytes for kept in log.kept()] == [0, 2, 4]


def test_positions_are_places() -> None:
    """A place is a position and the other way round, and they sort by epoch, then lane, then offset."""
    log = filled(b"a")
    end = log.kept()[0].end

    assert place_of(position(end)) == end


@pytest.mark.parametrize(("waited_s", "left_s"), [(0, 5), (3, 2), (9, -4), (-1, 5)])
async def test_an_entry_waits_for_others_but_not_for_long(waited_s: int, left_s: int) -> None:
    """The oldest one waits for the flush interval, counted from when it was appended; a clock that was put back makes it no longer."""
    log = MemoryLog(clock_us=lambda: 10_000_000)
    log.append(0, [b"a"]).result()
    arrivals = Arrivals(attach(log, "a consumer"), 5.0, clock_us=lambda: 10_000_000 + waited_s * 1_000_000)

    assert arrivals._patience_s(BEGINNING) == left_s


async def test_an_end_ends_the_waiting() -> None:
    """Once no more will come nobody waits for it, and a failure comes behind what is left."""
    log = filled(b"a")
    arrivals = Arrivals(attach(log, "a consumer"), 1_000.0)

    arrivals.end(Fatal("unplugged"))

    await arrivals.beyond(BEGINNING)
    with pytest.raises(Fatal, match="unplugged"):
        await arrivals.beyond(position(log.kept()[0].end))
