"""The folder of a log on a disk that loses files, and sectors, and refuses."""

from __future__ import annotations

import errno
import struct
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from penstock.model.gaps import Gap
from penstock.queue.durable import opening, tail
from penstock.queue.durable.disk import UNREADABLE
from penstock.queue.durable.documents import CONSUMERS, IDENTITY
from penstock.queue.durable.frames import MAGIC, Block, Kind, Seal, seal_block
from penstock.queue.durable.opening import RELEASED
from penstock.queue.durable.segment import BLOCK_BYTES
from penstock.queue.durable.state import State
from penstock.queue.durable.store import Store
from penstock.queue.log import DAMAGED, NO_LONGER_KEPT, AppendUnknown, LogFull, LogSettings, Place
from penstock.queue.machine import Machine
from penstock.queue.pending import Pending
from tests.faults.disk import SimulatedDisk

FOLDER = Path("/log")
LONG_AFTER_US = 1_900_000_000_000_000
SETTINGS = LogSettings(min_free_bytes=0, segment_bytes=1_000, max_bytes=1 << 30)


class Bench:
    """A log with one lane, and its disk."""

    def __init__(self) -> None:
        self.disk = SimulatedDisk(Random(1))
        self.now_us = 1_800_000_000_000_000
        self.open()

    def open(self, settings: LogSettings = SETTINGS) -> None:
        """Open the folder as it is."""
        self.store = Store(self.disk, FOLDER, settings, Machine(lambda: self.now_us, Random(self.now_us).randbytes))

    def append(self, *bodies: bytes, marked: bool = False, sync: bool = True) -> Place:
        """An append by itself."""
        self.store.commit([pending := Pending(0, bodies, marked=marked, sync=sync)])
        return pending.result(0)

    def read(self) -> list[bytes | Gap | None]:
        """Everything, entries and gaps."""
        place, found = Place(0, bytes(10), 0), list[bytes | Gap | None]()
        while read := self.store.reader.read(place, 1):
            for entries in read:
                found += entries.bodies or [entries.gap]
            place = read[-1].end
        return found

    def segments(self, folder: Path = FOLDER / "0") -> list[Path]:
        """The files of the lane."""
        return sorted(path for path in self.disk.names_seen if path.parent == folder)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    """An empty one, that reads everything from its files."""
    monkeypatch.setattr(tail, "TAIL_BYTES", 0)
    return Bench()


def told(found: list[bytes | Gap | None]) -> list[bytes | int | None]:
    """Bodies, and the sizes of gaps of what is damaged or missing."""
    assert all(one.cause == DAMAGED for one in found if isinstance(one, Gap))
    return [one.count if isinstance(one, Gap) else one for one in found]


def test_a_file_that_vanishes_is_a_gap(bench: Bench) -> None:
    """What somebody removed behind the log's back is told, and what else there is is read."""
    for number in range(4):
        bench.append(b"%d" % number * 990)
    bench.disk.names_seen.pop(bench.segments()[1])

    assert told(bench.read()) == [b"0" * 990, 1, b"2" * 990, b"3" * 990]
    assert [finding.path for finding in bench.store.state.findings] != []


def test_sectors_that_cannot_be_read_are_a_gap(bench: Bench) -> None:
    """Around them, everything is read: found by a reader, and by an opening."""
    bodies = [b"%d" % number * 4_000 for number in range(8)]
    bench.open(LogSettings(min_free_bytes=0))
    for body in bodies:
        bench.append(body)

    def unreadable(path: Path, position: int, length: int) -> bytes:
        if path.suffix == ".seg" and position <= 13_000 < position + length:
            raise OSError(errno.EIO, "Input/output error")
        return SimulatedDisk.read(bench.disk, path, position, length)

    bench.disk.read = unreadable  # type: ignore[method-assign]
    assert told(bench.read()) == [*bodies[:3], 2, *bodies[5:]]
    bench.open()
    assert told(bench.read()) == [*bodies[:3], 2, *bodies[5:]]


def test_what_this_process_may_not_do_is_no_damage(bench: Bench) -> None:
    """A file that is there and may not be read, now or at all, is not taken for lost."""
    bench.append(b"entry")
    for number in (errno.EMFILE, errno.EACCES):
        bench.disk.failing.append(("read", number))
        with pytest.raises(OSError, match="error"):
            bench.read()
        bench.disk.failing.append(("read", number))
        with pytest.raises(OSError, match="error"):
            bench.open()

    assert bench.read() == [b"entry"]


