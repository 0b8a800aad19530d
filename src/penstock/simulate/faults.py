"""What goes wrong on purpose: which fault a request meets, drawn by seed, cursor and attempt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from dataclasses import dataclass
from random import Random
from typing import Literal, get_args

from penstock.model.errors import Misconfigured

Fault = Literal[
    "error_5xx",
    "reset",
    "reset_mid_body",
    "slow",
    "truncated_gzip",
    "missing_data",
    "bad_json",
    "same_page",
    "out_of_order",
    "burst_429",
]
FAULTS: tuple[Fault, ...] = get_args(Fault)
MISLEADING: frozenset[Fault] = frozenset({"same_page", "out_of_order"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultProfile:
    """Probability of each fault per list request, 0 to 1; their sum is at most 1.

    `error_5xx` answers 500, 502, 503 or 504; `reset` closes the connection before the answer, `reset_mid_body` in the middle of
    it; `slow` delays the answer by `slow_s`; `truncated_gzip` is a whole HTTP answer whose gzip stream is cut; `missing_data` is
    JSON without the rows; `bad_json` ends in the middle; `same_page` repeats the page before; `out_of_order` changes the order
    of a page's rows; `burst_429` refuses every client for `burst_s`.
    """

    error_5xx: float = 0.0
    reset: float = 0.0
    reset_mid_body: float = 0.0
    slow: float = 0.0
    truncated_gzip: float = 0.0
    missing_data: float = 0.0
    bad_json: float = 0.0
    same_page: float = 0.0
    out_of_order: float = 0.0
    burst_429: float = 0.0
    slow_s: float = 0.5
    burst_s: float = 1.0
    max_in_a_row: int = 2

    def __post_init__(self) -> None:
        chances = [self.chance(fault) for fault in FAULTS]
        if min(chances) < 0 or sum(chances) > 1 + 1e-9:
            raise Misconfigured("the probabilities of a fault profile are each at least 0 and together at most 1")
        if self.max_in_a_row < 0 or self.slow_s < 0 or self.burst_s < 0:
            raise Misconfigured("max_in_a_row, slow_s and burst_s of a fault profile are at least 0")

    def chance(self, fault: Fault) -> float:
        """Probability of one fault."""
        chance: float = getattr(self, fault)
        return chance


PROFILES: dict[str, FaultProfile] = {
    "none": FaultProfile(),
    "calm": FaultProfile(error_5xx=0.005, reset=0.002, slow=0.01, slow_s=0.2),
    "rough": FaultProfile(
        error_5xx=0.03,
        reset=0.02,
        reset_mid_body=0.02,
        slow=0.03,
        slow_s=0.2,
        truncated_gzip=0.01,
        missing_data=0.01,
        same_page=0.01,
        burst_429=0.002,
    ),
    "hostile": FaultProfile(
        error_5xx=0.06,
        reset=0.05,
        reset_mid_body=0.05,
        slow=0.04,
        slow_s=0.2,
        truncated_gzip=0.04,
        missing_data=0.04,
        bad_json=0.04,
        same_page=0.04,
        out_of_order=0.04,
        burst_429=0.005,
    ),
}


class Faults:
    """Draws faults so that the same seed gives the same cursor the same faults, in whatever order requests arrive.

    Never more than `max_in_a_row` for one cursor before it is answered well; a fault of `MISLEADING` at most once for one cursor,
    because a client can tell a second one from a broken server only by giving up.
    """

    def __init__(self, profile: FaultProfile, seed: int) -> None:
        self._profile = profile
        self._seed = seed
        self._attempts: Counter[int] = Counter()
        self._in_a_row: Counter[int] = Counter()
        self._misled: set[int] = set()
        self._refusing_until = 0.0

    def draw(self, cursor: int, pointless: Container[Fault] = ()) -> Fault | None:
        """The fault this request for the page behind row `cursor` meets, none of the `pointless` ones; None for a good answer."""
        self._attempts[cursor] += 1
        fault = self._drawn(self._random(cursor, "fault"))
        if fault is None or fault in pointless or not self._bearable(fault, cursor):
            self._in_a_row[cursor] = 0
            return None
        if fault in MISLEADING:
            self._misled.add(cursor)
        self._in_a_row[cursor] += 1
        return fault

    def details(self, cursor: int) -> Random:
        """Random numbers for the fault just drawn, the same in every run."""
        return self._random(cursor, "details")

    def refuse_all(self, now_s: float) -> None:
        """Begin a burst of refusals."""
        self._refusing_until = now_s + self._profile.burst_s

    def refusing_for(self, now_s: float) -> float:
        """Seconds a burst of refusals still lasts, 0 outside of one."""
        return max(0.0, self._refusing_until - now_s)

    def _random(self, cursor: int, use: str) -> Random:
        return Random(f"{self._seed}:{cursor}:{self._attempts[cursor]}:{use}")

    def _drawn(self, chances: Random) -> Fault | None:
        left = chances.random()
        for fault in FAULTS:
            left -= self._profile.chance(fault)
            if left < 0:
                return fault
        return None

    def _bearable(self, fault: Fault, cursor: int) -> bool:
        return self._in_a_row[cursor] < self._profile.max_in_a_row and not (fault in MISLEADING and cursor in self._misled)
