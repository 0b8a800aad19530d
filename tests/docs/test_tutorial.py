"""The tutorial does what it says: its commands are run in the order in which they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tutorial" / "first-pipeline.md").read_text()


def test_the_commands_of_the_tutorial_do_what_it_says(tmp_path: Path) -> None:
    """Each block of commands in a shell; the mistake is told with its line, and everything else goes well."""
    blocks = [block for block in re.findall(r"```\n(.*?)```", PAGE, re.DOTALL) if re.match(r"penstock|echo|sed", block)]
    shown = [line for block in re.findall(r"```\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines() if line.startswith(" ")]
    said = list[str]()

    for block in blocks:
        ended = _shell(block, tmp_path)
        said.append(ended.stdout + ended.stderr)
        assert ended.returncode == (2 if "mistake" in block else 0), f"{block}\n{said[-1]}"

    assert len(blocks) == 8
    assert [line for line in shown if line not in "".join(said)] == []
    assert "Nothing new" in said[4]
    assert "103 records received: 91 stored" in said[5]
    assert re.search(r"mistake.toml, line \d+: stages\[3\].filtr: `filtr` is no stage; did you mean `filter`", said[6])
    assert "orders.toml  completed with rejected rows" in said[7]


def _shell(commands: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """In a shell that knows the command `penstock`."""
    program = folder / "bin" / "penstock"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m penstock "$@"\n')
    program.chmod(0o755)
    environment = os.environ | {
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "PENSTOCK_HOME": str(folder / "home"),
        "PENSTOCK_PORT": "0",
    }
    command = ["sh", "-c", commands]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
