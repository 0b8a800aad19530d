"""The tutorial does what it says: its commands are run in the order in which they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial"


def test_the_commands_of_the_tutorial_do_what_it_says(tmp_path: Path) -> None:
    """Each block of commands in a shell; the mistake is told with its line, and everything else goes well."""
    said = _read_through("first-pipeline.md", tmp_path)

    assert len(said) == 10
    assert "`penstock dead list shop/orders.toml` shows them" in said[3]
    assert "1  run/orders  it is no JSON" in said[4]
    assert "orders.jsonl, line 79" in said[5]
    assert "{ this line is no JSON }\n" in said[5]
    assert "Nothing new" in said[6]
    assert "103 records received: 91 stored" in said[7]
    assert re.search(r"mistake.toml, line \d+: stages\[3\].filtr: `filtr` is no stage; did you mean `filter`", said[8])
    assert "orders.toml  completed with rejected rows" in said[9]


def test_a_first_run_goes_as_its_page_says(tmp_path: Path, reachable_folder: Path) -> None:
    """A run, a look at the table, a run that is killed and goes on, and one that finds nothing new."""
    said = _read_through("first-run.md", tmp_path, reachable_folder / "tutorial")

    assert len(said) == 5
    assert "page_view" in said[1]
    assert "Complete: nothing lost, nothing twice." in said[3]
    assert "Nothing new: 50,000 rows were stored before" in said[4]


def _read_through(page: str, folder: Path, home: Path | None = None) -> list[str]:
    """Each block of commands of a page in a shell, and what it said; the lines that the page shows have to be among that."""
    blocks = re.findall(r"```\n(.*?)```", (TUTORIAL / page).read_text(), re.DOTALL)
    said = list[str]()
    for block in blocks:
        if re.match(r"penstock|echo|sed|timeout", block):
            ended = _shell(block, folder, home or folder / "home")
            said.append(ended.stdout + ended.stderr)
            assert ended.returncode == (2 if "mistake" in block else 0), f"{block}\n{said[-1]}"
    shown = [line for block in blocks for line in block.splitlines() if line.startswith(" ")]
    assert [line for line in shown if line not in "".join(said)] == []
    return said


def _shell(commands: str, folder: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """In a shell that knows the command `penstock`."""
    program = folder / "bin" / "penstock"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m penstock "$@"\n')
    program.chmod(0o755)
    environment = os.environ | {
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "PENSTOCK_HOME": str(home),
        "PENSTOCK_PORT": "0",
    }
    command = ["sh", "-c", commands]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
