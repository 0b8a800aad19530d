"""What it costs to ask for help.

    .venv/bin/python benchmarks/startup.py [--rounds 20]

Processor time of `penstock --help`, beside that of an empty Python program, interleaved.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

COMMANDS = {
    "penstock --help": [str(Path(sys.executable).with_name("penstock")), "--help"],
    "python -c ''": [sys.executable, "-c", ""],
}


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    spent: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(parser.parse_args().rounds):
        for name, command in COMMANDS.items():
            child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            _, _, usage = os.wait4(child.pid, 0)
            child.returncode = 0
            spent[name].append((usage.ru_utime + usage.ru_stime) * 1000)
    for name, values in spent.items():
        print(f"{name:<16}{statistics.median(values):6.1f} ms processor time ({min(values):.1f} to {max(values):.1f})")


if __name__ == "__main__":
    main()
