"""Whatever stands in the folder of a log, where it has its own files or beside them, it opens, and what was not touched is read."""

from __future__ import annotations

import json
import os
import socket
import stat
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from zlib import crc32

from penstock.queue.durable.disk import RealDisk
from penstock.queue.durable.disklog import DiskLog
from penstock.queue.durable.documents import ConsumersRecord, DocumentDamaged, Identity, decoded
from penstock.queue.durable.frames import HEADER, MAGIC
from penstock.queue.log import LogSettings
from penstock.queue.machine import Machine
from penstock.testing.logs import WAIT_S, bodies, numbers

LANES = 2
SETTINGS = LogSettings(lanes=LANES, min_free_bytes=0, segment_bytes=600)
NOW_US = 1_800_000_000_000_000


class QuickDisk(RealDisk):
    """Syncs nothing, because no power is cut."""

    def sync_folder(self, folder: Path) -> None:
        """Not needed."""

    def settle(self, path: Path) -> None:
        """Not needed."""


@dataclass
class Cluttered:
    """The folder of a log that was closed, with things in it that nobody of us put there."""

    random: Random
    folder: Path
    touched: set[int] = field(default_factory=set)
    """Lanes in which something is missing now."""

    def __post_init__(self) -> None:
        with closing(self.open()) as log:
            log.register("reader")
            for low in range(0, self.random.randint(0, 60), 10):
                for lane in range(LANES):
                    log.append(lane, numbers(low, low + 10)).result(WAIT_S)
            self.ends = log.ends()
        self.segments = [path.name for path in self.folder.glob("?/*.seg")] or ["x.seg"]

    def open(self) -> DiskLog:
        """Open it."""
        return DiskLog(self.folder, SETTINGS, disk=QuickDisk(), machine=Machine(lambda: NOW_US, self.random.randbytes))

    def clutter(self) -> None:
        """Put something somewhere, in the place of what was there."""
        path = self.folder / self._name()
        with suppress(OSError):
            path.parent.mkdir()
        if not is_folder(path.parent) or len(os.fsencode(path.name)) > 255:
            return
        self._note(path)
        remove(path)
        self.random.choice(THINGS)(self.random, path)
        if is_believed(path):
            self.touched.update(range(LANES))

    def _name(self) -> str:
        lane = str(self.random.randrange(LANES + 1))
        segment = self.random.choice(self.segments)
        names = (
            "log.json",
            "consumers.json",
            "lock",
            ".log.json.unfinished",
            ".consumers.json.unfinished",
            "quarantine",
            "quarantine/foreign",
            f"quarantine/{lane}",
            f"quarantine/{lane}/{segment}",
            f"quarantine/foreign/{lane}-{segment}",
            lane,
            f"{lane}.displaced",
            f"{lane}/{segment}",
            f"{lane}/{self.random.randrange(10**20):020d}-{self.random.choice(('ff' * 10, 'fe' * 10, '00' * 10))}.seg",
            f"{lane}/{'9' * 20}-{'7f' * 10}.seg",
            f"{lane}/{os.fsdecode(self.random.randbytes(5).translate(None, b'/' + bytes(1)))}.seg",
            f"{lane}/{'٣' * 20}-{'0' * 20}.seg",
            f"{lane}/{'x' * 251}.seg",
            os.fsdecode(self.random.randbytes(8).translate(None, b"/" + bytes(1))) or "x",
            "255",
            "256",
            "٣",
        )
        return self.random.choice(names)

    def _note(self, path: Path) -> None:
        parts = path.relative_to(self.folder).parts
        if parts[0].isascii() and parts[0].isdecimal() and int(parts[0]) < LANES and (len(parts) == 1 or os.path.lexists(path)):
            self.touched.add(int(parts[0]))


def is_believed(path: Path) -> bool:
    """Whether it says something that may have been written by the log: whose it is, and what was released."""
    kinds: dict[str, Any] = {"log.json": Identity, "consumers.json": ConsumersRecord}
    if path.name not in kinds or not stat.S_ISREG(path.lstat().st_mode):
        return False
    try:
        return bool(decoded(path.read_bytes(), kinds[path.name]))
    except DocumentDamaged:
        return False


