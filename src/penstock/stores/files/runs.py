"""Runs of a destination made of files: kept in a SQLite file beside them."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.ports.checkpoints import Holder, Outcome, Pipeline, Run
from penstock.ports.source import Progress, Scope
from penstock.stores.sqlite.checkpoints import SqliteCheckpoints


@dataclass(frozen=True, slots=True)
class RunsBeside:
    """Who is at work and what is stored: as `checkpoints` keep it."""

    checkpoints: SqliteCheckpoints

    async def begin(self, pipeline: Pipeline, holder: Holder) -> Run:
        """Take the lease."""
        return await self.checkpoints.begin(pipeline, holder)

    async def beat(self, run: Run) -> None:
        """Renew the lease."""
        await self.checkpoints.beat(run)

    async def progress(self, run: Run) -> Progress:
        """What is confirmed."""
        return await self.checkpoints.progress(run)

    async def peek(self, pipeline: Pipeline) -> Progress:
        """What is confirmed, for somebody who has no lease."""
        return await self.checkpoints.peek(pipeline)

    async def freeze(self, run: Run, scope: Scope) -> None:
        """Keep the scope."""
        await self.checkpoints.freeze(run, scope)

    async def forget(self, run: Run) -> None:
        """Forget what is confirmed, but for the rows."""
        await self.checkpoints.forget(run)

    async def end(self, run: Run, outcome: Outcome) -> None:
        """Give the lease back."""
        await self.checkpoints.end(run, outcome)
