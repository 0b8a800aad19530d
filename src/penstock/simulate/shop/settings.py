"""What a simulated shop holds, and how its API behaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from penstock.model.errors import Misconfigured
from penstock.simulate.faults import PROFILES, FaultProfile

Order = Literal["oldest", "newest"]
"""Which orders a listing begins with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopSettings:
    """The same settings give the same orders and the same troubles everywhere.

    `live` orders come in while the shop is asked, one with each page. `undecodable` and `empty_pages` are shares: of orders that are no
    objects, and of pages that hold nothing and lead on. `total_off` is added to every stated total. `budget` is how many requests a
    window of so many seconds admits; `silent` leaves its headers out. A cursor lives `cursor_ttl_s`.
    """

    orders: int = 1_000
    seed: int = 1
    key: str = "shop-key"
    first: Order = "oldest"
    live: int = 0
    undecodable: float = 0.0
    empty_pages: float = 0.0
    total_off: int = 0
    budget: tuple[int, float] | None = None
    silent: bool = False
    cursor_ttl_s: float = 3_600.0
    faults: FaultProfile = PROFILES["none"]

    def __post_init__(self) -> None:
        if min(self.orders, self.seed, self.live) < 0 or self.cursor_ttl_s <= 0:
            raise Misconfigured("orders, seed and live are at least 0, and a cursor lives for more than 0 seconds")
        if not (0 <= self.undecodable <= 1 and 0 <= self.empty_pages <= 0.9):
            raise Misconfigured("undecodable is a share of 0 to 1, empty_pages one of 0 to 0.9")
        if self.first not in get_args(Order):
            raise Misconfigured(f"first is {self.first!r}, it has to be one of {', '.join(get_args(Order))}")
        if self.budget is not None and (self.budget[0] < 1 or self.budget[1] <= 0):
            raise Misconfigured("a budget admits at least 1 request in more than 0 seconds")
