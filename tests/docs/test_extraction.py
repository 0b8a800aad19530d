"""The commands of the how-to on extraction do what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs/how-to/extraction.md"
COMMANDS = [block.strip() for block in re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL) if "penstock extract" in block]
SAID = ["Latency of a full page", "Complete: nothing lost, nothing twice.", "Attempts left: 4."]


@pytest.mark.parametrize(("command", "said"), list(zip(COMMANDS, SAID, strict=True)), ids=["explore", "run", "submit"])
def test_a_command_of_the_page(command: str, said: str, reachable_folder: Path) -> None:
    """Against the simulated API each command ends well and prints what the page shows."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PATH", "PYTHONPATH", "COVERAGE", "LANG"))}
    settings = {"PENSTOCK_HOME": str(reachable_folder / "how-to"), "PENSTOCK_PORT": "0", "PENSTOCK_EVENTS": "3000", "HOME": "/nonexistent"}
    line = command.replace("penstock extract", f"{sys.executable} -m penstock extract")

    run = subprocess.run(["/bin/sh", "-c", line], env=kept | settings, capture_output=True, text=True, check=False, timeout=120)

    assert (run.returncode, said in run.stdout) == (0, True), run.stderr
