"""Opening a log: what is there is read, what is damaged is put aside. Damage never keeps a log from opening."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from penstock.model.errors import Misconfigured
from penstock.queue.consumers import Consumer
from penstock.queue.durable.disk import UNREADABLE, Disk
from penstock.queue.durable.displacing import FOREIGN, NOT_MOVED, QUARANTINE, Finding, listed, size_of
from penstock.queue.durable.documents import (
    CONSUMERS,
    IDENTITY,
    MOST_BYTES,
    VERSION,
    ConsumersRecord,
    DocumentDamaged,
    Identity,
    decoded,
    known_from,
    places,
    version_of,
)
from penstock.queue.durable.extents import SegmentFile
from penstock.queue.durable.lane import Lane
from penstock.queue.durable.survey import SUFFIX, Survey, log_of, survey
from penstock.queue.log import MOST_LANES, NO_EPOCH

RELEASED = ".released"

T = TypeVar("T", Identity, ConsumersRecord)


class LogOfAnotherVersion(Misconfigured):
    """A log was written by a newer version of Penstock."""

    default_hint = "Nothing was changed. Open it with that version."


@dataclass(slots=True)
class Contents:
    """What a folder holds, as far as it can be read. Nothing has been changed yet."""

    folder: Path
    identity: Identity | None = None
    log: bytes | None = None
    surveys: list[Survey] = field(default_factory=list)
    lanes: list[Lane] = field(default_factory=list)
    consumers: dict[str, Consumer] = field(default_factory=dict)
    damaged: list[Path] = field(default_factory=list)

    @property
    def greatest_epoch(self) -> bytes:
        """Of all that were ever used here."""
        segments = (found.file.epoch for lane in self.surveys for found in lane.segments)
        cursors = (place.epoch for consumer in self.consumers.values() for place in consumer.cursors.values())
        recorded = bytes.fromhex(self.identity.epoch) if self.identity else NO_EPOCH
        return max([recorded, *segments, *cursors, *(lane.end.epoch for lane in self.lanes)])

    @property
    def interrupted(self) -> bool:
        """Whether anything was appended by a process that did not close the log."""
        return any(lane.end.offset != self.closed.get(lane.number, 0) for lane in self.lanes)

    @property
    def cut(self) -> list[int]:
        """Lanes at whose end something stood of which nobody can say how many entries it was; not those that were closed there."""
        return [
            lane.number
            for lane, surveyed in zip(self.lanes, self.surveys, strict=True)
            if surveyed.ends_in_rubbish and self.closed.get(lane.number) != lane.end.offset
        ]

    @property
    def closed(self) -> Mapping[int, int]:
        """Where each lane ended when the log was closed."""
        return {place.lane: place.offset for place in places(self.identity.ends if self.identity else ())}


def contents(disk: Disk, folder: Path, least_lanes: int, first: int = 0) -> Contents:
    """Look at everything in the folder, at one lane first. Raises `LogOfAnotherVersion`, `OSError` where something may not be read."""
    found = Contents(folder)
    found.identity = _document(disk, folder / IDENTITY, Identity, found.damaged)
    record = _document(disk, folder / CONSUMERS, ConsumersRecord, found.damaged)
    ends = places(found.identity.ends) if found.identity else []
    released = places(record.released) if record else []
    found.consumers = known_from(record) if record else {}
    lanes = max([least_lanes, len(ends), *(int(name) + 1 for name in disk.names(folder) if _is_lane(disk, folder / name))])
    surveys = {number: survey(disk, folder, number) for number in sorted(range(lanes), key=lambda number: number != first)}
    found.surveys = [surveys[number] for number in range(lanes)]
    found.log = bytes.fromhex(found.identity.log) if found.identity else log_of(found.surveys)
    for lane in found.surveys:
        lane.sort_out(found.log or b"")
        cursors = [consumer.cursors[lane.number] for consumer in found.consumers.values() if lane.number in consumer.cursors]
        marks = [*ends[lane.number : lane.number + 1], *released[lane.number : lane.number + 1], *cursors]
        found.lanes.append(lane.lane(released[lane.number] if lane.number < len(released) else None, marks))
    return found


def mend(disk: Disk, found: Contents, oldest_us: int) -> Iterator[Finding]:
    """Put aside what is damaged or foreign, remove what is empty, make durable what a killed process wrote and did not sync.

    What is in quarantine and can be of use to a person only is removed when it is older than `oldest_us`. What fails is told, and left.
    """
    quarantine = found.folder / QUARANTINE
    for path in found.damaged:
        yield Finding(path, f"is damaged{aside(disk, path, quarantine / path.name)}. What it said is gathered from the segments.")
    for lane, surveyed in zip(found.lanes, found.surveys, strict=True):
        for path in surveyed.empty:
            with suppress(OSError):
                disk.unlink(path)
        for path in surveyed.foreign:
            moved = aside(disk, path, quarantine / FOREIGN / f"{lane.number}-{path.name}")
            yield Finding(path, f"does not belong here{moved}. It is not read.")
        for file in surveyed.damaged(lane.end.offset):
            if not file.quarantined:
                yield to_quarantine(disk, found.folder, file)
        yield from _synced(disk, surveyed)
        tidy(disk, quarantine / str(lane.number), {found.file.path for found in surveyed.segments if found.scan.extents}, oldest_us)


def to_quarantine(disk: Disk, folder: Path, file: SegmentFile) -> Finding:
    """Put a damaged segment aside, where it is read from then on."""
    path, target = file.path, folder / QUARANTINE / str(file.lane) / file.path.name
    moved = aside(disk, path, target)
    if moved != NOT_MOVED:
        file.path, file.quarantined = target, True
    return Finding(path, f"is damaged{moved}. What can be read of it is read, and what cannot is a gap.")


def aside(disk: Disk, path: Path, target: Path) -> str:
    """Move a file; in words, what came of it."""
    try:
        disk.make_folder(target.parent)
        disk.rename(path, target)
    except OSError:
        return NOT_MOVED
    with suppress(OSError):  # after a power cut it may stand where it was, and is found there
        disk.sync_folder(target.parent)
        disk.sync_folder(path.parent)
    return f", and was moved to {target}"


def give_back(disk: Disk, file: SegmentFile, *, keep_damaged: bool) -> None:
    """Remove a segment that nobody needs; one that is damaged is kept for a person to look at, if there is room."""
    if file.quarantined and keep_damaged:
        disk.rename(file.path, file.path.with_name(file.path.name + RELEASED))
    else:
        disk.unlink(file.path)


def tidy(disk: Disk, folder: Path, needed: AbstractSet[Path], oldest_us: int) -> None:
    """Remove what is in a quarantine and can be of use to a person only, if it is older than that."""
    for path in (folder / name for name in listed(disk, folder)):
        if path not in needed:
            with suppress(OSError):
                if disk.modified_us(path) < oldest_us:
                    disk.unlink(path)


def _is_lane(disk: Disk, folder: Path) -> bool:
    """Whether a lane may be in the folder. One with a greater number is somebody's own: a copy that is called by its date."""
    if not folder.name.isdecimal() or int(folder.name) >= MOST_LANES or folder.name != str(int(folder.name)):
        return False
    return any(name.endswith(SUFFIX) for name in listed(disk, folder))


def _document(disk: Disk, path: Path, kind: type[T], damaged: list[Path]) -> T | None:
    if path.name not in disk.names(path.parent) or (size_bytes := size_of(disk, path)) is None:
        return None
    try:
        content = disk.read(path, 0, min(size_bytes, MOST_BYTES))
        if (version := version_of(content)) > VERSION:
            raise LogOfAnotherVersion(f"{path} says version {version}, and this is version {VERSION}")
        return decoded(content, kind)
    except (DocumentDamaged, OSError) as error:
        if isinstance(error, OSError) and error.errno not in UNREADABLE:
            raise
        damaged.append(path)
        return None


def _synced(disk: Disk, surveyed: Survey) -> Iterator[Finding]:
    last = next((found.file for found in reversed(surveyed.segments) if found.scan.extents), None)
    if last and not last.sealed:
        try:
            disk.settle(last.path)
            disk.sync_folder(last.path.parent)
        except OSError as error:
            yield Finding(last.path, f"may not be on disk to its end: {error.strerror}.")
