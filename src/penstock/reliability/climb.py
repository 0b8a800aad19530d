"""How many requests to keep in flight at once: found by climbing on what more of them really bring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from penstock.reliability.settings import Wanted, at_least, require, whole


@dataclass(frozen=True, slots=True)
class ClimbSettings:
    """Requests in flight to begin with, and the fewest and the most there may be.

    `window_s` is the shortest time that is measured: a server next door that answers within milliseconds is noisy over less.
    """

    start: int = 8
    least: int = 1
    most: int = 40
    window_s: float = 5.0

    def __post_init__(self) -> None:
        require("climb", self, _WANTED, ("least", "most"))

    @classmethod
    def pinned(cls, in_flight: int) -> ClimbSettings:
        """So many, whatever happens."""
        return cls(in_flight, in_flight, in_flight)

    def shared_by(self, number: int) -> ClimbSettings:
        """What each of so many gets of it, rounded up."""
        return replace(self, start=-(-self.start // number), least=-(-self.least // number), most=-(-self.most // number))


_WANTED: Mapping[str, Wanted] = {**dict.fromkeys(("start", "least", "most"), whole()), "window_s": at_least(0)}

UNBOUNDED = ClimbSettings.pinned(1_000_000)
"""For whom the workers are few enough."""

WORTH = 0.05
"""How much more, relative to how many more requests, has to come of them: for twice as many a twentieth more."""

BACK_OFF = 0.7
FINEST = 8
"""Steps are no smaller than this part of the limit, so that what they change can be told from noise."""

FEWEST = 8
"""Answers that a round has at the least."""

RESTS = 8
"""Rounds after which a limit that was better than its neighbours is compared with them again."""


class Climb:
    """A limit on requests in flight that climbs on goodput; sans-I/O: `now` is a monotonic clock in seconds.

    Goodput is what was served per second over one round trip of all that may be in flight. Latency is no guide: a server that answers n
    requests in 5 + 0.95 n seconds gets slower with each of them and yet serves more, and whoever shrinks on latency loses half of it.

    * First the limit doubles, as long as that is worth it (`WORTH`).
    * Then steps up and down around the best limit, half as long after two that were not worth it. Fewer requests are as good as more
      where what they lose is not worth the difference.
    * A refusal (429) takes the limit down to 0.7 of it, once for all requests that were out together.
    * Rounds in which fewer than half as many requests were in flight as may be say nothing: something else was slow.

    After each change a round counts only requests that started when as many were out as may be.
    """

    def __init__(self, settings: ClimbSettings | None = None) -> None:
        self._settings = settings or ClimbSettings()
        self.limit = self._bounded(self._settings.start)
        self._out: dict[int, float] = {}
        self._last = 0
        # The best limit known, and what it served per second when it was measured last.
        self._home = self.limit
        self._rate = 0.0
        # Where to look next: doubling at first, then `_stride` up, or half of that down.
        self._doubling = True
        self._stride = self.limit
        self._up = True
        self._misses = 0
        self._rests = 0
        self._refused_up_to = 0
        # The round: sums over the requests that started after number `_full_from`, None until as many are out as may be.
        self._seen = self._began = self._crowd = self._took = 0.0
        self._served = self._returned = 0
        self._changed_at = 0
        self._full_from: int | None = None

    @property
    def in_flight(self) -> int:
        """Requests that are out."""
        return len(self._out)

    @property
    def has_room(self) -> bool:
        """Whether one more may start."""
        return len(self._out) < self.limit

    def start(self, number: int, now: float) -> None:
        """A request starts; numbers rise."""
        self._pass(now)
        self._out[number] = now
        self._last = number
        if self._full_from is None and self._is_full():
            self._full_from = number
            self._begin(now)

    def finish(self, number: int, now: float, served: int) -> None:
        """It is over, and has brought so much.

        Raises `KeyError` for a request that is not out.
        """
        self._pass(now)
        took = now - self._out.pop(number)
        if self._full_from is None or number <= self._full_from:
            return
        self._returned, self._served, self._took = self._returned + 1, self._served + served, self._took + took
        passed = now - self._began
        if self._returned >= self._enough() and passed >= self._settings.window_s:
            crowd = self._crowd / passed if passed else 0.0
            rate = crowd * self._served / self._took if self._took else 0.0
            self._begin(now)
            self._judge(rate, crowd)

    def refuse(self, number: int) -> None:
        """The server asks to slow down, by refusing this request."""
        if number <= self._refused_up_to:
            return
        self._refused_up_to = self._last
        self._home = self._bounded(int(self.limit * BACK_OFF))
        self._up = False
        self._rest()

    def _pass(self, now: float) -> None:
        """Time passes with so many in flight."""
        self._crowd += len(self._out) * (now - self._seen)
        self._seen = now

    def _begin(self, now: float) -> None:
        """A round begins."""
        self._began, self._crowd, self._took = now, 0.0, 0.0
        self._served = self._returned = 0

    def _is_full(self) -> bool:
        """Whether as many are out as may be, or half of that at least, and none of them from before the last change."""
        if len(self._out) >= self.limit:
            return True
        return len(self._out) * 2 >= self.limit and next(iter(self._out)) > self._changed_at

    def _enough(self) -> int:
        """Answers that make a round: of all that may be out, or half of them while it is plain where to go."""
        return max(FEWEST, self.limit // 2 if self._doubling else self.limit)

    def _judge(self, rate: float, crowd: float) -> None:
        """Decide where to go from a round that served so much per second, with so many in flight on average."""
        if crowd * 2 < self.limit:
            self._full_from = None
            self._move(self._home)
        elif self.limit == self._home:
            self._rate = rate
            self._rests -= 1
            if self._rests <= 0:
                self._look_on()
        elif rate >= self._rate * (1 + WORTH * (self.limit / self._home - 1)):
            self._home, self._rate, self._misses = self.limit, rate, 0
            self._look_on()
        else:
            self._miss()

    def _look_on(self) -> None:
        """Try the next limit; none beyond the bounds, and none where all that was tried around this one was worse."""
        if self._doubling:
            self._stride = self._home
        beside = self._bounded(self._home + self._stride if self._up else self._home - (self._stride + 1) // 2)
        if beside != self._home:
            self._move(beside)
        elif self._doubling:
            self._rest()
        else:
            self._miss()

    def _miss(self) -> None:
        """That was not worth it: after doubling half as far, then to the other side, then in shorter steps, at last a rest."""
        if self._doubling:
            self._doubling, self._stride = False, self._home // 2
        elif self._misses == 0:
            self._misses, self._up = 1, not self._up
        elif self._stride > self._finest():
            self._misses, self._up, self._stride = 0, not self._up, max(self._finest(), self._stride // 2)
        else:
            self._rest()
            return
        self._look_on()

    def _rest(self) -> None:
        """Stay for a while, and look around in short steps then."""
        self._doubling, self._misses, self._up, self._rests = False, 0, not self._up, RESTS
        self._stride = self._finest()
        self._move(self._home)

    def _move(self, limit: int) -> None:
        if limit != self.limit:
            self.limit, self._changed_at, self._full_from = limit, self._last, None

    def _finest(self) -> int:
        return max(1, self._home // FINEST)

    def _bounded(self, limit: int) -> int:
        return max(self._settings.least, min(self._settings.most, limit))
