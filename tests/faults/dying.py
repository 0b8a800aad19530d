"""The real command, which stops itself at a chosen call: `python -m tests.faults.dying CALL NUMBER SIGNAL before|after ARGUMENT...`."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from penstock.cli import main

CALLS = {
    "fsync": ("os", "fsync"),
    "rename": ("pathlib", "Path.rename"),
    "publish": ("penstock.stores.files.written", "WrittenFile._publish"),
    "link": ("penstock.stores.parquet.generations", "ParquetGenerations._link"),
    "symlink": ("pathlib", "Path.symlink_to"),
    "rmtree": ("shutil", "rmtree"),
    "encode json": ("penstock.stores.jsonl.writing", "JsonLines.encode"),
    "encode csv": ("penstock.stores.csv.writing", "CsvRecords.encode"),
    "confirm": ("penstock.stores.sqlite.checkpoints", "SqliteCheckpoints.advance_within"),
}


def strike(call: str, number: int, sign: signal.Signals, when: str) -> None:
    """Let the process meet `sign` at call `number`, counted from one, of a function."""
    module, path = CALLS[call]
    *owners, name = path.split(".")
    owner: Any = importlib.import_module(module)
    for part in owners:
        owner = getattr(owner, part)
    original: Callable[..., Any] = getattr(owner, name)
    left = number

    def struck(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever the function takes
        nonlocal left
        left -= 1
        if left == 0 and when == "before":
            os.kill(os.getpid(), sign)
        result = original(*arguments, **named)
        if left == 0 and when == "after":
            os.kill(os.getpid(), sign)
        return result

    setattr(owner, name, struck)


if __name__ == "__main__":
    call, number, sign, when, *arguments = sys.argv[1:]
    strike(call, int(number), signal.Signals[sign], when)
    sys.exit(main(arguments))