def test_small_files_that_cannot_be_read_are_made_again(bench: Bench) -> None:
    """A broken sector under them keeps no log from opening."""
    bench.store.keeper.register("one")
    bench.append(b"entry")
    bench.disk.failing += [("read", errno.EIO), ("read", errno.EIO)]

    bench.open()

    assert {finding.path.name for finding in bench.store.state.findings} == {IDENTITY, CONSUMERS}
    assert bench.read() == [b"entry"]


@pytest.mark.parametrize("number", sorted(UNREADABLE))
def test_a_folder_that_the_disk_has_lost(bench: Bench, number: int) -> None:
    """A lane whose folder cannot be read is told, and those of the others are read."""
    bench.open(replace(SETTINGS, lanes=2))
    bench.append(b"entry")
    failing_at(bench, "names", FOLDER / "1", number)

    bench.open(replace(SETTINGS, lanes=2))

    assert [(one.path, "could not be moved" in one.what) for one in bench.store.state.findings] == [(FOLDER / "1", True)]
    assert bench.read() == [b"entry"]


def test_files_that_the_disk_has_lost(bench: Bench) -> None:
    """What nobody can even ask the size of is put aside: a segment is a gap then, and a small file is made again."""
    for number in range(3):
        bench.append(b"%d" % number * 990)
    lost = bench.segments()[1]
    bench.store.close()
    failing_at(bench, "size", lost, errno.EIO)
    bench.open()
    assert told(bench.read()) == [b"0" * 990, 1, b"2" * 990]
    failing_at(bench, "size", FOLDER / IDENTITY, errno.EIO)

    bench.open()

    assert [str(finding) for finding in bench.store.state.findings] == [
        "/log/log.json: is no file that can be read, and was renamed to log.json.displaced. The log goes on without it."
    ]
    assert told(bench.read()) == [b"0" * 990, 1, b"2" * 990]


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("names", ""),
        ("names", "0"),
        ("names", "quarantine"),
        ("size", "lock"),
        ("size", "log.json"),
        ("size", "segment"),
        ("read", "segment"),
    ],
)
def test_what_may_not_be_looked_at_is_no_damage(bench: Bench, call: str, name: str) -> None:
    """Whoever is not allowed to read a log changes nothing in it."""
    bench.append(b"entry")
    bench.disk.create(FOLDER / "lock")
    before = set(bench.disk.names_seen)
    failing_at(bench, call, bench.segments()[0] if name == "segment" else FOLDER / name, errno.EACCES)

    with pytest.raises(OSError, match="sabotage"):
        bench.open()

    assert set(bench.disk.names_seen) == before


def failing_at(bench: Bench, call: str, at: Path, number: int) -> None:
    """A call that fails for one path."""

    def fail(path: Path, *arguments: int) -> object:
        if path == at:
            raise OSError(number, "sabotage")
        return getattr(SimulatedDisk, call)(bench.disk, path, *arguments)

    setattr(bench.disk, call, fail)


