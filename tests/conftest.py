"""What every test may use: a real PostgreSQL, a fresh database in it, and the counts of randomised tests."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import hypothesis
import pytest

from penstock.stores.postgres.embedded.server import EmbeddedServer
from penstock.stores.postgres.embedded.settings import EmbeddedSettings

LONG = os.environ.get("PENSTOCK_TEST_SCALE") == "long"

SEED = int(os.environ.get("PENSTOCK_TEST_SEED") or random.SystemRandom().randrange(2**31))
os.environ["PENSTOCK_TEST_SEED"] = str(SEED)  # processes that share the tests out among them draw the same

hypothesis.settings.register_profile("short", max_examples=40, deadline=None)
hypothesis.settings.register_profile("long", max_examples=1_000, deadline=None)
hypothesis.settings.load_profile("long" if LONG else "short")


def pytest_report_header() -> str:
    """Print the seed of randomised tests; PENSTOCK_TEST_SEED=... repeats a run's draws."""
    return f"penstock: seed {SEED}{', long' if LONG else ''}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the slowest folder: a campaign of kills that begins last would be waited for alone."""
    faults = Path(__file__).parent / "faults"
    items.sort(key=lambda item: not item.path.is_relative_to(faults))


@pytest.fixture(scope="session")
def seed() -> int:
    """The seed of this session's randomised tests."""
    return SEED


@pytest.fixture(scope="session")
def scale() -> int:
    """How many times more of a randomised test `--long` asks for."""
    return 10 if LONG else 1


@pytest.fixture(scope="session")
def reachable_folder() -> Iterator[Path]:
    """A folder that an unprivileged database account can reach, which pytest's own is not for root."""
    folder = Path(tempfile.mkdtemp(prefix="penstock-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(reachable_folder: Path) -> Iterator[EmbeddedServer]:
    """A real PostgreSQL for the whole session."""
    with EmbeddedServer(EmbeddedSettings(reachable_folder / "session")) as server:
        yield server


@pytest.fixture
def database_url(postgres: EmbeddedServer) -> Iterator[str]:
    """A database of its own for one test."""
    name = f"test_{uuid.uuid4().hex}"
    asyncio.run(_execute(postgres.url, f'create database "{name}"'))
    yield f"{postgres.url.rpartition('/')[0]}/{name}"
    asyncio.run(_execute(postgres.url, f'drop database "{name}" with (force)'))


async def _execute(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
