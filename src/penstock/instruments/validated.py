"""Samples of any source, looked at on their way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from penstock.instruments.columns import with_quality
from penstock.instruments.looking import look
from penstock.instruments.refusals import RefusedRun
from penstock.instruments.validation import DEFAULT, ValidationSettings
from penstock.ports.flow import Batch, Refusal
from penstock.ports.source import Growing, Partition, Plan, Progress, Releasing, Source, Splittable


@dataclass(frozen=True, slots=True)
class Validated:
    """`source`, whose rows are samples (`penstock.instruments.columns.with_quality`), each with its quality and its value as a number.

    What is refused is one dead letter for each unbroken run of one reason in one channel of one provider, within a batch: letters become
    durable with the position behind them, so that no run goes on past it.
    """

    source: Source
    settings: ValidationSettings = DEFAULT

    @property
    def splitting(self) -> Splittable | None:
        """The source's own."""
        return self.source.splitting

    @property
    def releasing(self) -> Releasing | None:
        """The source's own."""
        return self.source.releasing

    @property
    def growing(self) -> Growing | None:
        """The source's own."""
        return self.source.growing

    @property
    def schema(self) -> pa.Schema:
        """The source's, with `quality`; a `value` of text is one of numbers. Raises `NoSamples`."""
        return with_quality(self.source.schema, self.settings)

    async def plan(self, done: Progress) -> Plan:
        """The source's."""
        return await self.source.plan(done)

    async def read(self, partition: Partition) -> AsyncGenerator[Batch, None]:
        """The source's batches, looked at."""
        async with aclosing(self.source.read(partition)) as batches:
            async for batch in batches:
                yield await asyncio.to_thread(_looked_at, batch, self.settings)


def _looked_at(batch: Batch, settings: ValidationSettings) -> Batch:
    looked = look(batch.rows, settings)
    if not looked.refused:
        return replace(batch, rows=looked.rows)
    records = np.delete(np.arange(batch.received), batch.refused_rows)
    refused = [*batch.refused, *(_letter(run, records) for run in looked.refused)]
    return replace(batch, rows=looked.rows, refused=tuple(sorted(refused, key=lambda refusal: refusal.row)))


def _letter(run: RefusedRun, records: np.ndarray) -> Refusal:
    first, *also = records[run.numbers].tolist()
    return Refusal(first, run.raw, run.reason, f"{run.provider or 'unknown'}, {run.channel or 'unknown'}", tuple(also))
