"""Asking an API one thing after another, in a number of requests that is never exceeded."""

from __future__ import annotations

from dataclasses import dataclass, field

from penstock.model.errors import PenstockError
from penstock.stores.http.client import Answer, Client, Failed, NotReached, Request
from penstock.stores.http.lane import Lane


class OutOfRequests(PenstockError):
    """The requests are used up that exploring may take."""


@dataclass(slots=True)
class Inquiry:
    """At most `most` requests, those that are put off (429) included; nothing else is tried again. `notes` are what went wrong."""

    most: int
    sent: int = 0
    answered: int = 0
    notes: list[str] = field(default_factory=list)

    async def ask(self, request: Request, client: Client, lane: Lane, *, again: bool = True) -> Answer | None:
        """The answer, if one comes; with `again` one that is not a request to slow down, asked for once the lane lets it pass.

        Raises:
            OutOfRequests: there is none left.
            NotReached: nothing was answered yet, and this is not either.
        """
        while True:
            self._spend()
            try:
                answer = await client.once(lane, request)
            except Failed as error:
                if not self.answered:
                    raise NotReached(f"{client.origin}: {error}", hint=f"Check {client.setting} and the network.") from error
                self.notes.append(f"{request.url.path}: {error}")
                return None
            self.answered += 1
            if answer.status != 429 or not again:
                return answer
            self.notes.append(f"{request.url.path}: asked to slow down (429) by request {self.sent}")

    def _spend(self) -> None:
        if self.sent >= self.most:
            raise OutOfRequests
        self.sent += 1
