"""A process that saves one block after another: `python -m tests.integration.sqlite.saving FILE PIPELINE`."""

from __future__ import annotations

import asyncio
import sys
from itertools import count
from pathlib import Path

from penstock.engine.lease import this_process
from penstock.model.errors import PenstockError
from penstock.ports.checkpoints import Pipeline
from penstock.ports.flow import Receipt
from penstock.stores.sqlite.checkpoints import SqliteCheckpoints
from penstock.stores.sqlite.database import Database
from penstock.testing import records


async def save_on(path: Path, name: str) -> None:
    """Go on behind what is stored until somebody else takes over, with one refused record to each block of four."""
    database = Database(path)
    checkpoints = SqliteCheckpoints(database)
    run = await checkpoints.begin(Pipeline(name, "numbers"), this_process())
    covered = records.covered(await checkpoints.progress(run))
    for low in count(covered[0][1] if covered else 0, 4):
        block = records.block(low, low + 4, strand=0, refused=[low])
        await checkpoints.save(run, block, Receipt(block.rows))
        print(low + 4, flush=True)  # noqa: T201  # tells the test that it is committed


if __name__ == "__main__":
    try:
        asyncio.run(save_on(Path(sys.argv[1]), sys.argv[2]))
    except PenstockError as error:
        sys.exit(f"{type(error).__name__}: {error}")
