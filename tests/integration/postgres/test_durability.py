"""What is on disk, and when: commits that do not wait for it, settling, and a server that is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import asyncpg
import pyarrow as pa
import pytest

from penstock.engine.run import EngineSettings, Transfer
from penstock.engine.telemetry import Telemetry
from penstock.ports.checkpoints import Pipeline
from penstock.ports.flow import Batch
from penstock.ports.source import Partition, Plan, Progress, Source, Splittable
from penstock.stores.postgres.connections import SyncCommit
from penstock.stores.postgres.embedded.server import EmbeddedServer
from penstock.stores.postgres.embedded.settings import EmbeddedSettings
from penstock.stores.postgres.errors import DatabaseUnreachable
from penstock.stores.postgres.names import quoted
from penstock.testing import records
from penstock.testing.destinations import total
from tests.contract.benches import PostgresBench, PostgresDestinationBench


@pytest.fixture(scope="module")
def lazy(reachable_folder: Path) -> Iterator[EmbeddedServer]:
    """A server of our own that writes its log to disk only when it has to: every 10 s, or when a commit waits for it."""
    home = Path(tempfile.mkdtemp(dir=reachable_folder))
    home.chmod(0o755)
    with EmbeddedServer(EmbeddedSettings(home)) as server:
        asyncio.run(_make_lazy(server.url))
        yield server


async def _make_lazy(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("alter system set wal_writer_delay = '10s'")
    await connection.execute("alter system set wal_writer_flush_after = '1GB'")
    await connection.execute("select pg_reload_conf()")
    await connection.close()


@pytest.fixture
async def lazy_bench(lazy: EmbeddedServer) -> AsyncIterator[PostgresDestinationBench]:
    """A destination in it, which brings it back when it is gone."""

    async def dial() -> str:
        await asyncio.to_thread(lazy.restart_if_dead)
        return lazy.url

    bench = PostgresBench(lazy.url)
    bench.runs.connections.dial = dial
    yield PostgresDestinationBench(bench)
    await bench.close()


def kill(server: EmbeddedServer) -> None:
    """Kill -9, the server and all of its processes: what was in its memory is gone."""
    assert server._started is not None
    postmaster = server._started.pid
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    for pid in (postmaster, *map(int, children)):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("sync_commit", ["off", "on"])
async def test_writes_wait_for_the_disk_or_not(bench: PostgresBench, pipeline: Pipeline, sync_commit: SyncCommit) -> None:
    """The transaction that stores rows has the setting of the destination, seen from within."""
    destination_bench = PostgresDestinationBench(bench, sync_commit)
    name = destination_bench.table.name.name
    run = await destination_bench.runs.begin(pipeline, bench.next_holder())
    async with destination_bench.runs.open(run, records.SCHEMA) as writer:
        await bench.ask(WITNESS.format(function=quoted(f"f {name}"), table=quoted(name), seen=quoted(f"seen {name}")))
        await writer.write(records.block(0, 4))

    assert [row["setting"] for row in await bench.ask(f"select setting from {quoted(f'seen {name}')}")] == [sync_commit]


WITNESS = """
    do $do$ begin
        create table {seen} (setting text);
        create function {function}() returns trigger language plpgsql as $$
            begin insert into {seen} values (current_setting('synchronous_commit')); return null; end $$;
        create trigger witness after insert on {table} execute function {function}();
    end $do$"""
"""A trigger that writes down the setting of each statement that inserts."""


async def test_settling_makes_commits_durable(lazy_bench: PostgresDestinationBench, pipeline: Pipeline) -> None:
    """Commits that did not wait are in the server's memory until `settle` returns, and then on its disk."""
    bench = lazy_bench.checkpoints
    run = await lazy_bench.runs.begin(pipeline, bench.next_holder())
    async with lazy_bench.runs.open(run, records.SCHEMA) as writer:
        await writer.write(records.block(0, 4))
        committed = (await bench.ask("select pg_current_wal_insert_lsn() as place"))[0]["place"]
        before = (await bench.ask("select pg_current_wal_flush_lsn() as place"))[0]["place"]
        await writer.settle()
        after = (await bench.ask("select pg_current_wal_flush_lsn() as place"))[0]["place"]

    assert before < committed <= after


