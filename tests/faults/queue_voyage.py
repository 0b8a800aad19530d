"""A log on a disk that loses power, fails and fills up, and what is known of it: what has to be there, and what may be."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from penstock.queue.durable.store import Store
from penstock.queue.durable.tail import Tail
from penstock.queue.log import AppendUnknown, Entries, LogFull, LogSettings, Place
from penstock.queue.machine import Machine
from penstock.queue.pending import Pending
from tests.faults.disk import SimulatedDisk

FOLDER = Path("/log")
LANES = 2
SETTINGS = LogSettings(lanes=LANES, max_bytes=1 << 16, min_free_bytes=0, segment_bytes=2_000)
FAULTS = {
    "write": [errno.EIO, errno.ENOSPC],
    "sync": [errno.EIO, errno.ENOSPC],
    "create": [errno.ENOSPC, errno.EIO],
    "sync_folder": [errno.EIO],
    "rename": [errno.EIO, errno.ENOSPC],
    "unlink": [errno.EIO],
    "truncate": [errno.EIO],
}

Plan = tuple[int, int, int, bool, bool]
"""Of an append: lane, entries, bytes of each, marked, synced."""


@dataclass
class Voyage:
    """A store over a disk, and what is known of what was appended to it."""

    random: Random
    disk: SimulatedDisk = field(init=False)
    store: Store = field(init=False)
    now_us: int = 1_800_000_000_000_000
    number: int = 0
    owed: dict[Place, bytes] = field(default_factory=dict)
    """What was answered or read, and is not released: it has to be there."""
    owed_marks: set[Place] = field(default_factory=set)
    possible: set[bytes] = field(default_factory=set)
    """What may be there: it was not answered, or written without being synced."""
    known: dict[Place, bytes] = field(default_factory=dict)
    """Everything that was ever at a place."""
    cursors: list[Place] = field(default_factory=list)
    backup: tuple[dict[Path, bytes], dict[Place, bytes], set[Place], list[Place]] | None = None

    def __post_init__(self) -> None:
        self.disk = SimulatedDisk(self.random)
        self.open()

    def open(self) -> None:
        """Open what is there."""
        self.now_us += self.random.choice((1, 5_000_000, -7_000_000))
        self.store = Store(self.disk, FOLDER, SETTINGS, Machine(lambda: self.now_us, self.random.randbytes))
        found = self.store.keeper.register("reader")
        assert all(place <= cursor for place, cursor in zip(found, self.cursors, strict=False)), "a cursor leads"
        self.cursors = self.cursors or list(found)

    def append(self, plan: list[Plan]) -> None:
        """Commit a group of appends."""
        pendings = []
        for lane, count, size, marked, sync in plan:
            bodies = [b"%d:" % number + (b"%d " % number * size)[:size] for number in range(self.number, self.number + count)]
            self.number += count
            pendings.append((bodies, Pending(lane, bodies, marked=marked, sync=sync)))
        self.store.commit([pending for _, pending in pendings])
        for bodies, pending in pendings:
            self._note(bodies, pending)

    def _note(self, bodies: list[bytes], pending: Pending) -> None:
        try:
            place = pending.result(0)
        except AppendUnknown:
            self.possible.update(bodies)
        except LogFull:
            pass
        else:
            places = [Place(place.lane, place.epoch, place.offset + number) for number in range(len(bodies))]
            assert not pending.sync or all(self.known.get(one, body) == body for one, body in zip(places, bodies, strict=True))
            if pending.sync:
                self.owed.update(zip(places, bodies, strict=True))
                self.owed_marks.update(places if pending.marked else ())
            else:
                self.possible.update(bodies)

    def check(self) -> None:
        """Everything that is owed is read, in order, once, and nothing that was refused."""
        for lane in range(LANES):
            if self.random.random() < 0.5:
                self.store.state.lanes[lane].tail = Tail()  # everything is read from its file
            self._check(lane)
        lanes = self.store.state.lanes
        assert [lane.size_bytes for lane in lanes] == [sum(file.size_bytes for file in lane.files()) for lane in lanes]

    def _check(self, lane: int) -> None:
        seen: list[bytes] = []
        at = self.cursors[lane]
        for entries in self.read(at):
            assert (entries.first.epoch, entries.first.offset) >= (at.epoch, at.offset), "reading goes back"
            at = entries.end
            for number, body in enumerate(entries.bodies):
                place = Place(lane, entries.first.epoch, entries.first.offset + number)
                assert self.known.setdefault(place, body) == body, "a place is used twice"
                assert self.owed.get(place) == body or body in self.possible, "something was read that nobody appended, or was refused"
                self.owed[place] = body  # what was read once is there for good
                if entries.marked:
                    self.owed_marks.add(place)
                seen.append(body)
        assert len(set(seen)) == len(seen), "something is read twice"
        owed = {body for place, body in self.owed.items() if place.lane == lane and place >= self.cursors[lane]}
        assert owed <= set(seen), "something is lost"
        marked = self.store.reader.marked(lane)
        marks = {one.first._replace(offset=one.first.offset + number) for one in marked for number in range(one.count)}
        assert {place for place in self.owed_marks if place.lane == lane and place >= self.cursors[lane]} <= marks

    def read(self, place: Place) -> Iterator[Entries]:
        """All from a place on."""
        while found := self.store.reader.read(place, self.random.choice((1, 700, 5_000))):
            yield from found
            place = found[-1].end

    def release(self, lane: int, share: float) -> None:
        """Release a part of what can be read."""
        ends = [entries.end for entries in self.read(self.cursors[lane])] or [self.cursors[lane]]
        self.check()
        self.cursors[lane] = ends[int(share * (len(ends) - 1))]
        self.store.keeper.release("reader", [self.cursors[lane]])

    def fill(self, room_bytes: int) -> None:
        """Append to a disk with so much room, and then release everything."""
        self.disk.failing.clear()
        self.disk.capacity_bytes = room_bytes + sum(len(node.seen) for node in self.disk.names_seen.values())
        for _ in range(3):
            self.append([(0, 2, 900, False, True), (1, 1, 10, True, True)])
        self.disk.capacity_bytes = 0
        before = self._paths()
        for lane in range(LANES):
            self.release(lane, 1.0)
        left = [len(self.disk.names_seen[path].seen) for path in before & self.disk.names_seen.keys()]
        synced = all(writer.is_synced for writer in self.store.state.writers)
        assert not synced or sum(left) <= LANES * SETTINGS.segment_bytes // 4, "a full disk cannot be emptied"
        self.disk.capacity_bytes = 1 << 30

    def _paths(self) -> set[Path]:
        return {file.path for lane in self.store.state.lanes for file in lane.files()}

    def kill(self) -> None:
        """The process ends as it is; the disk keeps what it was given."""
        self.disk.failing.clear()
        self.open()
        self.check()

    def cut(self) -> None:
        """The power goes."""
        self.disk.cut()
        self.open()
        self.check()

    def close(self) -> None:
        """Close, and open again."""
        self.disk.failing.clear()
        self.store.close()
        self.open()
        self.check()

    def restore(self) -> None:
        """Go back to a backup that was made some time ago, if one was, and make one now."""
        self.disk.failing.clear()
        self.store.close()
        backup = self.disk.backup(), dict(self.owed), set(self.owed_marks), list(self.cursors)
        if self.backup:
            files, self.owed, self.owed_marks, self.cursors = self.backup
            self.disk.restore(files)
        self.backup = backup
        self.open()
        self.check()


def sail(random: Random) -> None:
    """A voyage of drawn events."""
    events = ("append", "append", "append", "fail", "fail", "release", "kill", "cut", "close", "restore", "renew", "fill")
    _sail(random, random.choices(events, k=random.randint(3, 40)), sorted(FAULTS))


def sail_roughly(random: Random) -> None:
    """A voyage on which writing and syncing fail again and again."""
    _sail(random, random.choices(("append", "fail", "kill", "cut"), (2, 4, 1, 1), k=random.randint(3, 20)), ["sync", "write"])


def _sail(random: Random, events: Sequence[str], calls: Sequence[str]) -> None:
    voyage = Voyage(random)
    for event in events:
        if event == "fail":
            call = random.choice(calls)
            voyage.disk.failing.append((call, random.choice(FAULTS[call])))
        if event in ("append", "fail"):
            voyage.append([_plan(random) for _ in range(random.randint(1, 3))])
        elif event == "release":
            voyage.release(random.randrange(LANES), random.random())
        elif event == "renew":
            voyage.store.renew(bytes(10))
        elif event == "fill":
            voyage.fill(random.randint(0, 3_000))
        else:
            {"kill": voyage.kill, "cut": voyage.cut, "close": voyage.close, "restore": voyage.restore}[event]()
    voyage.cut()


def _plan(random: Random) -> Plan:
    return random.randrange(LANES), random.randint(1, 4), random.choice((0, 10, 300, 900)), random.random() < 0.3, random.random() < 0.8
