"""Where records come from that cannot be read again, and how what was received becomes rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, Protocol

from penstock.model.gaps import Gap

if TYPE_CHECKING:
    import pyarrow as pa


class Append(Protocol):
    """Where a live source puts what it received: a durable log, in front of everything that may fail.

    It answers before the records are on disk, which they are within one write of it; what is on its way is bounded in memory. Where the log
    is full it waits, or lets the records go and counts them, as its owner has chosen.
    """

    def __call__(self, bodies: Sequence[bytes]) -> None:
        """Append records as they were received, in this order. Called with none it sees to what could not arrive for want of room."""
        ...

    def gap(self, gap: Gap) -> None:
        """Append, at this place of the stream, that something is missing here: what was lost before it could be received."""
        ...


class LiveSource(Protocol):
    """Receives what cannot be read again: lines of a pipe, datagrams, bytes of a serial line."""

    def receive(self, append: Append, stop: Event) -> None:
        """Receive and append, nothing else, in a thread of its own, until `stop` is set or the other side has ended.

        Before it returns it appends whatever it holds, and a gap for what it has to leave. After an exception other than `Fatal` it is
        called again, a little later each time, behind a gap "reader failed"; `Fatal` ends the run. It is never called twice at a time.
        `stop` is looked at several times a second.
        """
        ...


class Arrival(Protocol):
    """Records that became durable together, as they were received."""

    @property
    def bodies(self) -> Sequence[bytes]:
        """The records."""
        ...

    @property
    def appended_us(self) -> int:
        """When they were appended, in microseconds since 1970."""
        ...


@dataclass(frozen=True, slots=True)
class NoRow:
    """A record that is no row: its number among those that were to be decoded, and why."""

    number: int
    reason: str


class Decoder(Protocol):
    """Makes rows of records as they were received. It gives the same for the same records, each time."""

    @property
    def schema(self) -> pa.Schema:
        """Columns of the rows."""
        ...

    @property
    def facts(self) -> Mapping[str, int | str]:
        """What is frozen with the scope, to make the same decoder again."""
        ...

    def decode(self, arrivals: Sequence[Arrival]) -> tuple[pa.RecordBatch, Sequence[NoRow]]:
        """The rows, and the records that are none, by their numbers over all arrivals. Each record is one or the other."""
        ...
