"""The column `event` as jsonb: whatever JSON an event holds, it is stored or refused, and never an error."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import uuid
from collections.abc import Iterator

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.engine.lease import this_process
from penstock.engine.ledger import check
from penstock.extract.events import JSONB_SCHEMA, SCHEMA
from penstock.extract.keys import Frontier
from penstock.ports.checkpoints import Pipeline, Run
from penstock.ports.flow import Batch, Block, BlockId, Receipt
from penstock.stores.postgres.checkpoints import PostgresCheckpoints
from penstock.stores.postgres.connections import Connections
from penstock.stores.postgres.destination import PostgresDestination
from penstock.stores.postgres.names import TableName
from penstock.stores.postgres.table import Table
from penstock.stores.tables import TableDoesNotFit

REFUSED = {
    "a NUL": '{"a": "\\u0000"}',
    "a lone surrogate": '{"a": "\\ud800"}',
    "a number beyond numeric": '{"a": 1e200000}',
    "nested too deeply": "[" * 100_000 + "]" * 100_000,
    "no JSON at all": '{"a": }',
    "Infinity": '{"a": Infinity}',
}
STORED = {
    "a key twice": ('{"a": 1, "a": 2}', {"a": 2}),
    "a large number": ('{"a": 1e3}', {"a": 1000}),
    "an emoji": ('"\\ud83d\\ude00"', "😀"),
}

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
)
texts = st.lists(values.map(json.dumps) | st.text(max_size=20).filter(lambda text: "\0" not in text), min_size=1, max_size=8)


class Store:
    """A destination in a loop of its own, so that many examples may share one database."""

    def __init__(self, url: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.connections = Connections(self._dial, this_process())
        self.url = url
        self.destination = PostgresDestination(Table(TableName("events"), ("id",)), PostgresCheckpoints(self.connections))
        self.run = self.loop.run_until_complete(self._begin())
        self.at = 10**9

    async def _dial(self) -> str:
        return self.url

    async def _begin(self) -> Run:
        return await self.destination.begin(Pipeline("jsonb", "texts"), this_process())

    def write(self, events: list[str]) -> tuple[Block, Receipt]:
        """Store these texts as events, in one block."""
        return self.loop.run_until_complete(self._write(events))

    async def _write(self, events: list[str]) -> tuple[Block, Receipt]:
        after, upto = Frontier(self.at).position("e"), Frontier(self.at - 1).position("e")
        self.at -= 1
        columns = {
            "id": [uuid.uuid4().bytes for _ in events],
            "occurred_at": [dt.datetime(2026, 1, 1, tzinfo=dt.UTC) for _ in events],
            **{name: [None] * len(events) for name in ("type", "name", "session_id", "user_id")},
            "event": events,
        }
        batch = Batch(pa.RecordBatch.from_pydict(columns, JSONB_SCHEMA), (), after, upto)
        block = Block(BlockId(Frontier(10**9).position("e"), after, upto), (batch,))
        async with self.destination.open(self.run, JSONB_SCHEMA) as writer:
            return block, await writer.write(block)

    def ask(self, sql: str) -> list[object]:
        """The first column of what the database answers."""
        return self.loop.run_until_complete(self._ask(sql))

    async def _ask(self, sql: str) -> list[object]:
        async with self.connections.take() as connection:
            return [row[0] for row in await connection.fetch(sql)]

    def prepare(self, schema: pa.Schema) -> None:
        """Hold the table against other columns."""
        self.loop.run_until_complete(self._prepare(schema))

    async def _prepare(self, schema: pa.Schema) -> None:
        async with self.destination.open(self.run, schema):
            pass

    def close(self) -> None:
        """Drop every connection."""
        self.connections.close()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """An empty table whose column `event` is jsonb."""
    store = Store(database_url)
    store.write(["{}"])
    yield store
    store.close()


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_what_jsonb_cannot_hold_is_refused(store: Store, text: str) -> None:
    """It goes to the dead letters as it was received, and its neighbours are stored."""
    _, receipt = store.write(['{"before": 1}', text, '{"after": 1}'])

    assert (receipt.stored, [verdict.row for verdict in receipt.refused]) == (2, [1])
    assert store.ask("select raw from penstock.dead_letters") == [text.encode()]
    assert store.ask("select count(*) from events") == [3]


@pytest.mark.parametrize(("text", "value"), STORED.values(), ids=STORED)
def test_what_jsonb_makes_of_a_text(store: Store, text: str, value: object) -> None:
    """It keeps values, not texts: of a key that is there twice the last value, of a number what it is worth."""
    store.write([text])

    assert json.loads(str(store.ask("select event::text from events where event <> '{}'")[0])) == value


def test_any_text_is_stored_or_refused(store: Store) -> None:
    """Whatever a block holds, its receipt accounts for every row, and the table has what it says."""

    @given(texts)
    def holds(events: list[str]) -> None:
        before = store.ask("select count(*) from events")[0]
        block, receipt = store.write(events)
        check(block, receipt)
        assert store.ask("select count(*) from events")[0] == before + receipt.stored  # type: ignore[operator]

    holds()


def test_a_table_of_the_other_kind(store: Store) -> None:
    """A table whose column is jsonb takes no texts that may not be JSON: the settings are held against it before anything is written."""
    with pytest.raises(TableDoesNotFit, match="event is jsonb, the rows have text"):
        store.prepare(SCHEMA)
