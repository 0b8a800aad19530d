"""Whose turn it is: lanes share what is handed out by their weights, and none waits for ever."""

from __future__ import annotations

from collections.abc import Sequence


class Turns:
    """Deficit round robin over lanes that count in items.

    In a round each lane may hand out as many as its weight; a lane that has fewer leaves the rest to the others. A round goes on in the
    next call, so that single items are shared like whole batches. A lane that has had something waiting for `overdue_after_s` without a
    turn has one item first.
    """

    def __init__(self, weights: Sequence[int], overdue_after_s: float) -> None:
        self.lanes = len(weights)
        self._weights = tuple(weights)
        self._overdue_after_s = overdue_after_s
        self._lane = 0
        self._left = self._weights[0]
        self._served_at: list[float | None] = [None] * self.lanes

    def shares(self, limit: int, waiting: Sequence[int], now: float) -> list[int]:
        """How many of at most `limit` items each lane hands out, `waiting[lane]` being there, at monotonic second `now`."""
        left, shares = list(waiting), [0] * self.lanes
        for lane in self._overdue(waiting, now)[:limit]:
            limit -= self._give(lane, 1, left, shares)
        while limit > 0 and any(left):
            limit -= self._rounds(limit, left, shares) if self._between_rounds() else self._step(limit, left, shares)
        for lane, share in enumerate(shares):
            if share:
                self._served_at[lane] = now
        return shares

    def _overdue(self, waiting: Sequence[int], now: float) -> list[int]:
        overdue = []
        for lane, number in enumerate(waiting):
            since = self._served_at[lane]
            if not number or since is None:
                self._served_at[lane] = now if number else None
            elif now - since >= self._overdue_after_s:
                overdue.append(lane)
        return overdue

    def _between_rounds(self) -> bool:
        return self._lane == 0 and self._left == self._weights[0]

    def _rounds(self, limit: int, left: list[int], shares: list[int]) -> int:
        """As many whole rounds at once as all lanes that have something can take part in; else the first step of one."""
        taking = [lane for lane, number in enumerate(left) if number]
        if taking == [taking[0]]:
            return self._give(taking[0], limit, left, shares)
        rounds = min(limit // sum(self._weights[lane] for lane in taking), *(left[lane] // self._weights[lane] for lane in taking))
        if not rounds:
            return self._step(limit, left, shares)
        return sum(self._give(lane, rounds * self._weights[lane], left, shares) for lane in taking)

    def _step(self, limit: int, left: list[int], shares: list[int]) -> int:
        given = self._give(self._lane, min(self._left, limit), left, shares)
        self._left -= given
        if not self._left or not left[self._lane]:
            self._lane = (self._lane + 1) % self.lanes
            self._left = self._weights[self._lane]
        return given

    def _give(self, lane: int, number: int, left: list[int], shares: list[int]) -> int:
        given = min(number, left[lane])
        left[lane] -= given
        shares[lane] += given
        return given
