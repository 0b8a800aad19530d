"""What destinations have in common that keep their positions in checkpoints beside their rows."""

from __future__ import annotations

from penstock.ports.checkpoints import Holder, Outcome, Pipeline, Run, Runs
from penstock.ports.source import Progress, Scope


class RunsBeside:
    """Who is at work and what is stored: as `checkpoints` keep it. Rows are seen as they are committed, unless `publish` says otherwise."""

    __slots__ = ()
    checkpoints: Runs

    async def begin(self, pipeline: Pipeline, holder: Holder) -> Run:
        """Take the lease."""
        return await self.checkpoints.begin(pipeline, holder)

    async def beat(self, run: Run) -> None:
        """Renew the lease."""
        await self.checkpoints.beat(run)

    async def progress(self, run: Run) -> Progress:
        """What is committed."""
        return await self.checkpoints.progress(run)

    async def peek(self, pipeline: Pipeline) -> Progress:
        """What is committed, without the lease."""
        return await self.checkpoints.peek(pipeline)

    async def freeze(self, run: Run, scope: Scope) -> None:
        """Keep the scope."""
        await self.checkpoints.freeze(run, scope)

    async def forget(self, run: Run) -> None:
        """Forget what is committed, but for the rows."""
        await self.checkpoints.forget(run)

    async def publish(self, run: Run) -> None:
        """Nothing is kept aside."""

    async def end(self, run: Run, outcome: Outcome) -> None:
        """Give the lease back."""
        await self.checkpoints.end(run, outcome)
