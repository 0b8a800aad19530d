"""Whether something that reads for ever is alive, ready and fresh, why not, and since when it may be believed again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from penstock.reliability.settings import Wanted, above, require, whole


@dataclass(frozen=True, slots=True)
class HealthSettings:
    """When a reader is called unwell, and what it takes to be called well again.

    A reader that does not come round for `silent_s` is not alive, a channel without a reading for `stale_s` is stale, and so is a source
    that says nothing at all for so long after it was connected. `failures` reads in a
    row that fail make a reader unready, and so do `refused` ones that bring nothing readable; `refused` readings in a row that are refused
    make a channel invalid. All of these, and a stale channel, are well again after `good` ones in a row, so that one lucky read in a storm
    of failures says nothing. Of no more than `channels` channels an account is kept: their names come from the other side.
    """

    silent_s: float = 60.0
    stale_s: float = 5.0
    failures: int = 3
    refused: int = 10
    good: int = 3
    channels: int = 10_000

    def __post_init__(self) -> None:
        require("health", self, _WANTED)


_WANTED: Mapping[str, Wanted] = {
    **dict.fromkeys(("silent_s", "stale_s"), above(0, math.inf)),
    **dict.fromkeys(("failures", "refused", "good", "channels"), whole()),
}


@dataclass(frozen=True, slots=True)
class Condition:
    """Well, or not and why; `reason` is a clause, and empty while it is well."""

    reason: str = ""

    @property
    def well(self) -> bool:
        """Whether there is nothing to be said."""
        return not self.reason


@dataclass(frozen=True, slots=True)
class HealthReport:
    """A reader at one moment: whether it lives (if not, start it again), whether it brings readings, and each channel."""

    live: Condition
    ready: Condition
    channels: Mapping[str, Condition]

    @property
    def healthy(self) -> bool:
        """Alive and ready. Single channels that are not well do not make a reader unhealthy, all of them do."""
        return self.live.well and self.ready.well

    @property
    def reasons(self) -> tuple[str, ...]:
        """Everything that is to be said, the gravest first."""
        channels = (f"{name}: {one.reason}" for name, one in self.channels.items() if not one.well)
        return (*filter(None, (self.live.reason, self.ready.reason)), *channels)


class Streak:
    """Well until `bad` in a row are bad, then unwell until `good` in a row are good."""

    def __init__(self, bad: int, good: int) -> None:
        self._bad = bad
        self._good = good
        self._against = 0
        self.reason = ""

    def was_good(self) -> None:
        """One that is good."""
        self._against = self._against + 1 if self.reason else 0
        if self._against >= self._good:
            self.reason, self._against = "", 0

    def was_bad(self, reason: str) -> None:
        """One that is bad, and why."""
        self._against = 0 if self.reason else self._against + 1
        if self.reason or self._against >= self._bad:
            self.turn(f"{self._bad} in a row were bad, the last one because {reason}")

    def turn(self, reason: str) -> None:
        """Unwell at once."""
        self.reason, self._against = reason, 0

    @property
    def condition(self) -> Condition:
        """Where it stands; while it gets well, how far it is."""
        if not self.reason or not self._against:
            return Condition(self.reason)
        return Condition(f"{self.reason}; {self._against} of {self._good} good ones since")


class _Channel:
    def __init__(self, settings: HealthSettings, now: float) -> None:
        self._settings = settings
        self._streak = Streak(settings.refused, settings.good)
        self._last = now

    def read(self, now: float, refused: str) -> None:
        if now - self._last > self._settings.stale_s:
            self._streak.turn(f"nothing came for {now - self._last:.1f} s")
        self._last = now
        if refused:
            self._streak.was_bad(refused)
        else:
            self._streak.was_good()

    def condition(self, now: float) -> Condition:
        silent_s = now - self._last
        return Condition(f"nothing came for {silent_s:.1f} s") if silent_s > self._settings.stale_s else self._streak.condition


class Health:
    """The account of one reader; sans-I/O: `now` is a monotonic clock in seconds. One thread at a time may use it."""

    def __init__(self, settings: HealthSettings) -> None:
        self._settings = settings
        self._reads = Streak(settings.failures, settings.good)
        self._readable = Streak(settings.refused, settings.good)
        self._taken = Streak(1, settings.good)
        self._channels = dict[str, _Channel]()
        self._away = "it is not connected"
        self._due: float | None = None
        self._reading_since: float | None = None
        self._ended = ""

    def beat(self, now: float, pause_s: float = 0.0) -> None:
        """The reader came round; it may be silent for `pause_s` more than usual, because it waits on purpose."""
        self._due, self._ended = now + pause_s + self._settings.silent_s, ""
        if self._reading_since is None:
            self._reading_since = now

    def ended(self, reason: str = "") -> None:
        """The reader is no more: it was stopped, or, with a reason, should still be there."""
        self._due, self._reading_since, self._ended = None, None, reason

    def connected(self) -> None:
        """The other side answers. What was read of it before says nothing about it now; that reads failed is not forgotten."""
        self._away, self._reading_since = "", None
        self._channels.clear()

    def away(self, reason: str) -> None:
        """There is no connection, and why."""
        self._away = reason

    def failed(self, reason: str) -> None:
        """A read failed."""
        self._reads.was_bad(reason)

    def dropped(self, reason: str) -> bool:
        """A reading was not taken by whoever it goes to; whether that is news."""
        news = self._taken.condition.well
        self._taken.turn(reason)
        return news

    def taken(self) -> None:
        """Readings were taken."""
        self._taken.was_good()

    def unread(self, reason: str) -> None:
        """A read brought something that is no reading of any channel, and why."""
        self._reads.was_good()
        self._readable.was_bad(reason)

    def read(self, channel: str, now: float, refused: str = "") -> None:
        """A reading of a channel came; `refused` says why it cannot be used."""
        self._reads.was_good()
        self._readable.was_good()
        if channel in self._channels or len(self._channels) < self._settings.channels:
            self._channels.setdefault(channel, _Channel(self._settings, now)).read(now, refused)

    def report(self, now: float, blocked: str = "") -> HealthReport:
        """This moment; `blocked` says why calls are held back, as by a circuit breaker."""
        channels = {name: channel.condition(now) for name, channel in self._channels.items()}
        return HealthReport(self._live(now), self._ready(now, blocked, channels), channels)

    def _live(self, now: float) -> Condition:
        if self._due is None or now <= self._due:
            return Condition(self._ended)
        return Condition(f"the reader has not come round for {now - self._due + self._settings.silent_s:.0f} s")

    def _ready(self, now: float, blocked: str, channels: Mapping[str, Condition]) -> Condition:
        if reason := blocked or self._away:
            return Condition(reason)
        for streak in (self._reads, self._readable, self._taken):
            if not streak.condition.well:
                return streak.condition
        if channels:
            return Condition("" if any(one.well for one in channels.values()) else "no channel brings readings that can be used")
        silent_s = 0.0 if self._reading_since is None else now - self._reading_since
        return Condition(f"nothing came for {silent_s:.1f} s" if silent_s > self._settings.stale_s else "")