def test_a_small_file_that_was_blown_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more of it is read into memory than was ever written to one."""
    monkeypatch.setattr(opening, "MOST_BYTES", 1_000)
    bench.append(b"entry")
    asked = []

    def read(path: Path, position: int, length: int) -> bytes:
        asked.append(length)
        return SimulatedDisk.read(bench.disk, path, position, length)

    bench.disk.read = read  # type: ignore[method-assign]
    bench.disk.names_seen[FOLDER / IDENTITY].seen.extend(bytes(5_000))

    bench.open()

    assert max(asked) <= 1_000
    assert [finding.path.name for finding in bench.store.state.findings] == [IDENTITY]
    assert bench.read() == [b"entry"]


@pytest.mark.parametrize(
    "block",
    [
        Block(Kind.ENTRIES, 0, b"second"),
        Block(Kind.ENTRIES, 1_000, b"second"),
        Block(Kind.GAP, 2, b'{"cause": "two"}'),
        Block(Kind.GAP, 1, b"{"),
        Block(Kind.GAP, 1, b'{"effect": "none"}'),
        Block(Kind.GAP, 1, b"[" * 100_000),
    ],
)
@pytest.mark.parametrize("reopened", [False, True])
def test_blocks_that_cannot_be_taken_apart(bench: Bench, block: Block, *, reopened: bool) -> None:
    """Their checksums are right, and their numbers are not: they are damaged as any other, for a reader and for an opening."""
    bench.append(b"first")
    bench.append(b"second")
    bench.append(b"third")
    place = bench.store.state.at(0, 1)
    node = bench.disk.names_seen[bench.segments()[0]]
    second, third = (node.seen.index(MAGIC, node.seen.index(body)) for body in (b"first", b"second"))
    node.seen[second:third] = b"".join(block.encoded(place, 1))

    if reopened:
        bench.open()

    found = bench.read()
    assert found[0] == b"first"
    assert [isinstance(one, Gap) and one.cause for one in found[1:2]] == [DAMAGED]
    assert b"second" not in found


def test_seals_that_cannot_be_believed(bench: Bench) -> None:
    """Where the numbers in one cannot be, every block is looked at."""
    bench.append(b"first")
    end = bench.store.state.kept()[0].end
    bench.store.close()
    node = bench.disk.names_seen[bench.segments()[0]]
    blocks = bytes(node.seen[: 66 + 50 + 4 + 5])
    first = end._replace(offset=0)
    trailer = struct.pack("<I4s", 50 + 16 + 8, b"PEND")
    for seal, place in (
        (seal_block(Seal(1, [], [])), end),
        (seal_block(Seal(1, [(0, 66)], [])), first),
        (Block(Kind.SEAL, 0, struct.pack("<qII", 1, 7, 7) + trailer), end),
        (Block(Kind.SEAL, 0, trailer), end),
    ):
        node.seen[:] = blocks + b"".join(seal.encoded(place, 1))
        bench.open()
        assert bench.read() == [b"first"]
        assert bench.store.state.kept()[0].end == end


def test_an_offset_that_no_log_comes_to(bench: Bench) -> None:
    """A block that claims one is none, whatever its checksum is."""
    bench.append(b"first")
    node = bench.disk.names_seen[bench.segments()[0]]
    far = bench.store.state.at(0, 1)._replace(offset=(1 << 64) - 1)
    del node.seen[66 + 50 + 4 + 5 :]
    node.seen.extend(b"".join(Block(Kind.ENTRIES, 1, b"\1\0\0\0x").encoded(far, 1)))

    bench.open()

    assert bench.append(b"second").offset == 1
    assert bench.read() == [b"first", b"second"]


def test_damage_in_the_segment_that_is_written(bench: Bench) -> None:
    """It is put aside; entries that were written and not synced yet are kept, and appending goes on in another one."""
    bench.append(b"first")
    bench.append(b"second", marked=True)
    bench.append(b"third", marked=True)
    bench.append(b"fourth", sync=False)
    path = bench.segments()[0]
    content = bench.disk.names_seen[path].seen
    content[content.index(b"second")] ^= 1

    assert [list(entries.bodies) for entries in bench.store.reader.marked(0)] == [[b"third"]]
    assert bench.append(b"fifth").offset == 4
    assert told(bench.read()) == [b"first", 1, b"third", b"fourth", b"fifth"]
    assert bench.store.state.at(0, 1).offset == 1
    assert len(bench.segments()) == 1
    assert [one.name for one in bench.segments(FOLDER / "quarantine" / "0")] == [path.name]


def test_damage_that_cannot_be_put_aside(bench: Bench) -> None:
    """What can be read is read where it is."""
    bench.append(b"first")
    bench.append(b"second")
    content = bench.disk.names_seen[bench.segments()[0]].seen
    content[content.index(b"first")] ^= 1
    bench.disk.failing.append(("make_folder", errno.ENOSPC))

    bench.open()

    assert [str(finding).partition(": ")[2] for finding in bench.store.state.findings] == [
        "is damaged, and could not be moved. What can be read of it is read, and what cannot is a gap."
    ]
    assert told(bench.read()) == [1, b"second"]


def test_what_is_damaged_is_kept_for_a_person(bench: Bench) -> None:
    """A segment in quarantine stays when it was released, until it is old."""
    place = bench.store.keeper.register("one")[0]
    bench.append(b"first")
    bench.append(b"second")
    content = bench.disk.names_seen[bench.segments()[0]].seen
    content[content.index(b"first")] ^= 1
    assert told(bench.read()) == [1, b"second"]

    bench.store.keeper.release("one", [bench.store.state.kept()[0].end])
    quarantine = FOLDER / "quarantine" / "0"
    assert [path.suffix for path in bench.segments(quarantine)] == [RELEASED]
    assert bench.store.reader.read(place, 1)[0].gap is not None
    bench.open()
    assert len(bench.segments(quarantine)) == 1
    bench.now_us = LONG_AFTER_US
    bench.open()
    assert bench.segments(quarantine) == []


def test_what_is_damaged_makes_room_on_a_full_disk(bench: Bench) -> None:
    """A full disk can always be emptied by releasing."""
    bench.open(LogSettings(min_free_bytes=1_000))
    bench.store.keeper.register("one")
    bench.append(b"first")
    content = bench.disk.names_seen[bench.segments()[0]].seen
    content[content.index(b"first")] ^= 1
    bench.read()
    bench.disk.capacity_bytes = 0

    bench.store.keeper.release("one", [bench.store.state.kept()[0].end])

    assert [path for path in bench.disk.names_seen if "quarantine" in path.parts] == []


def test_what_was_released_makes_room_for_a_large_append(bench: Bench) -> None:
    """On a disk that has room for it only without the segment that was just begun, and of which nothing is needed."""
    bench.open(replace(SETTINGS, min_free_bytes=0))
    bench.store.keeper.register("one")
    bench.append(b"x" * 100)
    bench.disk.capacity_bytes -= bench.disk.free_bytes(FOLDER) - 2_000
    bench.store.keeper.release("one", [bench.store.state.kept()[0].end])
    assert len(bench.segments()) == 1

    bench.append(b"y" * 2_500)

    assert bench.read()[1:] == [b"y" * 2_500]


def test_what_is_being_written_is_not_spare(bench: Bench) -> None:
    """A segment with entries that are not synced yet cannot be given back, whatever was released of it."""
    bench.store.keeper.register("one")
    bench.append(b"first")
    end = bench.store.state.kept()[0].end
    bench.store.keeper.release("one", [end])
    spare_bytes = bench.store.keeper.spare_bytes()
    bench.append(b"second", sync=False)

    assert spare_bytes == bench.store.state.kept()[0].size_bytes - 50 - 4 - 6
    assert bench.store.keeper.spare_bytes() == 0


def test_closing_makes_durable_what_nobody_waited_for(bench: Bench) -> None:
    """Entries that were only written are there after a power cut, if the log was closed before."""
    for number in range(5):
        bench.append(b"%d" % number, sync=False)

    bench.store.close()
    bench.disk.cut()
    bench.open()

    assert bench.read() == [b"0", b"1", b"2", b"3", b"4"]
    assert not bench.store.interrupted


def test_a_gap_is_not_over_before_it_begins(bench: Bench) -> None:
    """Also where the clock was put back between what stands before it and what stands behind it."""
    then = bench.now_us
    for number in range(3):
        bench.append(b"%d" % number * 990)
        bench.now_us -= 86_400_000_000
    bench.disk.names_seen.pop(bench.segments()[1])
    bench.open()

    (gap,) = (one for one in bench.read() if isinstance(one, Gap))

    assert (gap.since, gap.until) == (then - 2 * 86_400_000_000, then)


def test_an_end_that_may_not_be_on_disk_is_told(bench: Bench) -> None:
    """What a dead process wrote is read, and that it could not be made durable is said."""
    bench.append(b"entry")
    bench.disk.failing.append(("sync", errno.EIO))

    bench.open()

    assert ["may not be on disk" in finding.what for finding in bench.store.state.findings] == [True]
    assert bench.read() == [b"entry"]


def test_a_disk_without_room_for_zeros(bench: Bench) -> None:
    """They are only for speed: the append succeeds, and leaves the rest of the disk as it was."""
    bench.disk.capacity_bytes -= bench.disk.free_bytes(FOLDER) - 600

    bench.append(b"x" * 200)

    (segment,) = bench.segments()
    assert bench.disk.size(segment) == 66 + 50 + 4 + 200


def test_what_was_torn_and_what_is_damaged(bench: Bench) -> None:
    """Over zeros, a block that was being written has a sector that is still zeros; one that has none is damaged, and is put aside."""
    body = b"\1" * 1_200
    bench.open(replace(SETTINGS, segment_bytes=8_000))
    bench.append(b"kept")
    bench.append(body)
    node = bench.disk.names_seen[bench.segments()[0]]
    whole = bytes(node.seen)
    at = whole.index(body)

    node.seen[at + 600 : at + 1_200] = bytes(600)
    bench.open()
    assert told(bench.read()) == [b"kept", 1]
    assert bench.store.state.findings == []

    bench.disk.names_seen[bench.segments()[0]].seen[:] = whole
    bench.disk.names_seen[bench.segments()[0]].seen[at + 600] ^= 1
    bench.open()
    assert told(bench.read()) == [b"kept", 1]
    assert ["is damaged" in finding.what for finding in bench.store.state.findings] == [True]


def test_an_empty_segment_is_removed(bench: Bench) -> None:
    """One that was begun, and to which nothing was written, leaves nothing behind."""
    bench.append(b"entry")
    bench.disk.create(FOLDER / "0" / f"{1:020d}-{'7f' * 10}.seg").write(0, [bytes(100)])

    bench.open()

    assert len(bench.segments()) == 1
    assert bench.read() == [b"entry"]
    assert bench.store.state.findings == []


def test_a_segment_without_entries_is_closed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there was room to begin a segment, and not for the first entries."""
    bench.disk.capacity_bytes -= bench.disk.free_bytes(FOLDER) - 100
    monkeypatch.setattr(State, "has_room", lambda *_: True)  # and then somebody else is faster
    with pytest.raises(LogFull):
        bench.append(b"x" * 500)
    bench.store.close()
    bench.disk.capacity_bytes = 1 << 30

    bench.open()
    bench.append(b"entry")

    assert bench.read() == [b"entry"]


