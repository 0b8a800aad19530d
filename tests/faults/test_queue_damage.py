"""Whatever happens to the files of a log, it opens; each block that was not touched is read, and each missing range is one gap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random

from penstock.queue.durable.store import Store
from penstock.queue.log import DAMAGED, Entries, LogSettings, Place
from penstock.queue.machine import Machine
from penstock.queue.pending import Pending
from tests.faults.disk import Node, SimulatedDisk

FOLDER = Path("/log")
LANES = 2
SETTINGS = LogSettings(lanes=LANES, min_free_bytes=0, segment_bytes=1_500)
NOW_US = 1_800_000_000_000_000


@dataclass(frozen=True)
class Block:
    """A block as it was written: where it stands, and what it holds."""

    path: Path
    start: int
    stop: int
    first: Place
    bodies: tuple[bytes, ...]


@dataclass
class Wreck:
    """A log that was written and closed, or not, and then damaged.

    Whose segments these are is written in `log.json`: with that damaged, and as many bytes of another log beside them, nobody could tell.
    """

    random: Random
    disk: SimulatedDisk = field(init=False)
    blocks: list[Block] = field(default_factory=list)
    touched: set[Block] = field(default_factory=set)
    knows_its_start: bool = True
    has_strangers: bool = False
    is_anonymous: bool = False

    def __post_init__(self) -> None:
        self.disk = SimulatedDisk(self.random)
        for _ in range(self.random.randint(1, 4)):
            store = self.open()
            for _ in range(self.random.randint(0, 12)):
                self._append(store)
            self._note(store)
            if self.random.random() < 0.5:
                store.close()

    def open(self, folder: Path = FOLDER) -> Store:
        """Open it."""
        return Store(self.disk, folder, SETTINGS, Machine(lambda: NOW_US, self.random.randbytes))

    def _append(self, store: Store) -> None:
        lane, count = self.random.randrange(LANES), self.random.randint(1, 5)
        bodies = [self.random.randbytes(self.random.choice((0, 5, 60, 400))) for _ in range(count)]
        store.commit([Pending(lane, bodies, marked=self.random.random() < 0.3)])

    def _note(self, store: Store) -> None:
        noted = {block.first for block in self.blocks}
        for lane in store.state.lanes:
            for extent in lane.extents:
                position = extent.start
                for entries in everything(store, extent.first_place, extent.end_place):
                    size = 50 + 4 * entries.count + sum(map(len, entries.bodies))
                    if entries.first not in noted:
                        self.blocks.append(Block(extent.file.path, position, position + size, entries.first, tuple(entries.bodies)))
                    position += size

    def flip(self) -> None:
        """One bit of one file."""
        path, node = self._any_segment()
        at = self.random.randrange(len(node.seen))
        node.seen[at] ^= 1 << self.random.randrange(8)
        self._touch(path, at, at + 1)

    def shorten(self) -> None:
        """The end of a file is gone."""
        path, node = self._any_segment()
        at = self.random.randrange(len(node.seen))
        del node.seen[at:]
        self._touch(path, at, 1 << 62)

    def scratch(self) -> None:
        """A stretch of a file is zeros, or anything."""
        path, node = self._any_segment()
        at = self.random.randrange(len(node.seen))
        length = min(self.random.randint(1, 700), len(node.seen) - at)
        node.seen[at : at + length] = bytes(length) if self.random.random() < 0.5 else self.random.randbytes(length)
        self._touch(path, at, at + length)

    def remove(self) -> None:
        """A file is gone."""
        path, _ = self._any_segment()
        self.disk.names_seen.pop(path, None)
        self._touch(path, 0, 1 << 62)

    def add_foreign(self) -> None:
        """A segment of another log, under its own name or that of one of ours; one of ours under a name of another lane."""
        if self.is_anonymous:
            return
        self.has_strangers = True
        other = self.open(Path("/other"))
        for _ in range(3):
            self._append(other)
        other.close()
        path, node = self.random.choice([(path, node) for path, node in self.disk.names_seen.items() if path.suffix == ".seg"])
        name = self.random.choice((path.name, f"{self.random.randrange(90):020d}-{path.name[21:]}", f"copy of {path.name}.seg"))
        target = FOLDER / str(self.random.randrange(LANES)) / name
        if target not in self.disk.names_seen:
            self.disk.names_seen[target] = Node(bytearray(node.seen))

    def lose_documents(self) -> None:
        """One of the two small files is damaged, or gone."""
        path = FOLDER / ("consumers.json" if self.has_strangers else self.random.choice(("log.json", "consumers.json")))
        if node := self.disk.names_seen.get(path):
            self.knows_its_start &= path.name == "log.json"
            self.is_anonymous |= path.name == "log.json"
            node.seen[self.random.randrange(len(node.seen))] ^= 4
            if self.random.random() < 0.3:
                self.disk.names_seen.pop(path, None)

    def _any_segment(self) -> tuple[Path, Node]:
        ours = {block.path for block in self.blocks}
        found = [(path, node) for path, node in self.disk.names_seen.items() if path in ours and node.seen]
        return self.random.choice(found or [(FOLDER, Node(bytearray(1)))])

    def _touch(self, path: Path, start: int, stop: int) -> None:
        self.touched.update(block for block in self.blocks if block.path == path and block.start < stop and start < block.stop)


def everything(store: Store, place: Place, end: Place | None = None) -> Iterator[Entries]:
    """What lies between two places."""
    while found := store.reader.read(place, 1):
        for entries in found:
            if end and entries.first >= end:
                return
            yield entries
        place = found[-1].end


def damaged(random: Random) -> Wreck:
    """A wreck with up to three damages."""
    wreck = Wreck(random)
    for _ in range(random.randint(1, 3)):
        if wreck.blocks:
            random.choice((wreck.flip, wreck.flip, wreck.shorten, wreck.scratch, wreck.remove, wreck.add_foreign, wreck.lose_documents))()
    return wreck


def assert_salvaged(wreck: Wreck, store: Store) -> None:
    """Every block that was not touched is read, in order; what is missing between them is one gap for each range."""
    for lane in range(LANES):
        read = list(everything(store, Place(lane, bytes(10), 0)))
        found = {entries.first: tuple(entries.bodies) for entries in read if not entries.gap}
        whole = [block for block in wreck.blocks if block.first.lane == lane and block not in wreck.touched]
        assert [block for block in whole if found.get(block.first) != block.bodies] == []
        ours = {block.first: block.bodies for block in wreck.blocks}
        assert all(ours.get(first) == bodies for first, bodies in found.items()), "something is read that was not written"
        assert all(before.end.offset == after.first.offset for before, after in pairwise(read)), "offsets are left out"
        assert not any(before.gap and after.gap for before, after in pairwise(read)), "a range is missing, and there are two gaps"
        lost = [block for block in wreck.touched if block.first.lane == lane and found.get(block.first) != block.bodies]
        inner = [block for block in lost if any(block.first < other.first for other in whole)]
        if not wreck.knows_its_start:
            inner = [block for block in inner if any(other.first < block.first for other in whole)]
        gaps = [entries for entries in read if entries.gap and entries.gap.cause == DAMAGED]
        for block in inner:
            assert any(gap.first.offset <= block.first.offset < gap.end.offset for gap in gaps), "a loss is not told"
        marks = {entries.first for entries in store.reader.marked(lane)}
        assert {entries.first for entries in read if entries.marked} == marks


def salvage(random: Random) -> None:
    """Open a drawn wreck twice, and go on with it."""
    wreck = damaged(random)
    store = wreck.open()
    assert_salvaged(wreck, store)
    if random.random() < 0.5:
        store.close()
    store = wreck.open()
    assert_salvaged(wreck, store)
    for lane in range(LANES):
        before = store.state.kept()[lane].end
        store.commit([pending := Pending(lane, [b"new"])])
        place = pending.result(0)
        assert place > before
        assert place.offset >= before.offset
        assert [body for entries in store.reader.read(place, 1) for body in entries.bodies] == [b"new"]


def test_damage(seed: int, scale: int) -> None:
    """Flipped bits, files that are shortened, scratched or gone, files of others: everything else is read, now and the next time."""
    for number in range(150 * scale):
        try:
            salvage(Random(f"{seed} {number}"))
        except BaseException as error:
            error.add_note(f"drawn from {seed} {number}")
            raise
