"""The guarantees of `Log`, as tests: what was appended is read in order until everybody has released it, and no place is used twice."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Protocol

import pytest

from penstock.model.gaps import Gap
from penstock.queue.log import NO_LONGER_KEPT, AppendTooLarge, Entries, Log, LogClosed, LogFull, LogSettings, Place
from penstock.queue.pending import Pending

WAIT_S = 30.0
SETTINGS = LogSettings(lanes=3, max_bytes=1 << 18, min_free_bytes=0, segment_bytes=8_192)


class Hand:
    """A clock that is set by hand, in microseconds since 1970."""

    def __init__(self) -> None:
        self.now_us = 1_800_000_000_000_000

    def __call__(self) -> int:
        """The time."""
        return self.now_us


class LogBench(Protocol):
    """How to come by the log to be tested."""

    def open(self, settings: LogSettings, clock_us: Callable[[], int]) -> Log:
        """The log: an empty one the first time, and then, for a durable one that was closed, the same again."""
        ...


def start(log: Log, lane: int) -> Place:
    """The first place of a lane."""
    return log.kept()[lane].first


def stretches(log: Log, place: Place, max_bytes: int = 1 << 16) -> Iterator[Entries]:
    """All from a place on, in as many reads as it takes."""
    while found := log.read(place, max_bytes):
        yield from found
        place = found[-1].end


def bodies(log: Log, lane: int, max_bytes: int = 1 << 16) -> list[bytes]:
    """All entries that are kept of a lane."""
    return [body for stretch in stretches(log, start(log, lane), max_bytes) for body in stretch.bodies]


def numbers(low: int, high: int) -> list[bytes]:
    """Entries that can be told apart."""
    return [b"entry %06d" % number for number in range(low, high)]


def fill(log: Log, lane: int = 0) -> int:
    """Append until there is no room; how many entries that were."""
    filled = 0
    with suppress(LogFull):
        while True:
            log.append(lane, numbers(filled, filled + 300)).result(WAIT_S)
            filled += 300
    return filled


async def _awaited(pending: Pending) -> Place:
    return await pending


class LogSuite:
    """Subclass it with a `bench`."""

    @pytest.fixture
    def bench(self) -> LogBench:
        """The bench of one test."""
        raise NotImplementedError

    @pytest.fixture
    def clock(self) -> Hand:
        """The time, as the log sees it."""
        return Hand()

    @pytest.fixture
    def log(self, bench: LogBench, clock: Hand) -> Iterator[Log]:
        """An empty log."""
        log = bench.open(SETTINGS, clock)
        yield log
        log.close()

    def test_what_is_appended_is_read_in_order(self, log: Log) -> None:
        """Each lane gives its entries back in the order in which they were appended, and no others."""
        for low in range(0, 60, 5):
            for lane in range(3):
                log.append(lane, numbers(lane * 1_000 + low, lane * 1_000 + low + 5)).result(WAIT_S)

        assert [bodies(log, lane) for lane in range(3)] == [numbers(lane * 1_000, lane * 1_000 + 60) for lane in range(3)]

    def test_an_append_is_answered_with_the_place_of_its_first_entry(self, log: Log) -> None:
        """Offsets count the entries of a lane, and the end of a stretch is where the next one begins."""
        places = [log.append(1, numbers(low, low + 4)).result(WAIT_S) for low in (0, 4, 8)]

        assert [(place.lane, place.offset) for place in places] == [(1, 0), (1, 4), (1, 8)]
        assert len({place.epoch for place in places}) == 1
        assert [entries.first.offset for entries in log.read(places[1], 1)] == [4]
        read = list(stretches(log, places[0], 1))
        assert all(before.end == after.first for before, after in pairwise(read))
        assert read[-1].end == log.kept()[1].end

    def test_entries_are_any_bytes(self, log: Log) -> None:
        """Empty, large, and every value of a byte."""
        entries = [b"", bytes(range(256)), b"", b"x" * 20_000, b"\0" * 9]

        log.append(0, entries).result(WAIT_S)

        assert bodies(log, 0) == entries

    def test_reading_begins_in_the_middle_of_a_stretch(self, log: Log) -> None:
        """From any entry on, exactly those that follow are read."""
        first = log.append(0, numbers(0, 10)).result(WAIT_S)
        log.append(0, numbers(10, 14)).result(WAIT_S)

        for offset in range(15):
            place = Place(0, first.epoch, offset)
            read = list(stretches(log, place))
            assert [body for stretch in read for body in stretch.bodies] == numbers(offset, 14)
            assert [stretch.first for stretch in read[:1]] == [place][: len(read)]

    def test_an_offset_tells_the_place(self, log: Log) -> None:
        """Of every entry that is kept, whichever epoch it has, and of the end; no other offset has one."""
        places = [log.append(0, numbers(0, 3)).result(WAIT_S)]
        log.renew(bytes(10))
        places.append(log.append(0, numbers(3, 7)).result(WAIT_S))

        found = [log.at(0, offset) for offset in range(7)]

        assert [place.epoch for place in found] == [places[0].epoch] * 3 + [places[1].epoch] * 4
        assert [entries.bodies[0] for place in found for entries in log.read(place, 1)] == numbers(0, 7)
        assert log.at(0, 7) == log.kept()[0].end
        for offset in (-1, 8):
            with pytest.raises(IndexError):
                log.at(0, offset)

    def test_what_need_not_be_durable_is_in_order_all_the_same(self, log: Log) -> None:
        """Entries that are only written stand where they were appended, before those that came later."""
        pending = [log.append(0, numbers(low, low + 2), sync=low % 4 == 0) for low in range(0, 20, 2)]

        places = [one.result(WAIT_S) for one in pending]

        assert [place.offset for place in places] == list(range(0, 20, 2))
        log.append(0, numbers(20, 21)).result(WAIT_S)
        assert bodies(log, 0) == numbers(0, 21)

    def test_whoever_waits_wakes_the_log(self, log: Log) -> None:
        """Appends for which nobody was woken are carried out with the first one that somebody waits for, in their order."""
        quiet = [log.append(0, numbers(low, low + 2), wake=False) for low in range(0, 10, 2)]

        place = log.append(0, numbers(10, 12), wake=False).result(WAIT_S)

        assert place.offset == 10
        assert [pending.result(0).offset for pending in quiet] == [0, 2, 4, 6, 8]
        assert bodies(log, 0) == numbers(0, 12)

    async def test_a_task_that_waits_wakes_the_log_too(self, log: Log) -> None:
        """Whether it appended by itself or not."""
        log.append(0, numbers(0, 2), wake=False)

        place = await asyncio.wait_for(_awaited(log.append(1, numbers(0, 1), wake=False)), WAIT_S)

        assert (place.lane, place.offset) == (1, 0)
        assert bodies(log, 0) == numbers(0, 2)

    def test_closing_carries_out_what_waits(self, log: Log) -> None:
        """Also where nobody waited for it."""
        pending = log.append(0, numbers(0, 2), wake=False)

        log.close()

        assert pending.result(WAIT_S).offset == 0

    def test_a_read_is_bounded(self, log: Log) -> None:
        """About as many bytes as were asked for, and at least one stretch, however large."""
        for low in range(0, 100, 10):
            log.append(0, numbers(low, low + 10)).result(WAIT_S)
        place = start(log, 0)

        assert len(log.read(place, 1)) == 1
        assert 1 < sum(entries.count for entries in log.read(place, 600)) < 100
        assert bodies(log, 0, max_bytes=1) == bodies(log, 0, max_bytes=600) == numbers(0, 100)

    def test_nothing_is_read_at_the_end(self, log: Log) -> None:
        """A reader at the end has nothing to read, until there is more."""
        assert log.read(start(log, 0), 1 << 16) == []
        log.append(0, numbers(0, 3)).result(WAIT_S)
        end = log.kept()[0].end
        assert log.read(end, 1 << 16) == []

        log.append(0, numbers(3, 5)).result(WAIT_S)

        assert [body for entries in log.read(end, 1 << 16) for body in entries.bodies] == numbers(3, 5)

    def test_a_gap_travels_among_the_entries(self, log: Log) -> None:
        """A gap that was appended has an offset of its own, and is read back as it was, where it was."""
        gaps = [Gap("kernel dropped datagrams", 17, 1_000, 2_000), Gap("reader failed", None, 3_000)]
        log.append(0, numbers(0, 2)).result(WAIT_S)
        places = [log.append_gap(0, gap).result(WAIT_S) for gap in gaps]
        log.append(0, numbers(2, 4)).result(WAIT_S)

        read = list(stretches(log, start(log, 0)))

        assert [place.offset for place in places] == [2, 3]
        assert [(entries.first, entries.gap) for entries in read if entries.gap] == list(zip(places, gaps, strict=True))
        assert all((entries.count, list(entries.bodies)) == (1, []) for entries in read if entries.gap)
        assert bodies(log, 0) == numbers(0, 4)
        assert log.kept()[0].end.offset == 6
        assert log.ends() == [6, 0, 0]

    def test_marked_entries_are_found(self, log: Log) -> None:
        """Stretches that were appended as marked are found among the others, in order, and read like them."""
        for low in range(0, 60, 6):
            log.append(0, numbers(low, low + 4)).result(WAIT_S)
            log.append(0, numbers(low + 4, low + 6), marked=True).result(WAIT_S)

        found = [(entries.first.offset, list(entries.bodies)) for entries in log.marked(0)]

        assert found == [(low + 4, numbers(low + 4, low + 6)) for low in range(0, 60, 6)]
        assert list(log.marked(1)) == []
        assert [entries.marked for entries in stretches(log, start(log, 0), 1)] == [False, True] * 10
        assert bodies(log, 0) == numbers(0, 60)

    def test_the_time_of_appending_is_kept(self, log: Log, clock: Hand) -> None:
        """Each stretch says when it was made durable."""
        log.append(0, numbers(0, 1)).result(WAIT_S)
        then = clock.now_us
        clock.now_us += 5_000_000
        log.append(0, numbers(1, 2)).result(WAIT_S)

        assert [entries.appended_us for entries in stretches(log, start(log, 0))] == [then, then + 5_000_000]

    def test_producers_do_not_disturb_each_other(self, log: Log) -> None:
        """Of many threads that append at once, each finds its own entries in its own order, and each append in one piece."""

        def produce(number: int) -> None:
            for low in range(0, 60, 3):
                log.append(0, [b"%d:%d" % (number, entry) for entry in range(low, low + 3)]).result(WAIT_S)

        threads = [threading.Thread(target=produce, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT_S)

        read = [tuple(map(int, body.split(b":"))) for body in bodies(log, 0)]
        for number in range(8):
            assert [entry for producer, entry in read if producer == number] == list(range(60))
        assert all(len({producer for producer, _ in read[low : low + 3]}) == 1 for low in range(0, len(read), 3))

    async def test_tasks_wait_together(self, log: Log) -> None:
        """Tasks await their appends, and one that is cancelled takes nothing from the others."""

        async def produce(number: int) -> Place:
            return await log.append(number % 3, [b"%d" % number])

        tasks = [asyncio.create_task(produce(number)) for number in range(60)]
        await asyncio.sleep(0)
        tasks[7].cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)

        places = [answer for answer in answers if isinstance(answer, Place)]
        assert len(places) >= 59
        assert len({(place.lane, place.offset) for place in places}) == len(places)
        assert all(b"%d" % number in bodies(log, number % 3) for number in range(60) if number != 7)
        assert (await log.append(0, [b"once more"])).lane == 0

    def test_listeners_are_told(self, log: Log) -> None:
        """Whoever listens hears of new entries, of room, and of the end, until he has enough."""
        heard, deaf = threading.Event(), threading.Event()
        log.listen(heard.set)
        log.listen(deaf.set)()
        log.register("one")

        for act in (
            lambda: log.append(0, numbers(0, 1)).result(WAIT_S),
            lambda: log.release("one", [log.kept()[0].end]),
            log.close,
        ):
            heard.clear()
            act()
            assert heard.wait(WAIT_S)

        assert not deaf.is_set()

    def test_a_full_log_takes_nothing_and_loses_nothing(self, log: Log) -> None:
        """Without room an append is refused; everything appended before is there."""
        filled = fill(log)

        assert filled * 12 > SETTINGS.max_bytes / 2
        assert bodies(log, 0) == numbers(0, filled)
        with pytest.raises(LogFull):
            log.append(1, numbers(0, 10_000)).result(WAIT_S)
        assert bodies(log, 1) == []

    def test_a_full_log_is_emptied_by_releasing(self, log: Log) -> None:
        """Released entries make room, again and again."""
        log.register("only")
        held = 0
        for _ in range(3):
            filled = fill(log)
            end = log.kept()[0].end
            log.release("only", [end])
            held += filled

            assert log.kept()[0].end == end
            assert end.offset == held
            assert sum(kept.size_bytes for kept in log.kept()) < SETTINGS.max_bytes / 10

    @pytest.mark.parametrize("earlier", [1, 5, 40])
    def test_an_emptied_log_takes_any_append(self, log: Log, earlier: int) -> None:
        """Of which all was released, it has room for as much as it may hold, whatever was appended to its lanes before."""
        log.register("only")
        for _ in range(3):
            for lane in range(3):
                for low in range(earlier):
                    log.append(lane, numbers(low, low + 1)).result(WAIT_S)
            log.release("only", [kept.end for kept in log.kept()])

            place = log.append(0, [b"x" * SETTINGS.max_bytes]).result(WAIT_S)

            assert [len(body) for entries in log.read(place, 1) for body in entries.bodies] == [SETTINGS.max_bytes]
            with pytest.raises(LogFull):
                log.append(0, [b"x"])
            log.release("only", [kept.end for kept in log.kept()])

    def test_what_is_not_released_is_in_the_way(self, log: Log) -> None:
        """Room is not made of what somebody still needs."""
        log.register("only")
        log.append(0, numbers(0, 1)).result(WAIT_S)
        log.append(1, numbers(0, 1)).result(WAIT_S)
        log.release("only", [log.kept()[0].end])

        with pytest.raises(LogFull):
            log.append(0, [b"x" * SETTINGS.max_bytes])

        assert bodies(log, 1) == numbers(0, 1)

    def test_an_append_that_can_never_fit_is_refused(self, log: Log) -> None:
        """Waiting for room would be in vain."""
        with pytest.raises(AppendTooLarge):
            log.append(0, [b"x" * (SETTINGS.max_bytes + 1)])

        assert bodies(log, 0) == []

    def test_mistakes_are_told(self, log: Log) -> None:
        """A lane that is not there, nothing to append, a consumer nobody knows."""
        for lane in (-1, 3):
            with pytest.raises(IndexError):
                log.append(lane, [b"x"])
            with pytest.raises(IndexError):
                log.read(Place(lane, bytes(10), 0), 1)
        with pytest.raises(ValueError, match="nothing"):
            log.append(0, [])
        with pytest.raises(KeyError):
            log.release("nobody", [start(log, 0)])

    def test_entries_stay_until_the_last_consumer_has_released_them(self, log: Log) -> None:
        """Nothing that a registered consumer has not released is given back."""
        log.register("quick")
        log.register("slow")
        first = log.append(0, numbers(0, 1)).result(WAIT_S)
        for low in range(1, 2_001, 100):
            log.append(0, numbers(low, low + 100)).result(WAIT_S)
        end = log.kept()[0].end

        log.release("quick", [end])
        assert bodies(log, 0) == numbers(0, 2_001)
        log.release("slow", [Place(0, first.epoch, 1_000)])
        kept = bodies(log, 0)
        log.release("slow", [end])

        assert kept[-1_001:] == numbers(1_000, 2_001)
        assert len(kept) < 2_001
        assert len(bodies(log, 0)) < len(kept)

    def test_without_consumers_everything_is_kept(self, log: Log) -> None:
        """Nothing is given back that nobody has released; one who comes later begins with the first entry."""
        log.append(0, numbers(0, 500)).result(WAIT_S)

        places = log.register("late")

        assert [place.offset for place in places] == [0, 0, 0]
        assert [body for entries in stretches(log, places[0]) for body in entries.bodies] == numbers(0, 500)

    def test_cursors_do_not_go_back(self, log: Log) -> None:
        """Releasing less than before changes nothing."""
        log.register("one")
        first = log.append(0, numbers(0, 10)).result(WAIT_S)
        log.release("one", [Place(0, first.epoch, 7)])
        log.release("one", [Place(0, first.epoch, 2)])

        assert [place.offset for place in log.register("one")] == [7, 0, 0]

    def test_a_place_of_another_numbering_releases_nothing_and_reads_what_follows(self, log: Log) -> None:
        """A place that an earlier log reached, further than this one, stands before what this one holds, whatever its offset."""
        log.register("one")
        log.append(0, numbers(0, 500)).result(WAIT_S)
        before = Place(0, b"\0" * 9 + b"\1", 5_000)

        log.release("one", [before])

        assert bodies(log, 0) == numbers(0, 500)
        assert [body for entries in stretches(log, before) for body in entries.bodies] == numbers(0, 500)

    def test_a_renewed_log_begins_a_greater_epoch(self, log: Log) -> None:
        """What is appended after `renew` lies behind the place that was named, and behind all that was there."""
        first = log.append(0, numbers(0, 5)).result(WAIT_S)
        beyond = b"\x7f" + first.epoch[1:]

        log.renew(beyond)
        after = log.append(0, numbers(5, 9)).result(WAIT_S)
        log.renew(bytes(10))
        last = log.append(0, numbers(9, 10)).result(WAIT_S)

        assert first.epoch < beyond < after.epoch < last.epoch
        assert (after.offset, last.offset) == (5, 9)
        assert bodies(log, 0, 1) == numbers(0, 10)
        assert [body for entries in stretches(log, Place(0, beyond, 77)) for body in entries.bodies] == numbers(5, 10)

    def test_one_that_was_dropped_finds_a_gap(self, log: Log) -> None:
        """A reader at a place that was released meanwhile is told how many entries there were."""
        log.register("one")
        first = log.append(0, numbers(0, 1)).result(WAIT_S)
        for low in range(1, 2_001, 100):
            log.append(0, numbers(low, low + 100)).result(WAIT_S)
        log.release("one", [log.kept()[0].end])
        log.append(0, numbers(2_001, 2_002)).result(WAIT_S)

        read = list(stretches(log, first))

        gone = log.kept()[0].first.offset
        assert gone > 1_000
        assert read[0].gap is not None
        assert (read[0].first, read[0].count, read[0].gap.cause, read[0].gap.count) == (first, gone, NO_LONGER_KEPT, gone)
        assert [body for entries in read[1:] for body in entries.bodies] == numbers(gone, 2_002)

    def test_a_closed_log_says_so(self, log: Log) -> None:
        """Nothing can be done with a log that is closed, but closing it again."""
        place = start(log, 0)
        log.register("one")
        log.close()
        log.close()

        for act in (
            lambda: log.append(0, [b"x"]),
            lambda: log.append_gap(0, Gap("late")),
            lambda: log.read(place, 1),
            lambda: log.marked(0),
            lambda: log.at(0, 0),
            log.ends,
            log.kept,
            lambda: log.renew(bytes(10)),
            lambda: log.register("two"),
            lambda: log.release("one", []),
        ):
            with pytest.raises(LogClosed):
                act()


class DurableLogSuite(LogSuite):
    """For a log whose entries outlive it."""

    def test_a_log_that_was_emptied_and_closed_takes_any_append(self, bench: LogBench, clock: Hand) -> None:
        """Also before anybody releases anything again."""
        for _ in range(3):
            log = bench.open(SETTINGS, clock)
            log.register("only")
            log.append(0, [b"x" * SETTINGS.max_bytes]).result(WAIT_S)
            log.release("only", [log.kept()[0].end])
            log.append(1, numbers(0, 3)).result(WAIT_S)
            log.release("only", [log.kept()[1].end])
            log.close()

    def test_everything_is_there_again(self, bench: LogBench, clock: Hand) -> None:
        """Entries, gaps, marks and consumers of a log that is opened again, any number of times; each opening has an epoch of its own."""
        epochs = []
        for opening in range(4):
            log = bench.open(SETTINGS, clock)
            log.register("one")
            low = opening * 30
            epochs.append(log.append(0, numbers(low, low + 20)).result(WAIT_S).epoch)
            log.append(0, numbers(low + 20, low + 30), marked=True).result(WAIT_S)
            log.append_gap(0, Gap("between", opening)).result(WAIT_S)
            log.close()

        log = bench.open(SETTINGS, clock)

        assert log.durable
        assert epochs == sorted(set(epochs))
        read = list(stretches(log, start(log, 0)))
        assert bodies(log, 0) == numbers(0, 120)
        assert [entries.gap.count for entries in read if entries.gap] == [0, 1, 2, 3]
        assert [entries.first.offset for entries in log.marked(0)] == [20, 51, 82, 113]
        assert log.kept()[0].end.offset == 124
        assert log.register("one")[0].offset == 0
        log.close()

    def test_cursors_are_there_again(self, bench: LogBench, clock: Hand) -> None:
        """A consumer of a log that was closed goes on where it was, and offsets go on also when nothing is kept."""
        log = bench.open(SETTINGS, clock)
        log.register("one")
        for low in range(0, 2_000, 100):
            log.append(0, numbers(low, low + 100)).result(WAIT_S)
        end = log.kept()[0].end
        log.release("one", [end])
        log.close()

        log = bench.open(SETTINGS, clock)

        assert log.register("one")[0] == end
        assert log.read(end, 1) == []
        assert log.append(0, numbers(0, 1)).result(WAIT_S).offset == 2_000
        assert [body for entries in stretches(log, end) for body in entries.bodies] == numbers(0, 1)
        log.close()

    def test_a_consumer_that_stays_away_is_not_waited_for(self, bench: LogBench, clock: Hand) -> None:
        """Not seen for the retention, it holds nothing back, and finds a gap where it was."""
        log = bench.open(SETTINGS, clock)
        log.register("away")
        log.close()
        log = bench.open(SETTINGS, clock)
        log.register("here")
        first = log.append(0, numbers(0, 1)).result(WAIT_S)
        for low in range(1, 2_001, 100):
            log.append(0, numbers(low, low + 100)).result(WAIT_S)
        end = log.kept()[0].end

        clock.now_us += int(SETTINGS.retention_s * 1_000_000) - 1
        log.release("here", [end])
        assert bodies(log, 0) == numbers(0, 2_001)
        clock.now_us += 1
        log.release("here", [end])

        gone = log.kept()[0].first.offset
        assert gone > 1_000
        (place, _, _) = log.register("away")
        assert place.offset == 0
        read = next(stretches(log, place))
        assert read.gap is not None
        assert (read.count, read.gap.cause, read.gap.count) == (gone, NO_LONGER_KEPT, gone)
        assert first.offset == 0
        log.close()

    def test_one_that_stays_away_is_dropped_and_one_that_is_slow_is_not(self, bench: LogBench, clock: Hand) -> None:
        """Whoever registered since the log was opened is waited for, however long it takes to release anything."""
        log = bench.open(SETTINGS, clock)
        log.register("away")
        log.close()
        log = bench.open(SETTINGS, clock)
        log.register("slow")
        log.register("quick")
        first = log.append(0, numbers(0, 1)).result(WAIT_S)
        for low in range(1, 2_001, 100):
            log.append(0, numbers(low, low + 100)).result(WAIT_S)
            clock.now_us += int(SETTINGS.retention_s * 1_000_000)
            log.release("quick", [log.kept()[0].end])
        assert bodies(log, 0) == numbers(0, 2_001)

        log.release("slow", [Place(0, first.epoch, 1_500)])

        kept = bodies(log, 0)
        assert kept[-501:] == numbers(1_500, 2_001)
        assert len(kept) < 2_001
        log.close()

    def test_a_clock_that_is_put_back(self, bench: LogBench, clock: Hand) -> None:
        """By a day, while the log is open and between two openings: places grow, nothing is read twice or not at all, nobody is dropped."""
        places = list[Place]()
        for opening in range(4):
            log = bench.open(SETTINGS, clock)
            log.register("one" if opening else "away")
            for low in (0, 5):
                number = 10 * opening + low
                places.append(log.append(0, numbers(number, number + 5)).result(WAIT_S))
                log.renew(bytes(10))
                clock.now_us -= 86_400_000_000
            log.release("one" if opening else "away", [])
            log.close()

        log = bench.open(SETTINGS, clock)

        assert places == sorted(set(places))
        assert [place.offset for place in places] == list(range(0, 40, 5))
        assert bodies(log, 0, 1) == numbers(0, 40)
        assert [log.at(0, place.offset) for place in places] == places
        assert [place.offset for place in (log.register("away")[0], log.register("one")[0])] == [0, 0]
        log.close()
