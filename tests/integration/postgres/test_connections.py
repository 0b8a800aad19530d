"""The connections of a process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import asyncpg
import pytest

from penstock.ports.checkpoints import Holder
from penstock.stores.postgres.connections import Connections, SyncCommit, application_name
from penstock.stores.postgres.errors import DatabaseUnreachable
from penstock.testing import records
from tests.contract.benches import PostgresBench


@dataclass
class Dialled:
    """Says where the database is, and takes note of being asked."""

    urls: list[str]
    asked: int = 0
    connections: Connections = field(init=False)

    def __post_init__(self) -> None:
        self.connections = Connections(self._dial, records.gone(0x6FFF))

    async def _dial(self) -> str:
        self.asked += 1
        await asyncio.sleep(0)
        return self.urls[0]

    async def say(self, sql: str) -> object:
        """Ask the database."""
        async with self.connections.take() as connection:
            return await connection.fetchval(sql)


@pytest.fixture
async def dialled(shared_url: str) -> AsyncIterator[Dialled]:
    """Not connected yet."""
    dialled = Dialled([shared_url])
    yield dialled
    dialled.connections.close()


async def test_who_ask_at_once_share_a_pool(dialled: Dialled) -> None:
    """However many need the first connection at the same moment, one pool is made."""
    names = await asyncio.gather(*(dialled.say("show application_name") for _ in range(5)))

    assert set(names) == {dialled.connections.name}
    assert dialled.connections._pools == 1


async def test_the_same_address_keeps_its_connections(dialled: Dialled) -> None:
    """Asking for the address again, as every pass does, is free while the server is where it was."""
    before = await dialled.say("select pg_backend_pid()")

    await dialled.connections.refresh()

    assert await dialled.say("select pg_backend_pid()") == before
    assert dialled.asked == 2


async def test_another_address_is_followed(dialled: Dialled, database_url: str) -> None:
    """A server that came back somewhere else is connected to there, and old connections are dropped."""
    await dialled.say("select 1")
    dialled.urls[0] = database_url

    await dialled.connections.refresh()

    assert await dialled.say("select current_database()") == database_url.rpartition("/")[2]


async def test_closing_is_not_the_end(dialled: Dialled) -> None:
    """Closed connections are made again when they are needed, under a name of their own, and closing twice is no error."""
    before = await dialled.say("show application_name")

    dialled.connections.close()
    dialled.connections.close()

    assert await dialled.say("show application_name") != before


def test_names_fit_and_tell_holders_apart() -> None:
    """The server keeps 63 bytes of a name, and both process and pool are within them."""
    holder = Holder("host", "01234567-89ab-cdef-0123-456789abcdef", 2**22, 2**40)

    names = {application_name(holder, 2**20), application_name(holder, 1), application_name(Holder("host", holder.boot, 1, 1), 1)}

    assert len({name.encode()[:63] for name in names}) == 3


@pytest.mark.parametrize("sync_commit", ["off", "on"])
async def test_a_transaction_waits_for_the_disk_or_not(dialled: Dialled, sync_commit: SyncCommit) -> None:
    """The setting holds within the transaction, and only there."""
    async with dialled.connections.transaction(sync_commit) as connection:
        within = await connection.fetchval("show synchronous_commit")

    assert within == sync_commit
    assert await dialled.say("show synchronous_commit") == "on"


async def test_an_error_rolls_back(dialled: Dialled) -> None:
    """Nothing of a transaction that failed is there, and its connection is good for the next."""
    await dialled.say("create table if not exists scrap (number int)")

    async def fail() -> None:
        async with dialled.connections.transaction("on") as connection:
            await connection.execute("insert into scrap values (1)")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()

    assert await dialled.say("select count(*) from scrap") == 0


async def test_being_cancelled_cuts_the_connection(dialled: Dialled) -> None:
    """Whoever is cancelled in a transaction does not wait for the server: the connection is gone, and the transaction with it."""
    pid: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def hang() -> None:
        async with dialled.connections.transaction("on") as connection:
            pid.set_result(await connection.fetchval("select pg_backend_pid()"))
            await connection.execute("select pg_sleep(3600)")

    hanging = asyncio.create_task(hang())
    cut = await pid
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging

    assert await dialled.say("select pg_backend_pid()") != cut


@pytest.mark.parametrize("moment", range(5))
async def test_being_cancelled_is_not_mistaken_for_a_failure(dialled: Dialled, moment: int) -> None:
    """Also where the connection was cut a moment before, who is cancelled does not come back with a failure that can be tried again."""
    sleeping = asyncio.Event()

    async def hang() -> None:
        async with dialled.connections.transaction("on") as connection:
            sleeping.set()
            await connection.execute("select pg_sleep(3600)")

    hanging = asyncio.create_task(hang())
    await sleeping.wait()
    dialled.connections.close()
    for _ in range(moment):
        await asyncio.sleep(0)
    already_over = hanging.done()
    hanging.cancel()

    with pytest.raises(DatabaseUnreachable if already_over else asyncio.CancelledError):
        await hanging


async def test_the_first_failure_counts(dialled: Dialled) -> None:
    """What failed in a transaction is what is told, also where its connection was cut by then."""

    async def fail() -> None:
        async with dialled.connections.transaction("on"):
            dialled.connections.close()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()


async def test_a_server_that_ends_the_session_is_unreachable(dialled: Dialled) -> None:
    """Being cut off in the middle is a passing failure, and the next connection is a new one."""
    with pytest.raises(DatabaseUnreachable):
        async with dialled.connections.transaction("on") as connection:
            await connection.execute("select pg_terminate_backend(pg_backend_pid())")

    assert await dialled.say("select true")


async def test_a_link_cut_between_two_messages_is_unreachable(dialled: Dialled, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link that is gone after a statement was prepared, and before it is executed, is a link that is gone; asyncpg calls it otherwise."""
    prepare = asyncpg.Connection._get_statement  # type: ignore[attr-defined]

    async def prepare_and_cut(connection: asyncpg.Connection[asyncpg.Record], *args: object, **options: object) -> object:
        statement = await prepare(connection, *args, **options)
        connection.terminate()
        return statement

    monkeypatch.setattr(asyncpg.Connection, "_get_statement", prepare_and_cut)

    with pytest.raises(DatabaseUnreachable):
        async with dialled.connections.take() as connection:
            await connection.fetchval("select $1::int", 1)


async def test_a_defect_of_ours_is_no_cut_link(dialled: Dialled) -> None:
    """An attribute that does not exist, on a link that stands, stays what it is."""
    with pytest.raises(AttributeError):
        async with dialled.connections.take():
            raise AttributeError("nobody has it")


async def test_a_pool_that_could_not_be_set_up_is_dropped(bench: PostgresBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the first statement fails, no connection stays open, and the next attempt begins anew."""

    async def fail(_: object) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as patch:
        patch.setattr("penstock.stores.postgres.connections.migrate", fail)
        with pytest.raises(DatabaseUnreachable):
            await bench.ask("select 1")

    open_ones = await bench.ask(
        "select count(*) as sessions from pg_stat_activity where application_name like $1", f"{bench.runs.connections.name[:-1]}%"
    )
    assert open_ones[0]["sessions"] == 1
