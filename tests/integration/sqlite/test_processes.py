"""Several processes and one SQLite file: positions, counts and dead letters stay one, and only one of them writes."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from penstock.engine.lease import LeaseSettings
from penstock.model.counts import Counts
from penstock.ports.checkpoints import LeaseHeld, Pipeline, Run
from penstock.stores.sqlite.checkpoints import SqliteCheckpoints
from penstock.stores.sqlite.database import Database
from penstock.stores.sqlite.errors import FileBusy
from penstock.testing import records
from tests.contract.benches import SqliteBench

NUMBERS = Pipeline("numbers", "numbers")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[SqliteBench]:
    """Our own look into the file."""
    bench = SqliteBench(tmp_path / "state.sqlite")
    yield bench
    await bench.close()


@contextmanager
def saving(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that saves blocks; killed at the end, if it is still there."""
    command = [sys.executable, "-m", "tests.integration.sqlite.saving", str(path), NUMBERS.name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def saved(process: subprocess.Popen[str], blocks: int) -> int:
    """Wait for so many blocks; the end of the last one."""
    assert process.stdout is not None
    return [int(process.stdout.readline()) for _ in range(blocks)][-1]


async def begun(checkpoints: SqliteCheckpoints) -> Run:
    """A run of this process, once the file is free: a process may have been stopped in the middle of a transaction."""
    while True:
        try:
            return await checkpoints.begin(NUMBERS, records.here())
        except FileBusy:
            continue


async def test_a_kill_at_any_moment_leaves_one_state(bench: SqliteBench, seed: int, scale: int) -> None:
    """After kills at drawn moments all that was acknowledged is covered, and the counts and the dead letters are of exactly that."""
    random = Random(f"sqlite kills {seed}")
    for _ in range(5 * scale):
        with saving(bench.path) as process:
            acknowledged = saved(process, random.randint(1, 30))
            process.kill()

        run = await bench.runs.begin(NUMBERS, records.here())
        (interval,) = (await bench.runs.progress(run)).coverage
        upto = records.number(interval.upto)
        await bench.ask("update penstock_pipelines set holder = null")

        assert upto >= acknowledged
        assert interval.counts == Counts(received=upto, stored=upto // 4 * 3, refused=upto // 4)
        assert len(await bench.dead_letters(NUMBERS)) == upto // 4


async def test_of_two_processes_one_works(bench: SqliteBench) -> None:
    """The second is turned away with the process of the first."""
    with saving(bench.path) as first:
        saved(first, 1)

        with pytest.raises(LeaseHeld, match=f"process {first.pid} on"):
            await bench.runs.begin(NUMBERS, records.here())


async def test_a_stopped_process_saves_nothing_behind_its_successor(bench: SqliteBench) -> None:
    """Woken up after another run has taken over, it finds its lease lost, and position, counts and dead letters as they were."""
    bench.runs.settings = LeaseSettings(ttl_s=0)
    with saving(bench.path) as first:
        saved(first, 5)
        first.send_signal(signal.SIGSTOP)
        run = await begun(bench.runs) if await _is_free(bench) else await _resumed(first, bench)
        before = await bench.runs.progress(run), await bench.dead_letters(NUMBERS)

        first.send_signal(signal.SIGCONT)
        said = first.communicate()[1]

    assert "LeaseLost" in said
    assert (await bench.runs.progress(run), await bench.dead_letters(NUMBERS)) == before


async def _is_free(bench: SqliteBench) -> bool:
    """Whether the process was stopped outside of a transaction."""
    database = Database(bench.path, busy_timeout_s=0.1)
    try:
        await database.transact(lambda connection: connection.execute("select 1"))
    except FileBusy:
        return False
    finally:
        await database.close()
    return True


async def _resumed(first: subprocess.Popen[str], bench: SqliteBench) -> Run:
    """Let the process come to the end of its transaction, and take over then."""
    first.send_signal(signal.SIGCONT)
    run = await begun(bench.runs)
    first.send_signal(signal.SIGSTOP)
    return run
