"""Where records come from."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from penstock.model.coverage import Interval, Position, Span
from penstock.model.errors import Fatal
from penstock.model.gaps import Loss
from penstock.ports.flow import Batch, BlockId

if TYPE_CHECKING:
    import pyarrow as pa


class PositionLost(Fatal):
    """The source no longer has the place where reading has to go on."""

    default_hint = "What was stored stays. `penstock state reset` begins from nothing; mode upsert or replace takes no row twice then."


@dataclass(frozen=True, slots=True)
class Scope:
    """What a pipeline has set out to read, frozen before the first read of it.

    `rows` is how many records the source stated that to be, if it did; `facts` are the source's own, for planning again.
    """

    span: Span
    rows: int | None = None
    facts: Mapping[str, int | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Progress:
    """What is stored of a pipeline: the frozen scope, the intervals, and the blocks whose write was begun and never confirmed.

    `lost` sums the gaps that the intervals have, by their causes.
    """

    scope: Scope | None = None
    coverage: tuple[Interval, ...] = ()
    intended: tuple[BlockId, ...] = ()
    lost: tuple[Loss, ...] = ()


@dataclass(frozen=True, slots=True)
class Partition:
    """A stretch that one worker reads alone."""

    number: int
    start: Position
    end: Position


@dataclass(frozen=True, slots=True)
class Plan:
    """The frozen scope, and what is still missing of it, cut for the workers."""

    scope: Scope
    partitions: tuple[Partition, ...]


class Splittable(Protocol):
    """A source whose partitions can be cut in two while they are read, so that idle workers take from busy ones."""

    def split(self, running: Sequence[Partition]) -> Partition | None:
        """A piece of one of `running` for an idle worker to read, or None where none is worth its price now.

        The engine asks when a worker has nothing to do, and again after each batch that is read; `running` are the partitions whose
        reading has not ended, each with the end it has by now. The piece ends where one of them ends, and starts behind its start, at a
        clean boundary. From the answer on that one ends where the piece starts: its `read`, which may be in the middle of a batch, ends
        exactly there, and what it has yielded lies before it. The engine reads each piece it was given, in this pass or a later one.
        """
        ...


class Releasing(Protocol):
    """A source that keeps its records until somebody says that they are stored elsewhere: a queue, an inbox."""

    async def release(self, done: Progress) -> None:
        """What `done` covers, from the beginning of its scope to the first stretch that is missing, need not be kept any more.

        The engine calls it with coverage that it read back from the destination after `settle` had returned: never for what was only
        received, read or acknowledged. It may come again with the same, or with less after a store was put back to an older state, and
        changes nothing then. That room is made at once is NOT guaranteed. Raises `Transient` (the engine reads coverage back and goes on),
        `Fatal` to stop the run.
        """
        ...


class Growing(Protocol):
    """A source that gets more records while it is read, as one that receives them does. A run of it lasts until no more will come."""

    @property
    def waiting(self) -> int:
        """How many records are there at this moment that the coverage last seen does not cover."""
        ...

    async def grown(self, done: Progress) -> None:
        """Return once there is something to read that `done` does not cover, or once nothing more will come.

        The engine calls it before each `plan`; however long that takes is no stall. It may be cancelled at any moment.
        """
        ...


class Source(Protocol):
    """Records that can be read again from a position.

    The engine calls `plan` once at the start and again after every reconnect, then `read` once for each partition, several at a time.
    Optional abilities are properties, None where the source has them not, so that wrappers cannot hide them.
    """

    @property
    def splitting(self) -> Splittable | None:
        """Cuts partitions that are being read."""
        ...

    @property
    def releasing(self) -> Releasing | None:
        """Lets go of what is stored."""
        ...

    @property
    def growing(self) -> Growing | None:
        """Gets more while it is read."""
        ...

    @property
    def schema(self) -> pa.Schema:
        """Columns of every batch; the metadata key `RAW_COLUMN` names the one that holds the record as received."""
        ...

    async def plan(self, done: Progress) -> Plan:
        """Freeze a scope if `done` has none, or where `done` covers all of its own a wider one, and cut what `done` does not cover.

        Whatever was read before has been abandoned. The engine stores a scope that is not that of `done` before it goes on, and asks again
        when its partitions are covered: within one run, a source that grows has to come to an end of widening.

        Partitions do not overlap, and none reaches into what is covered. Raises `Transient` to be asked again, `Fatal` to stop the run.
        """
        ...

    def read(self, partition: Partition) -> AsyncGenerator[Batch, None]:
        """Yield the partition's records from its start to its end.

        The first batch starts at `partition.start`, each further one where the last ended, and the last one ends at `partition.end`
        exactly, also where that is a position inside of an `order`. Reading from the same position again gives the same records, though
        not the same batches, and a letter that stands for several records may be cut as they are. Raises `Transient` (the engine reads
        coverage back and plans again), `PositionLost` or another `Fatal`. Closing the generator may come at any moment and is not an error;
        that everything was read by then is NOT guaranteed.
        """
        ...