def is_folder(path: Path) -> bool:
    """Not a link to one."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def remove(path: Path) -> None:
    """Whatever it is."""
    if is_folder(path):
        for inner in path.iterdir():
            remove(inner)
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def a_document(random: Random, path: Path) -> None:
    """A line that has the right checksum, and says anything."""
    line = json.dumps(anything(random)).encode() if random.random() < 0.9 else b"[" * 100_000 + b"]" * 100_000
    path.write_bytes(b"%s\n%d\n" % (line, crc32(line)))


def anything(random: Random) -> Any:  # noqa: ANN401 - it is JSON
    """What `log.json` or `consumers.json` might look like to somebody who has only heard of them."""
    pair: Callable[[], Any] = lambda: random.choice(  # noqa: E731 - drawn again and again
        (
            ["00" * 10, 5],
            ["00" * 10, -5],
            ["00" * 10, 1 << 62],
            ["00" * 10, 1 << 63],
            ["00" * 10, 1 << 80],
            ["00" * 10, 1.5],
            ["ff" * 10, 3],
            ["fe" * 10, 3],
            ["zz" * 10, 1],
            ["00", 1],
            ["0" * 19 + "\n", 1],
            ["00" * 10],
            [],
            None,
            7,
        )
    )
    pairs: Callable[[], Any] = lambda: random.choice(([], [pair()], [["00" * 10, 5], pair()], [["00" * 10, 0]] * 300, {}, None))  # noqa: E731
    consumer: Any = random.choice(({"seen_us": random.choice((1, -1, 1 << 90, None)), "cursors": pairs()}, [], None, {}))
    return random.choice(
        (
            None,
            [],
            "version",
            {},
            {"name": "penstock"},
            {"version": random.choice(("1", None, 0, -1, 1.5, [], 1))},
            {
                "version": 1,
                "log": random.choice(("00" * 16, "ff", "no", 5, "")),
                "epoch": random.choice(("00" * 10, "fe" * 10, "ff" * 10, "", None)),
                "machine": random.choice(("", "x", None)),
                "device": random.choice((1, 1 << 70, -1, "1")),
                "inode": 2,
                "ends": pairs(),
            },
            {"version": 1, "released": pairs(), "consumers": random.choice(({"reader": consumer}, {"": consumer}, [], None))},
        )
    )


def a_block(random: Random, path: Path) -> None:
    """A header that has the right checksum, and any numbers, before a body that has it, too."""
    epoch = (
        bytes.fromhex(path.name[21:41]) if len(path.name) == 45 and path.name.isascii() and random.random() < 0.7 else random.randbytes(10)
    )
    first = int(path.name[:20]) if path.name[:20].isdecimal() and random.random() < 0.7 else random.getrandbits(random.choice((3, 64)))
    body = random.choice((b"", b"{}", b"[]", b"[" * 100_000, b"\1\0\0\0x", b"\xff" * 40, bytes(40)))
    lane = int(path.parent.name) if path.parent.name.isascii() and path.parent.name.isdecimal() else 0
    offsets = random.choice((0, 1, 5, (1 << 32) - 1))
    rest = (
        random.randrange(5),
        random.randrange(4),
        lane,
        epoch,
        first & (1 << 64) - 1,
        offsets,
        random.getrandbits(62),
        len(body),
        crc32(body),
    )
    header = HEADER.pack(MAGIC, 0, *rest)
    path.write_bytes(HEADER.pack(MAGIC, crc32(header[8:]), *rest) + body)


def a_socket(_: Random, path: Path) -> None:
    """What a server leaves behind."""
    with closing(socket.socket(socket.AF_UNIX)) as server, suppress(OSError):  # its name may be too long
        server.bind(os.fsencode(path))


def a_folder(random: Random, path: Path) -> None:
    """Empty, or not."""
    path.mkdir()
    if random.random() < 0.5:
        (path / "something.seg").write_bytes(b"x")


THINGS: tuple[Callable[[Random, Path], object], ...] = (
    lambda _, path: path.write_bytes(b""),
    lambda random, path: path.write_bytes(random.randbytes(random.randint(1, 300))),
    a_document,
    a_document,
    a_document,
    a_block,
    a_block,
    a_folder,
    a_folder,
    a_socket,
    lambda _, path: os.mkfifo(path),
    lambda _, path: path.symlink_to("nowhere"),
    lambda _, path: path.symlink_to(path.name),
    lambda _, path: path.symlink_to("x" * 300),
    lambda _, path: path.symlink_to("/dev/null/x"),
    lambda _, path: path.symlink_to("/dev/full"),
)


def assert_opens(cluttered: Cluttered) -> None:
    """Twice, and takes appends, and gives back what was not touched; what could be put aside is told once."""
    for number in range(2):
        with closing(cluttered.open()) as log:
            told = [str(finding).encode() for finding in log.findings]
            assert number == 0 or all(b"could not be moved" in one for one in told)
            for lane in range(LANES):
                if lane not in cluttered.touched:
                    assert numbers(0, cluttered.ends[lane]) == bodies(log, lane)[: cluttered.ends[lane]]
                place = log.append(lane, [b"new %d" % number]).result(WAIT_S)
                assert list(log.read(place, 1)[0].bodies) == [b"new %d" % number]
            log.register("reader")


def test_clutter(seed: int, scale: int, tmp_path: Path) -> None:
    """Files, folders, links, pipes and foreign content in all places: nothing keeps a log from opening."""
    for number in range(200 * scale):
        try:
            cluttered = Cluttered(Random(f"{seed} {number}"), tmp_path / str(number))
            for _ in range(cluttered.random.randint(1, 4)):
                cluttered.clutter()
            assert_opens(cluttered)
            remove(cluttered.folder)
        except BaseException as error:
            error.add_note(f"drawn from {seed} {number}")
            raise