async def test_a_killed_server_forgets_rows_and_positions_alike(
    lazy: EmbeddedServer, lazy_bench: PostgresDestinationBench, pipeline: Pipeline
) -> None:
    """Whatever commits were lost with it, coverage says what is there; what was settled is, and the same run carries the rest."""
    bench = lazy_bench.checkpoints
    run = await lazy_bench.runs.begin(pipeline, bench.next_holder())
    await lazy_bench.runs.freeze(run, records.scope(40))

    async def write_until_it_is_killed() -> None:
        async with lazy_bench.runs.open(run, records.SCHEMA) as writer:
            await writer.write(records.block(0, 8))
            await writer.write(records.block(20, 24))
            await writer.settle()
            await writer.write(records.block(8, 16, strand=0))
            await writer.write(records.block(24, 30, strand=20))
            kill(lazy)
            await writer.write(records.block(30, 34, strand=20))

    with pytest.raises(DatabaseUnreachable):
        await write_until_it_is_killed()
    found = await lazy_bench.runs.progress(run)
    stored = await lazy_bench.stored()
    transfer = Transfer(run, records.source(40), lazy_bench.runs, EngineSettings(), Telemetry(), asyncio.Event())
    done = await transfer.carry()

    assert records.covered(found) == [(0, 8), (20, 24)]
    assert set(stored) == records.numbers(found.coverage)
    assert sorted(await lazy_bench.stored()) == list(range(40))
    assert (total(done).stored, total(done).duplicate) == (40, 0)


@dataclass
class Killing:
    """A source in the middle of which the server is killed."""

    AT: ClassVar[int] = 150

    inner: Source
    server: EmbeddedServer
    read_batches: int = 0

    releasing = growing = None

    @property
    def splitting(self) -> Splittable | None:
        """That of the inner one."""
        return self.inner.splitting

    @property
    def schema(self) -> pa.Schema:
        """Columns of the inner one."""
        return self.inner.schema

    async def plan(self, done: Progress) -> Plan:
        """As the inner one does."""
        return await self.inner.plan(done)

    async def read(self, partition: Partition) -> AsyncGenerator[Batch, None]:
        """As the inner one does, until it is time."""
        async for batch in self.inner.read(partition):
            self.read_batches += 1
            if self.read_batches == self.AT:
                kill(self.server)
            yield batch


async def test_a_run_outlives_its_server(lazy: EmbeddedServer, lazy_bench: PostgresDestinationBench, pipeline: Pipeline) -> None:
    """A server that is killed in the middle of a run comes back, and the run ends with every row once and counts that say so."""
    bench = lazy_bench.checkpoints
    run = await lazy_bench.runs.begin(pipeline, bench.next_holder())
    source, telemetry = Killing(records.source(4_000, partition_rows=1_000, batch_rows=10), lazy), Telemetry()
    settings = EngineSettings(workers=4, reconnect_first_s=0.01)

    done = await Transfer(run, source, lazy_bench.runs, settings, telemetry, asyncio.Event()).carry()

    assert source.read_batches > Killing.AT
    assert telemetry.counters["reconnects_total"] >= 1
    assert sorted(await lazy_bench.stored()) == list(range(4_000))
    assert (total(done).received, total(done).stored, total(done).duplicate) == (4_000, 4_000, 0)


async def test_what_a_dead_run_had_committed_is_durable_before_the_next_begins(
    lazy: EmbeddedServer, lazy_bench: PostgresDestinationBench, pipeline: Pipeline
) -> None:
    """A run that finds everything carried and only has to prove it relies on nothing that is not on disk."""
    bench = lazy_bench.checkpoints
    first = await lazy_bench.runs.begin(pipeline, records.gone(0x5FFF))
    async with lazy_bench.runs.open(first, records.SCHEMA) as writer:
        await writer.write(records.block(0, 8))
    await lazy_bench.runs.begin(pipeline, bench.next_holder())
    kill(lazy)
    with pytest.raises(DatabaseUnreachable):
        await bench.ask("select 1")
    bench.cut()

    assert sorted(await lazy_bench.stored()) == list(range(8))