def test_what_is_released_while_it_is_read(bench: Bench) -> None:
    """A file that is gone because it was given back is no damage."""
    bench.store.keeper.register("one")
    bodies = [b"%d" % number * 990 for number in range(3)]
    for body in bodies:
        bench.append(body)
    place = bench.store.state.at(0, 2)

    def read(path: Path, position: int, length: int) -> bytes:
        del bench.disk.read
        bench.store.keeper.release("one", [place])
        return bench.disk.read(path, position, length)

    bench.disk.read = read  # type: ignore[method-assign]

    (gap, last) = bench.read()

    assert isinstance(gap, Gap)
    assert (gap.cause, gap.count, last) == (NO_LONGER_KEPT, 2, bodies[2])
    assert bench.store.state.findings == []


def test_a_large_append_becomes_several_blocks(bench: Bench) -> None:
    """So much is read at once as a block holds, and small appends that wait together are one block."""
    bodies = [b"%d" % number * (BLOCK_BYTES // 3) for number in range(8)]
    pendings = [Pending(0, [b"a"]), Pending(0, bodies), Pending(0, [b"b"]), Pending(0, [b"x" * BLOCK_BYTES]), Pending(0, [b"y"])]
    bench.open(LogSettings(min_free_bytes=0))
    bench.store.commit(pendings)

    blocks = [entries.count for entries in bench.store.reader.read(pendings[0].result(0), 1 << 30)]

    assert bench.read() == [b"a", *bodies, b"b", b"x" * BLOCK_BYTES, b"y"]
    assert blocks == [1, 3, 3, 3, 1, 1]
    assert [pending.result(0).offset for pending in pendings] == [0, 1, 9, 10, 11]


def test_an_append_of_which_a_part_had_room(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is unknown, and its first entries are read; what was appended with it and had no room at all was not appended."""
    bodies = [b"%d" % number * BLOCK_BYTES for number in range(3)]
    bench.open(LogSettings(min_free_bytes=0))
    whole, part, none = Pending(0, [b"whole"]), Pending(0, bodies), Pending(0, [b"none"])
    bench.disk.capacity_bytes -= bench.disk.free_bytes(FOLDER) - int(2.5 * BLOCK_BYTES)
    monkeypatch.setattr(State, "has_room", lambda *_: True)  # and then somebody else is faster

    bench.store.commit([whole, part, none])

    assert whole.result(0).offset == 0
    for pending, error in ((part, AppendUnknown), (none, LogFull)):
        with pytest.raises(error):
            pending.result(0)
    assert bench.read() == [b"whole", *bodies[:2]]
