"""The suites notice what implementations must not do."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pytest

from penstock.engine.ledger import CountsDoNotAddUp
from penstock.model.coverage import OverlappingCoverage, Span
from penstock.ports.checkpoints import Outcome, Pipeline, Run
from penstock.ports.flow import Batch, Block, BlockId, Receipt, Settled
from penstock.ports.sink import BlockLimits
from penstock.ports.source import Partition, Plan, Progress, Scope
from penstock.stores.memory import MemoryCheckpoints, MemorySource
from penstock.testing import records
from penstock.testing.checkpoints import CheckpointsSuite
from penstock.testing.destinations import DestinationSuite
from penstock.testing.hostile import BlockwiseStore, ForgetfulStore
from penstock.testing.runs import RunsSuite
from penstock.testing.sinks import SinkSuite
from penstock.testing.sources import SourceSuite
from penstock.testing.strict import StrictSink
from tests.contract.benches import CheckpointedBench, MemoryBench, StrictSinkBench

PIPELINE = Pipeline("a pipeline", "a source")


class Leaping(MemorySource):
    """A source that leaves out a batch of each partition."""

    async def read(self, partition: Partition) -> AsyncGenerator[Batch, None]:
        """All but the second one."""
        number = 0
        async for batch in super().read(partition):
            number += 1
            if number != 2:
                yield batch


class Forgetting(MemorySource):
    """A source that plans everything again."""

    async def plan(self, done: Progress) -> Plan:
        """As if nothing were stored."""
        return await super().plan(Progress(done.scope))


@dataclass
class Sources(SourceSuite):
    """The suite, for one source."""

    source: MemorySource

    def make(self) -> MemorySource:
        """That one."""
        return self.source


def of(kind: type[MemorySource]) -> MemorySource:
    """Thirty records."""
    return kind(pa.Table.from_batches([records.rows(range(30))]), 10, 3, frozenset(), records.EPOCH)


@dataclass
class Finishing(ForgetfulStore):
    """A store that makes everything durable when it is left, however."""

    def abandon(self) -> None:
        """Write once more what there is."""
        self.unsettled.extend(self.unsettled)


@dataclass
class Unsettled(ForgetfulStore):
    """A store whose settling does nothing."""

    async def settle(self) -> Sequence[Settled]:
        """Say that it is done."""
        return ()


@dataclass
class Miscounting(BlockwiseStore):
    """A store that says nothing of the last row."""

    async def write(self, block: Block) -> Receipt:
        """All but one."""
        receipt = await super().write(block)
        return replace(receipt, stored=receipt.stored - 1)


class Unfenced(MemoryCheckpoints):
    """Checkpoints that take what anybody brings."""

    async def save(self, run: Run, block: Block, receipt: Receipt) -> None:
        """Under whatever fence there is."""
        await super().save(replace(run, fence=self.records[run.pipeline.name].fence), block, receipt)


class Generous(MemoryCheckpoints):
    """Checkpoints that give the lease back for whoever ends."""

    async def end(self, run: Run, outcome: Outcome) -> None:
        """Whose lease it is."""
        self.records[run.pipeline.name].holder = None
        await super().end(run, outcome)


class Fickle(MemoryCheckpoints):
    """Checkpoints that keep whatever scope they were given last."""

    async def freeze(self, run: Run, scope: Scope) -> None:
        """Instead of the one before."""
        self.records[run.pipeline.name].scope = scope


class Resentful(MemoryCheckpoints):
    """Checkpoints that do not forget what was refused."""

    async def forget(self, run: Run) -> None:
        """All but that."""
        dead = self.records[run.pipeline.name].dead
        await super().forget(run)
        self.records[run.pipeline.name].dead = dead


class Premature(MemoryCheckpoints):
    """Checkpoints that take intents for positions."""

    async def intend(self, run: Run, block: BlockId) -> int:
        """Save at once what was only begun."""
        low, high = records.number(block.after), records.number(block.upto)
        await super().save(run, records.block(low, high, strand=records.number(block.strand)), Receipt(high - low))
        return 0

    async def save(self, run: Run, block: Block, receipt: Receipt) -> None:
        """Nothing more to do."""


def beside(kind: type[MemoryCheckpoints]) -> MemoryBench:
    """A bench of other checkpoints."""
    bench = MemoryBench()
    bench.runs = kind(records=bench.runs.records)
    return bench


BROKEN: dict[str, Callable[[], Awaitable[None]]] = {
    "a source that leaves something out": lambda: Sources(of(Leaping)).test_batches_follow_each_other(),
    "a source that plans what is stored": lambda: Sources(of(Forgetting)).test_nothing_is_left_to_plan_when_all_is_covered(),
    "a sink that finishes when it is abandoned": lambda: SinkSuite().test_leaving_by_an_exception_finishes_nothing(
        StrictSinkBench(StrictSink(Finishing()))
    ),
    "a sink that does not settle": lambda: SinkSuite().test_settled_rows_are_durable(StrictSinkBench(StrictSink(Unsettled()))),
    "a sink that does not count": lambda: SinkSuite().test_receipts_add_up(StrictSinkBench(StrictSink(Miscounting()))),
    "a sink that wants nothing": lambda: SinkSuite().test_it_says_what_it_wants(
        StrictSinkBench(StrictSink(BlockwiseStore(), block=BlockLimits(0)))
    ),
    "checkpoints without a fence": lambda: CheckpointsSuite().test_a_run_that_was_replaced_changes_nothing(beside(Unfenced), PIPELINE, 0),
    "a lease that anybody gives back": lambda: RunsSuite().test_ending_after_losing_the_lease_is_no_error(beside(Generous), PIPELINE),
    "a scope that moves": lambda: RunsSuite().test_a_scope_never_shrinks(
        beside(Fickle), PIPELINE, {"span": Span(records.place(0), records.place(8))}
    ),
    "dead letters of what was forgotten": lambda: CheckpointsSuite().test_forgetting_leaves_nothing(beside(Resentful), PIPELINE),
    "positions before their rows": lambda: DestinationSuite().test_a_kill_after_any_step(
        CheckpointedBench(beside(Premature), ForgetfulStore()), PIPELINE, 2
    ),
}


@pytest.mark.parametrize("broken", BROKEN)
async def test_suites_notice(broken: str) -> None:
    """What breaks a guarantee fails the test that is named after it."""
    with pytest.raises((AssertionError, CountsDoNotAddUp, OverlappingCoverage, pytest.fail.Exception)):
        await BROKEN[broken]()
