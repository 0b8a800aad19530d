"""What failures of PostgreSQL mean to the engine."""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import urlsplit

import asyncpg
import pytest

from penstock.model.errors import Fatal, Misconfigured, PenstockError, Refused, Transient, TryLater
from penstock.ports.checkpoints import LeaseLost
from penstock.stores.postgres.connections import Connections
from penstock.stores.postgres.errors import (
    DatabaseFailed,
    DatabaseFull,
    DatabaseRefuses,
    DatabaseUnreachable,
    KeyTaken,
    NoPermission,
    TurnedAway,
    UnusableAddress,
    translated,
)
from penstock.testing import records
from tests.integration.postgres.conftest import execute


async def connect(url: str) -> None:
    """As a process does."""

    async def dial() -> str:
        return url

    connections = Connections(dial, records.here())
    try:
        async with connections.take():
            pass
    finally:
        connections.close()


def changed(url: str, *, user: str | None = None, password: str | None = None, port: int | None = None, database: str | None = None) -> str:
    """The same address, but for something."""
    parts = urlsplit(url)
    login = f"{user or parts.username}:{password or parts.password}"
    return f"postgresql://{login}@{parts.hostname}:{port or parts.port}/{database or parts.path[1:]}"


async def test_a_wrong_password_is_a_mistake(shared_url: str) -> None:
    """It is not tried again, and the password is not shown."""
    with pytest.raises(DatabaseRefuses, match="password authentication failed") as failure:
        await connect(changed(shared_url, password="wr0ng"))

    assert failure.value.exit_code == 2
    assert "wr0ng" not in str(failure.value)


async def test_an_unknown_database_is_a_mistake(shared_url: str) -> None:
    """It is not made, and its name is told."""
    with pytest.raises(DatabaseRefuses, match='"nowhere" does not exist'):
        await connect(changed(shared_url, database="nowhere"))


async def test_a_role_without_permission_is_told_what_it_needs(shared_url: str) -> None:
    """Who may not make the schema learns which permission is missing."""
    await execute(shared_url, "create role guest login password 'guest'")
    await execute(shared_url, "create database bare")
    bare = changed(shared_url, database="bare")
    try:
        with pytest.raises(NoPermission, match="permission denied for database bare") as failure:
            await connect(changed(bare, user="guest", password="guest"))
    finally:
        await execute(shared_url, "drop database bare with (force)")
        await execute(shared_url, "drop role guest")

    assert "CREATE" in failure.value.hint
    assert failure.value.exit_code == 2


async def test_nobody_there_is_a_passing_failure(shared_url: str) -> None:
    """A port on which nothing listens, and a name that nobody has."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(DatabaseUnreachable):
            await connect(changed(shared_url, port=taken.getsockname()[1]))
    with pytest.raises(DatabaseUnreachable):
        await connect("postgresql://u:p@nowhere.invalid/d")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://u:p4ss@h/d", "scheme is expected"),
        ("not an address", "scheme is expected"),
        ("postgresql://u:p4ss@h:p4ss/d", "its port is not a number"),
        ("postgresql://u:p4ss@127.0.0.1:99999/d", "its port is not one of 1 to 65535"),
        (f"postgresql://u:p4ss@{'h' * 70}.example/d", "its host is not the name of one"),
        ("postgresql://u:p4ss@h/d?sslmode=perhaps", "sslmode"),
    ],
)
async def test_an_address_that_cannot_be_read_is_a_mistake(url: str, reason: str) -> None:
    """It is not dialled again and again, and nothing secret in it is shown."""
    with pytest.raises(UnusableAddress, match=reason) as failure:
        await connect(url)

    assert "p4ss" not in str(failure.value)
    assert failure.value.exit_code == 2


@pytest.mark.parametrize(
    ("raised", "kind", "branch"),
    [
        (asyncpg.InvalidPasswordError("x"), DatabaseRefuses, Misconfigured),
        (asyncpg.InvalidCatalogNameError("x"), DatabaseRefuses, Misconfigured),
        (asyncpg.InsufficientPrivilegeError("x"), NoPermission, Fatal),
        (asyncpg.DiskFullError("x"), DatabaseFull, TryLater),
        (asyncpg.OutOfMemoryError("x"), DatabaseFull, TryLater),
        (asyncpg.UniqueViolationError("x"), KeyTaken, Refused),
        (asyncpg.AdminShutdownError("x"), DatabaseUnreachable, Transient),
        (asyncpg.CannotConnectNowError("x"), DatabaseUnreachable, Transient),
        (asyncpg.CrashShutdownError("x"), DatabaseUnreachable, Transient),
        (asyncpg.ConnectionDoesNotExistError("x"), DatabaseUnreachable, Transient),
        (asyncpg.TooManyConnectionsError("x"), DatabaseUnreachable, Transient),
        (asyncpg.DeadlockDetectedError("x"), DatabaseUnreachable, Transient),
        (asyncpg.SerializationError("x"), DatabaseUnreachable, Transient),
        (asyncpg.LockNotAvailableError("x"), DatabaseUnreachable, Transient),
        (asyncpg.InterfaceError("x"), DatabaseUnreachable, Transient),
        (asyncpg.InternalClientError("x"), DatabaseUnreachable, Transient),
        (ConnectionResetError("x"), DatabaseUnreachable, Transient),
        (TimeoutError(), DatabaseUnreachable, Transient),
        (OSError("x"), DatabaseUnreachable, Transient),
        (asyncpg.UndefinedTableError("x"), DatabaseFailed, Fatal),
        (asyncpg.CheckViolationError("x"), TurnedAway, Refused),
        (asyncpg.DataError("x"), TurnedAway, Refused),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_each_failure_has_its_meaning(raised: Exception, kind: type[PenstockError], branch: type[PenstockError]) -> None:
    """What will pass is tried again, what is full will do later, what is wrong is told."""
    with pytest.raises(kind) as failure, translated():
        raise raised

    assert isinstance(failure.value, branch)
    assert failure.value.__cause__ is raised


@pytest.mark.parametrize("raised", [LeaseLost("ours"), KeyError("a defect"), asyncio.CancelledError()])
def test_what_is_not_of_the_database_passes(raised: BaseException) -> None:
    """Errors of ours, defects and cancellation are what they are."""
    with pytest.raises(type(raised)) as failure, translated():
        raise raised

    assert failure.value is raised


def test_a_failure_without_words_is_named_by_its_kind() -> None:
    """A message is never empty after its colon."""
    with pytest.raises(DatabaseUnreachable, match="The database did not answer: TimeoutError"), translated():
        raise TimeoutError
