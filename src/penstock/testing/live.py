"""The guarantees of `LiveSource`, as tests."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import pytest

from penstock.model.gaps import Gap
from penstock.ports.live import LiveSource

WAIT_S = 20.0


class LiveBench(Protocol):
    """A live source, and its other side."""

    live: LiveSource

    def send(self, record: bytes) -> None:
        """Send a record, which can be received from then on."""
        ...

    def hang_up(self) -> None:
        """The other side ends."""
        ...


@dataclass
class Kept:
    """What was appended, in order; `arrived` is released for each time. Where `errors` are left, one is raised instead."""

    records: list[bytes | Gap] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def __call__(self, bodies: Sequence[bytes]) -> None:
        """See `Append`."""
        self._take(bodies)

    def gap(self, gap: Gap) -> None:
        """See `Append`."""
        self._take([gap])

    def _take(self, load: Sequence[bytes | Gap]) -> None:
        if self.errors:
            raise self.errors.pop()
        self.records += load
        for _ in load:
            self.arrived.release()

    def wait(self, number: int) -> None:
        """Until so many more have come."""
        for _ in range(number):
            assert self.arrived.acquire(timeout=WAIT_S)


class LiveSourceSuite:
    """A source that cannot be read again."""

    @pytest.fixture
    def bench(self) -> LiveBench:
        """The bench of one test."""
        raise NotImplementedError

    def test_everything_is_appended_once_and_in_order(self, bench: LiveBench) -> None:
        """All that was sent is appended as it was sent, and receiving ends when the other side does."""
        records = [b'{"id": %d}' % number for number in range(1_000)]
        kept, stop = Kept(), threading.Event()
        received = receiving(bench.live, kept, stop)

        for record in records:
            bench.send(record)
        bench.hang_up()

        received.result(WAIT_S)
        assert kept.records == records

    def test_what_comes_is_appended_without_waiting_for_more(self, bench: LiveBench) -> None:
        """A record that nothing follows is appended all the same."""
        kept, stop = Kept(), threading.Event()
        received = receiving(bench.live, kept, stop)

        for number in range(3):
            bench.send(b'{"id": %d}' % number)
            kept.wait(1)

        stop.set()
        received.result(WAIT_S)
        assert kept.records == [b'{"id": 0}', b'{"id": 1}', b'{"id": 2}']

    def test_a_stop_takes_what_is_there(self, bench: LiveBench) -> None:
        """Asked to stop, it appends what was sent before, and returns though the other side goes on."""
        kept, stop = Kept(), threading.Event()
        records = [b'{"id": %d}' % number for number in range(10)]
        for record in records:
            bench.send(record)
        stop.set()

        receiving(bench.live, kept, stop).result(WAIT_S)

        assert kept.records == records

    def test_after_a_failure_it_goes_on(self, bench: LiveBench) -> None:
        """What appending raises comes out of it, and it can be called again."""
        kept, stop = Kept(errors=[OSError("no")]), threading.Event()
        bench.send(b'{"id": 0}')
        received = receiving(bench.live, kept, stop)
        with pytest.raises(OSError, match="no"):
            received.result(WAIT_S)

        again = receiving(bench.live, kept, stop)
        bench.send(b'{"id": 1}')
        bench.hang_up()

        again.result(WAIT_S)
        assert kept.records[-1:] == [b'{"id": 1}']


def receiving(live: LiveSource, kept: Kept, stop: threading.Event) -> Future[None]:
    """Receive in a thread."""
    done: Future[None] = Future()

    def work() -> None:
        try:
            live.receive(kept, stop)
        except Exception as error:  # noqa: BLE001 - handed to the test
            with suppress(Exception):
                done.set_exception(error)
        else:
            done.set_result(None)

    threading.Thread(target=work, daemon=True).start()
    return done
