"""The circuit breakers of a process, by the names of those they are for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Protocol

from penstock.model.errors import Misconfigured
from penstock.reliability.breaker import Breaker
from penstock.reliability.circuit import BreakerSettings, BreakerStatus, Transition


class NoSuchBreaker(Misconfigured):
    """There is no circuit breaker of this name."""

    default_hint = "A breaker is there from the first call on; `statuses` names those there are."


class OtherSettings(Misconfigured):
    """A circuit breaker of this name has other settings."""

    default_hint = "Give the two targets different names, or the same settings."


class OtherWords(Protocol):
    """Settings of a breaker in other words, as those of a file are."""

    def core(self) -> BreakerSettings:
        """The same for the breaker."""


class Breakers:
    """One breaker for each target (a host, a device, an endpoint), by its name. Any thread may use it."""

    def __init__(self, rand: Callable[[], float], tell: Callable[[Transition], None] = lambda _: None) -> None:
        self._rand = rand
        self._tell = tell
        self._lock = Lock()
        self._breakers = dict[str, Breaker]()

    def at(self, name: str, settings: BreakerSettings | OtherWords) -> Breaker:
        """The breaker of that name, made where there is none yet.

        Raises:
            OtherSettings: there is one, and it has others.
        """
        wanted = settings if isinstance(settings, BreakerSettings) else settings.core()
        with self._lock:
            if name not in self._breakers:
                self._breakers[name] = Breaker(name, wanted, self._rand, self._tell)
            found = self._breakers[name]
        if found.settings != wanted:
            raise OtherSettings(name)
        return found

    def __getitem__(self, name: str) -> Breaker:
        """The breaker of that name, to isolate or to reset it; raises `NoSuchBreaker`."""
        with self._lock:
            if name not in self._breakers:
                raise NoSuchBreaker(name)
            return self._breakers[name]

    def statuses(self, now: float) -> Sequence[BreakerStatus]:
        """How each of them stands, by name."""
        with self._lock:
            found = sorted(self._breakers.items())
        return [breaker.status(now) for _, breaker in found]
