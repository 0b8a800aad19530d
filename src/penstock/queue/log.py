"""The seam of the log: entries that wait in lanes, from the moment they are durable until everybody who reads them lets them go."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from penstock.model.errors import Fatal, Misconfigured, Refused, Transient, TryLater
from penstock.model.gaps import Gap
from penstock.queue.pending import Pending

NO_EPOCH = bytes(10)
"""Of a lane in which nothing was ever appended; sorts before every epoch."""

DAMAGED = "damaged or missing in the log"
"""Cause of a gap where entries were appended that cannot be read back."""

NO_LONGER_KEPT = "released before it was read"
"""Cause of the gap that a consumer finds who was not seen for longer than the log waits."""


MOST_LANES = 256
"""A position has a byte for the lane."""

MOST_APPEND_BYTES = (1 << 32) - (1 << 20)
"""A block has 32 bits for its length."""


class LogSettingsUnusable(Misconfigured):
    """The settings of a log are not usable."""

    default_hint = "Change the settings that are named; the others may stay as they are."


class LogLocked(TryLater):
    """Another process has this log open."""

    default_hint = "A log has one process. Stop the other one, or give this one a folder of its own."


class LogFull(Transient):
    """The log has no room."""

    default_hint = (
        "Let its consumers run: it empties as they release what they have stored. Or allow it more bytes, or free space on its disk."
    )


class AppendUnknown(Transient):
    """It is not known whether an append is on disk."""

    default_hint = "The log goes on in a new segment. What was appended may be read back or not; appending it again may double it."


class AppendTooLarge(Refused):
    """An append is larger than the whole log may be, or than 4 GiB."""

    default_hint = "Append less at once, or allow the log more bytes."


class LogClosed(Fatal):
    """The log is closed."""

    default_hint = "Nothing can be appended or read any more; open it again."


@dataclass(frozen=True, slots=True)
class LogSettings:
    """Sizes and times of a log. Raises `LogSettingsUnusable`, which names all that cannot be.

    `max_bytes` bounds all that is kept, `min_free_bytes` is what an append leaves free on the disk. Bytes are given back by whole segments
    of about `segment_bytes`, or an eighth of a lane's part of `max_bytes` where that is less. A consumer that was not seen for
    `retention_s` by the clock of the machine holds nothing back any more, unless it registered since the log was opened.
    """

    lanes: int = 1
    max_bytes: int = 1 << 30
    min_free_bytes: int = 64 << 20
    segment_bytes: int = 8 << 20
    retention_s: float = 30 * 86_400.0

    def __post_init__(self) -> None:
        found = {name: (getattr(self, name), *wanted) for name, wanted in _WANTED.items()}
        faults = [f"{name} must be {wanted}, and is {value!r}" for name, (value, fits, wanted) in found.items() if not fits(value)]
        if faults:
            raise LogSettingsUnusable("; ".join(faults))

    def require_room(self, held_bytes: int, size_bytes: int) -> None:
        """Raise `AppendTooLarge` or `LogFull` unless an append of `size_bytes` fits beside what is held."""
        if size_bytes > (most_bytes := min(self.max_bytes, MOST_APPEND_BYTES)):
            raise AppendTooLarge(f"{size_bytes:,} bytes, and it may have {most_bytes:,}")
        if held_bytes + size_bytes > self.max_bytes:
            raise LogFull(f"{held_bytes:,} bytes of at most {self.max_bytes:,} are taken")


_Wanted = tuple[Callable[[Any], bool], str]


def _whole(least: int, most: float, wanted: str) -> _Wanted:
    return (lambda value: type(value) is int and least <= value <= most), wanted


_WANTED: Mapping[str, _Wanted] = {
    "lanes": _whole(1, MOST_LANES, f"1 to {MOST_LANES}"),
    "max_bytes": _whole(1, math.inf, "at least 1"),
    "min_free_bytes": _whole(0, math.inf, "0 or more"),
    "segment_bytes": _whole(1, math.inf, "at least 1"),
    "retention_s": (lambda value: type(value) in (int, float) and 0 <= value < math.inf, "a number of seconds, 0 or more"),
}


class Place(NamedTuple):
    """Where an entry is. Places of one lane sort in reading order.

    `offset` counts the entries of the lane. `epoch` (10 bytes) grows with every opening of the log, so that no place is used twice, even
    when the log is a restored backup, a clone, or one that was begun again from nothing.
    """

    lane: int
    epoch: bytes
    offset: int


@dataclass(frozen=True, slots=True)
class Entries:
    """A stretch of a lane: entries that were made durable together at `appended_us` (microseconds since 1970), or one gap.

    `count` offsets from `first` on, and as many `bodies`; none where `gap` says what is not there. `marked` as it was appended.
    """

    first: Place
    count: int
    appended_us: int
    bodies: Sequence[bytes] = ()
    marked: bool = False
    gap: Gap | None = None

    @property
    def end(self) -> Place:
        """The place behind the last entry."""
        return self.first._replace(offset=self.first.offset + self.count)

    def since(self, offset: int) -> Entries:
        """What of the stretch lies at `offset` and behind it. A gap that was appended has one offset and is never cut."""
        skipped = offset - self.first.offset
        if skipped <= 0:
            return self
        return replace(self, first=self.first._replace(offset=offset), count=self.count - skipped, bodies=self.bodies[skipped:])


@dataclass(frozen=True, slots=True)
class Kept:
    """What a lane holds: from `first` up to `end`, where the next entry goes on, under this epoch or a greater one."""

    first: Place
    end: Place
    size_bytes: int


def require_lane(lane: int, lanes: int) -> None:
    """Raise `IndexError` for a lane that is not there."""
    if not 0 <= lane < lanes:
        raise IndexError(f"lane {lane} of {lanes}")


class ReadableLog(Protocol):
    """What can be seen of a log, also by somebody who has not opened it. Every method may be called from any thread."""

    def read(self, place: Place, max_bytes: int) -> Sequence[Entries]:
        """What lies at `place` and behind it in its lane, in reading order; empty at the end.

        Only what is durable. As many stretches as come to about `max_bytes`, and at least one. Offsets that are not there (damaged,
        missing, or released) read as a gap. To go on, read at the `end` of the last stretch. A place this log never reached is not an
        error: what has a greater epoch lies behind it. Raises `LogClosed`.
        """
        ...

    def at(self, lane: int, offset: int) -> Place:
        """Where the entry of a lane is that has this offset, be it kept or the next to be appended. Raises `IndexError` for another one."""
        ...

    def marked(self, lane: int) -> Iterator[Entries]:
        """The durable stretches of the lane that were appended as marked, in order, without reading the others."""
        ...

    def kept(self) -> Sequence[Kept]:
        """What each lane holds at this moment."""
        ...


class Log(ReadableLog, Protocol):
    """Entries (opaque bytes) in lanes. Every method may be called from any thread.

    What makes a log is appending, reading from an offset, and releasing. It knows nothing of what the entries mean.
    """

    @property
    def lanes(self) -> int:
        """How many lanes there are, counted from 0."""
        ...

    @property
    def durable(self) -> bool:
        """Whether what was appended outlives this process and its machine's power."""
        ...

    def append(self, lane: int, bodies: Sequence[bytes], *, marked: bool = False, sync: bool = True, wake: bool = True) -> Pending:
        """Append one or more entries behind all others of the lane, next to each other and in this order.

        Answers at once; the `Pending` tells when they are durable. `marked` entries are found again by `marked`. Without `sync` it tells
        when they are written: they outlive the process from then on, and the machine's power with the next append to the lane that waits.
        Without `wake` nothing is done before somebody waits, for this one or for another: that spares a thread which waits at once the
        change to another one.

        Of an append that was never answered, a part may be there after a crash: the first entries of it.

        Raises `LogFull` (nothing was appended), `AppendTooLarge`, `LogClosed`. The pending raises `LogFull`, or `AppendUnknown` where a
        failure leaves open what reached the disk.
        """
        ...

    def append_gap(self, lane: int, gap: Gap) -> Pending:
        """Append the record of something that was lost before it came here; it has one offset, like an entry. Raises as `append`."""
        ...

    def ends(self) -> Sequence[int]:
        """The offset at which each lane ends, as in `kept`, and cheaper."""
        ...

    def renew(self, beyond: bytes) -> None:
        """Give what is appended from now on an epoch that is greater than `beyond`, and greater than the present one.

        For a consumer that has stored a place which this log never reached: a log begun again on a machine whose clock runs behind.
        Raises `NoGreaterEpoch` for one that no log can have had.
        """
        ...

    def register(self, consumer: str) -> Sequence[Place]:
        """Make the consumer known, for whom entries are then kept until it releases them; where it goes on in each lane.

        A new consumer begins with the oldest entry that is kept. The answer may lie behind what was released last, never before it.
        One that was not seen for the retention goes on where it was, and reads a gap if others have released since.
        """
        ...

    def release(self, consumer: str, upto: Iterable[Place]) -> None:
        """The registered consumer needs nothing before these places any more. What no consumer needs is given back, by whole segments.

        Needs no room on the disk. May wait for it: not for an event loop. Raises `LogClosed`, `KeyError` for one that is not registered.
        """
        ...

    def listen(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Have `wake` called whenever there may be more to read, or more room, and when the log closes. Call the answer to end that.

        It is called on another thread, after the fact, and must neither block nor raise.
        """
        ...

    def close(self) -> None:
        """Wait until all that was appended is answered, and let go of everything. Closing again does nothing."""
        ...
