"""Two runs of one pipeline: only one of them ever writes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator

import asyncpg
import pytest

from tests.faults.campaign import PENSTOCK, simulator

TTL_S = 8.0
"""Longer than a busy machine needs to start a run."""


@pytest.fixture
def environment(database_url: str, seed: int) -> Iterator[dict[str, str]]:
    """A slow API and a database of its own."""
    with simulator("--events=20000", f"--seed={seed}", "--latency=0.05") as api:
        yield (
            os.environ
            | api
            | {"DATABASE_URL": database_url, "BATCH_SIZE": "100", "PENSTOCK_LEASE_SECONDS": str(TTL_S), "PENSTOCK_PORT": "0"}
        )


def test_a_paused_run_writes_nothing_after_its_successor_took_over(environment: dict[str, str]) -> None:
    """Run 1 is stopped in the middle, run 2 takes over once its heartbeat is stale, and run 1, woken up again, stores not one row."""
    first = _start(environment)
    _wait_for_rows(environment, 1_000)
    first.send_signal(signal.SIGSTOP)

    early = subprocess.run(_command(), env=environment, capture_output=True, text=True, check=False)
    second = _start(environment)
    while (fence := _ask(environment, "select fence from penstock.pipelines")) == 1:
        if second.poll() is not None:
            second.communicate()
            second = _start(environment)
    first.send_signal(signal.SIGCONT)
    said = first.communicate(timeout=60)[1]
    second.communicate(timeout=60)

    assert early.returncode == 75
    assert f"process {first.pid} on" in early.stderr
    assert fence == 2
    assert first.returncode == 75, said
    assert "taken over" in said
    assert second.returncode == 0
    assert _ask(environment, "select count(*) from ingested_events") == 20_000
    assert _ask(environment, "select sum(received)::int from penstock.coverage") == 20_000


def test_a_run_that_was_paused_to_the_end_of_its_successor_changes_nothing(environment: dict[str, str]) -> None:
    """Woken up after run 2 has completed, run 1 finds itself replaced, says so, and leaves table, coverage and history as they are."""
    first = _start(environment)
    _wait_for_rows(environment, 1_000)
    first.send_signal(signal.SIGSTOP)
    while subprocess.run(_command(), env=environment, capture_output=True, check=False).returncode == 75:
        pass
    before = _ask(environment, "select md5(string_agg(c::text, ' ' order by strand)) from penstock.coverage c")

    first.send_signal(signal.SIGCONT)
    first.communicate(timeout=60)

    assert first.returncode == 75
    assert _ask(environment, "select md5(string_agg(c::text, ' ' order by strand)) from penstock.coverage c") == before
    assert _ask(environment, "select count(*) from ingested_events") == 20_000
    assert _ask(environment, "select string_agg(state, ', ' order by fence) from penstock.runs") == "interrupted, completed"


def test_of_two_runs_at_once_the_second_says_who_is_at_work(environment: dict[str, str]) -> None:
    """Exit code 75, the holder's process and host, and what to do."""
    first = _start(environment)
    _wait_for_rows(environment, 100)

    second = subprocess.run(_command(), env=environment, capture_output=True, text=True, check=False)
    first.terminate()
    first.communicate(timeout=60)

    assert second.returncode == 75
    assert f"process {first.pid} on" in second.stderr
    assert "Wait for it to end" in second.stderr
    assert first.returncode == 128 + signal.SIGTERM


def _command() -> list[str]:
    return [*PENSTOCK, "extract", "--json", "--progress", "log"]


def _start(environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(_command(), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _wait_for_rows(environment: dict[str, str], rows: int) -> None:
    while int(str(_ask(environment, "select count(*) from ingested_events") or 0)) < rows:
        pass


def _ask(environment: dict[str, str], sql: str) -> object:
    async def ask() -> object:
        connection = await asyncpg.connect(environment["DATABASE_URL"])
        try:
            return await connection.fetchval(sql)
        except asyncpg.UndefinedTableError:
            return None
        finally:
            await connection.close()

    return asyncio.run(ask())
