"""What was appended is kept until everybody has released it, and then there is room again."""

from __future__ import annotations

import pytest

from penstock.model.gaps import Gap
from penstock.queue.log import NO_LONGER_KEPT, AppendTooLarge, Log, LogClosed, LogFull, Place
from penstock.testing.logs.bench import SETTINGS, WAIT_S, LogFixtures, bodies, fill, numbers, start, stretches


class KeepingSuite(LogFixtures):
    """Room, consumers and numberings."""

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
