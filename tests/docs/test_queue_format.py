"""The page about the files of a queue is precise enough to read a segment by hand."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zlib
from contextlib import closing
from pathlib import Path

from penstock.model.gaps import Gap
from penstock.queue.durable.disklog import DiskLog
from penstock.queue.log import LogSettings
from penstock.testing.logs import WAIT_S
from tests.docs.test_pages import ROOT

PAGE = (ROOT / "docs/formats/queue.md").read_text()


def test_a_segment_is_read_by_hand(tmp_path: Path) -> None:
    """The program on the page prints what was appended, the gap, the name of the log, and where the marked block is."""
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    with closing(DiskLog(tmp_path, LogSettings(lanes=3))) as log:
        place = log.append(2, [b"first", b"", bytes(range(256))]).result(WAIT_S)
        log.append(2, [b"marked"], marked=True).result(WAIT_S)
        log.append_gap(2, Gap("reader failed", None, 1_000, 2_000)).result(WAIT_S)
    (segment,) = (tmp_path / "2").iterdir()

    said = subprocess.run([sys.executable, "-c", program, str(segment)], capture_output=True, text=True, check=True).stdout.splitlines()

    identity, crc = (tmp_path / "log.json").read_bytes().splitlines()
    epoch = place.epoch.hex()
    marked = 66 + 50 + 12 + 5 + 256
    gap = b'{"cause": "reader failed", "count": null, "since": 1000, "until": 2000}'
    assert int(crc) == zlib.crc32(identity)
    assert segment.name == f"{0:020d}-{epoch}.seg"
    assert said == [
        f"0 start lane 2 epoch {epoch} offset 0 count 0 flags 0",
        f"   {bytes.fromhex(json.loads(identity)['log'])!r}",
        f"66 entries lane 2 epoch {epoch} offset 0 count 3 flags 0",
        "   b'first'",
        "   b''",
        f"   {bytes(range(256))!r}",
        f"{marked} entries lane 2 epoch {epoch} offset 3 count 1 flags 1",
        "   b'marked'",
        f"{marked + 60} gap lane 2 epoch {epoch} offset 4 count 1 flags 0",
        f"   {gap!r}",
        f"{marked + 60 + 50 + len(gap)} seal lane 2 epoch {epoch} offset 5 count 0 flags 0",
        f"   [(0, 66)] ({marked},)",
    ]


def test_the_small_files_have_the_members_of_the_page(tmp_path: Path) -> None:
    """Every member of either file is on the page, and no other."""
    with closing(DiskLog(tmp_path)) as log:
        log.register("reader")
    tables = dict(re.findall(r"\| `(\w+\.json)` \| \|\n\|---\|---\|\n((?:\|.*\n)*)", PAGE))

    for name, table in tables.items():
        members = json.loads((tmp_path / name).read_bytes().splitlines()[0])
        told = [member for first in re.findall(r"^\| (.*?) \|", table, re.MULTILINE) for member in re.findall(r"`(\w+)`", first)]
        assert sorted(told) == sorted(members)
    assert sorted(tables) == ["consumers.json", "log.json"]
