"""A lane: the requests that one limit of a server counts together, and the line in which workers wait for it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from penstock.reliability.climb import UNBOUNDED, Climb
from penstock.reliability.gate import Gate, Permit, Verdict, Wait
from penstock.reliability.headers import RateFacts
from penstock.reliability.pace import Pace


@dataclass(slots=True)
class Lane:
    """One for each credential and pool of limits; any number of workers pass it.

    The gate knows what the server allows, the climb how many requests at once do any good; a `pace` is for servers that state no limits.
    Time is the event loop's.
    """

    gate: Gate = field(default_factory=Gate)
    climb: Climb = field(default_factory=lambda: Climb(UNBOUNDED))
    pace: Pace | None = None
    _line: asyncio.Lock = field(default_factory=asyncio.Lock)
    _returned: asyncio.Event = field(default_factory=asyncio.Event)

    async def permit(self) -> Permit:
        """Wait in line; only the first asks."""
        async with self._line:
            while isinstance(answer := self._ask(), Wait):
                self._returned.clear()
                try:
                    await asyncio.wait_for(self._returned.wait(), answer.seconds)
                except TimeoutError:
                    continue
            return answer

    def finish(self, permit: Permit, verdict: Verdict, facts: RateFacts, served_bytes: int = 0) -> None:
        """Give a permit back, whatever became of the request."""
        self.gate.finish(permit, _now(), verdict, facts)
        if verdict is Verdict.THROTTLED:
            self.climb.refuse(permit.number)
        self.climb.finish(permit.number, _now(), served_bytes)
        if self.pace is not None:
            (self.pace.succeeded if verdict is Verdict.SERVED else self.pace.failed)(permit.number)
        self._returned.set()

    def has_room(self, workers: float, requests: float) -> bool:
        """Whether another worker beside so many would get through, who together have so many requests left to send."""
        return workers < self.climb.limit and not self.gate.binds(_now(), requests)

    def _ask(self) -> Permit | Wait:
        if not self.climb.has_room:
            return Wait(None)
        if self.pace is not None and (wait_s := self.pace.wait_s(_now())) > 0:
            return Wait(wait_s)
        answer = self.gate.ask(_now())
        if isinstance(answer, Permit):
            self.climb.start(answer.number, _now())
            if self.pace is not None:
                self.pace.start(answer.number, _now())
        return answer


def _now() -> float:
    return asyncio.get_running_loop().time()
