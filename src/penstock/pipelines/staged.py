"""A source seen through the stages and the schema contract of a pipeline; to the engine it is one source."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from penstock.model.coverage import Position
from penstock.pipelines.contract import FACT, Contract
from penstock.pipelines.position import joined, parted
from penstock.pipelines.stages.step import Cause, Sifted, Stage, Step
from penstock.ports.ends import SchemaPolicy
from penstock.ports.flow import Batch, Refusal, as_received
from penstock.ports.source import Growing, Partition, Plan, Progress, Releasing, Scope, Source, Splittable


@dataclass(slots=True)
class Staged:
    """`source`, whose rows pass the stages one after the other, and then the contract.

    What a stage refuses becomes a dead letter with the bytes that the source received; what it leaves out is counted.

    Raises `StageDoesNotFit` where a stage has no place for the source's columns.
    """

    source: Source
    stages: Sequence[Stage]
    policy: SchemaPolicy
    contract: Contract = field(init=False)
    _bound: dict[pa.Schema, tuple[Step, ...]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.contract = Contract(self.policy, self._given())

    @property
    def splitting(self) -> Splittable | None:
        """The source's own; what remembers earlier rows cannot be cut in two."""
        return None if any(step.remembers for step in self._steps(self.source.schema)) else self.source.splitting

    @property
    def releasing(self) -> Releasing | None:
        """Itself, where the source lets go of anything."""
        return None if self.source.releasing is None else self

    @property
    def growing(self) -> Growing | None:
        """Itself, where the source gets more."""
        return None if self.source.growing is None else self

    async def release(self, done: Progress) -> None:
        """See `Releasing`."""
        assert self.source.releasing is not None
        await self.source.releasing.release(self._of_source(done))

    @property
    def waiting(self) -> int:
        """See `Growing`."""
        assert self.source.growing is not None
        return self.source.growing.waiting

    async def grown(self, done: Progress) -> None:
        """See `Growing`."""
        assert self.source.growing is not None
        await self.source.growing.grown(self._of_source(done))

    @property
    def schema(self) -> pa.Schema:
        """What the contract says."""
        return self.contract.schema

    async def plan(self, done: Progress) -> Plan:
        """The source's plan, with the columns frozen among the facts of its scope.

        Raises:
            SchemaChanged: the source has other columns by now, and the contract is to freeze them.
        """
        known = {} if done.scope is None else done.scope.facts
        places = {self._own(interval.upto): interval.upto for interval in done.coverage}
        own = self._of_source(done)
        plan = await self.source.plan(own)
        self.contract.recall(known, self._given())  # by now a source that has only a sample to learn from knows what it froze
        frozen = known if plan.scope == own.scope else {**plan.scope.facts, **self.contract.facts()}
        partitions = tuple(replace(one, start=places.get(one.start, one.start)) for one in plan.partitions)
        return Plan(replace(plan.scope, facts=frozen), partitions)

    async def read(self, partition: Partition) -> AsyncGenerator[Batch, None]:
        """The source's batches, sifted.

        Raises:
            SchemaChanged, ColumnsAdded: as `Contract.fit` does.
        """
        start, states = parted(partition.start, len(self.stages))
        end = self._own(partition.end)
        at = partition.start
        async with aclosing(self.source.read(Partition(partition.number, start, end))) as batches:
            async for batch in batches:
                given, states = await self._sifted(batch, states)
                upto = partition.end if batch.upto == end else joined(batch.upto, states)
                yield replace(given, after=at, upto=upto)
                at = upto

    def _given(self) -> pa.Schema:
        """The columns that the stages make of the source's."""
        steps = self._steps(self.source.schema)
        return steps[-1].schema if steps else self.source.schema

    def _of_source(self, done: Progress) -> Progress:
        """Progress as the source knows it."""
        coverage = tuple(replace(interval, upto=self._own(interval.upto)) for interval in done.coverage)
        scope = None if done.scope is None else replace(done.scope, facts=_without_columns(done.scope))
        return replace(done, scope=scope, coverage=coverage)

    def _own(self, position: Position) -> Position:
        """The source's own position."""
        return parted(position, len(self.stages))[0]

    def _steps(self, schema: pa.Schema) -> tuple[Step, ...]:
        """The stages on these columns."""
        if schema not in self._bound:
            steps, given = list[Step](), schema
            for stage in self.stages:
                steps.append(stage.bind(given))
                given = steps[-1].schema
            self._bound[schema] = tuple(steps)
        return self._bound[schema]

    async def _sifted(self, batch: Batch, states: list[bytes]) -> tuple[Batch, list[bytes]]:
        if not self.stages and batch.rows.schema.equals(self.schema, check_metadata=True):
            return batch, states
        return await asyncio.to_thread(_sift, batch, zip(self._steps(batch.rows.schema), states, strict=True), self.contract)


def _sift(batch: Batch, steps: Iterable[tuple[Step, bytes]], contract: Contract) -> tuple[Batch, list[bytes]]:
    """What stages and contract make of a batch, and what the stages remember."""
    sieve, states = _Sieve(batch), list[bytes]()
    for step, state in steps:
        sifted = step.apply(sieve.rows, state)
        sieve.take(sifted, step.place, step.left_out)
        states.append(sifted.state)
    sieve.take(contract.fit(sieve.rows), "schema contract", "filtered")
    return sieve.batch(), states


class _Sieve:
    """The rows that are left of a batch, and what became of the others; each row knows its number among those of the source."""

    def __init__(self, batch: Batch) -> None:
        self.rows = batch.rows
        self._before = batch
        self._source_rows = np.arange(batch.rows.num_rows)
        self._refused: list[Refusal] = []
        self._left_out: dict[Cause, int] = {"filtered": batch.filtered, "duplicate": batch.duplicate}
        self._records = np.delete(np.arange(batch.received), batch.refused_rows)

    def take(self, sifted: Sifted, place: str, cause: Cause) -> None:
        """Keep what a step kept; keep account of what it did not."""
        for number, reason in sifted.refused:
            row = int(self._source_rows[number])
            self._refused.append(Refusal(int(self._records[row]), as_received(self._before.rows.slice(row, 1)), reason, place))
        if sifted.kept is not None:
            self._left_out[cause] += len(self._source_rows) - len(sifted.kept) - len(sifted.refused)
            self._source_rows = self._source_rows[sifted.kept]
        self.rows = sifted.rows

    def batch(self) -> Batch:
        """The batch, with every record of the source accounted for."""
        refused = sorted((*self._before.refused, *self._refused), key=lambda refusal: refusal.row)
        return replace(
            self._before, rows=self.rows, refused=tuple(refused), filtered=self._left_out["filtered"], duplicate=self._left_out["duplicate"]
        )


def _without_columns(scope: Scope) -> dict[str, int | str]:
    return {name: value for name, value in scope.facts.items() if name != FACT}
