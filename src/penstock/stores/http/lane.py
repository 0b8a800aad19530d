"""A lane: the requests that one limit of a server counts together, and the line in which workers wait for it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from penstock.reliability.gate import Gate, Permit, Verdict, Wait
from penstock.reliability.headers import RateFacts


@dataclass(slots=True)
class Lane:
    """One for each credential and pool of limits; any number of workers pass it."""

    gate: Gate = field(default_factory=Gate)
    _line: asyncio.Lock = field(default_factory=asyncio.Lock)
    _returned: asyncio.Event = field(default_factory=asyncio.Event)

    async def permit(self) -> Permit:
        """Wait in line; only the first asks the gate."""
        async with self._line:
            while isinstance(answer := self.gate.ask(time.monotonic()), Wait):
                self._returned.clear()
                try:
                    await asyncio.wait_for(self._returned.wait(), answer.seconds)
                except TimeoutError:
                    continue
            return answer

    def finish(self, permit: Permit, verdict: Verdict, facts: RateFacts) -> None:
        """Give a permit back, whatever became of the request."""
        self.gate.finish(permit, time.monotonic(), verdict, facts)
        self._returned.set()
