"""The guarantees of a log, together."""

from __future__ import annotations

from penstock.model.gaps import Gap
from penstock.queue.log import NO_LONGER_KEPT, Place
from penstock.testing.logs.bench import SETTINGS, WAIT_S, Hand, LogBench, bodies, numbers, start, stretches
from penstock.testing.logs.keeping import KeepingSuite
from penstock.testing.logs.reading import ReadingSuite


class LogSuite(ReadingSuite, KeepingSuite):
    """Subclass it with a `bench`."""


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
