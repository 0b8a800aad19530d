"""What was appended is read: in order, wherever one begins, with the gaps in it."""

from __future__ import annotations

import asyncio
import threading
from itertools import pairwise

import pytest

from penstock.model.gaps import Gap
from penstock.queue.log import Log, Place
from penstock.queue.pending import Pending
from penstock.testing.logs.bench import WAIT_S, Hand, LogFixtures, bodies, numbers, start, stretches


async def _awaited(pending: Pending) -> Place:
    return await pending


class ReadingSuite(LogFixtures):
    """Appending and reading."""

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
