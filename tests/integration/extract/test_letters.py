"""Dead letters once more: what becomes of them, and that the proof still holds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.engine.lease import this_process
from penstock.extract import letters
from penstock.extract.events import JSONB_SCHEMA, alone
from penstock.extract.letters import NotEvents, Retried, retry
from penstock.ports.bookkeeping import Choice
from penstock.ports.bookkeeping import pipeline as known
from penstock.ports.checkpoints import LeaseHeld, Pipeline, PositionMoved
from penstock.simulate.datasync import running
from penstock.simulate.settings import DataSyncSettings
from penstock.stores.postgres.bookkeeping import PostgresBookkeeping
from penstock.stores.postgres.checkpoints import PostgresCheckpoints
from penstock.stores.postgres.connections import Connections
from penstock.stores.tables import TableGone
from tests.unit.extract.bodies import raw_event
from tests.unit.extract.keyset import Keyset, Told, told

from .bench import EXTRACTION, Bench, double_instead_of_http

API = DataSyncSettings(events=600, seed=9, days=1.0, undecodable=0.05)
PIPELINE = "extract/ingested_events"


class Nul(Told):
    """An event that text holds and jsonb does not."""

    @property
    def raw(self) -> bytes:
        """With a NUL in a member that has no column of its own."""
        return Told.raw.fget(self).replace(b'"x":0', b'"x":"\\u0000"')  # type: ignore[attr-defined, no-any-return]


async def retried(bench: Bench, choice: Choice = Choice()) -> Retried:  # noqa: B008 - immutable
    """What became of letters."""
    connections = Connections(bench.dial, this_process())
    try:
        state = await known(PostgresBookkeeping(connections), PIPELINE)
        return await retry(connections, Pipeline(state.name, state.source), choice)
    finally:
        connections.close()


@pytest.fixture
def with_nul(monkeypatch: pytest.MonkeyPatch) -> Keyset:
    """Sixty events, a third of which jsonb cannot hold."""
    double = Keyset([(Nul if number % 3 == 0 else Told)(number, number) for number in range(60)])
    double_instead_of_http(monkeypatch, double)
    return double


async def test_letters_that_can_be_stored_by_now(bench: Bench, with_nul: Keyset) -> None:
    """What jsonb could not hold is stored once the column is text, its counts change with it, and the next proof is complete."""
    first = await bench.extract(replace(EXTRACTION, jsonb=True))
    refused = (await bench.dead()).total()
    await bench.execute("alter table ingested_events alter column event type text")

    some = await retried(bench, Choice(numbers=[min(row["id"] for row in await bench.fetch("select id from penstock.dead_letters"))]))
    others = await retried(bench)
    second = await bench.extract()

    assert (first.outcome.state, refused) == ("completed with rejected rows", 20)
    assert (some, others) == (Retried(stored=1), Retried(stored=19))
    assert await bench.ids() == {one.id for one in with_nul.told}
    assert await bench.dead() == {}
    assert second.proof is not None
    assert (second.outcome.state, second.proof.faults, second.proof.sums.stored) == ("completed", [], 60)
    assert (await bench.history())[1] == ("completed", "1 dead letter stored, 0 were stored before, 0 refused again")


async def test_letters_that_are_refused_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What still cannot be stored stays as it was received, by whatever number of transactions, and the proof holds."""
    monkeypatch.setattr(letters, "NEXT", letters.NEXT.replace(f"limit {letters.AT_ONCE}", "limit 7"))
    monkeypatch.setattr(letters, "AT_ONCE", 7)
    async with running(API) as server:
        await bench.run(server, EXTRACTION)
        before = await bench.dead()
        again = await retried(bench)
        extraction = await bench.run(server, EXTRACTION)

    assert again == Retried(refused=before.total())
    assert before.total() > 14
    assert await bench.dead() == before
    assert extraction.proof is not None
    assert extraction.proof.faults == []


async def test_letters_of_other_reasons_are_left(bench: Bench) -> None:
    """Only letters that are meant are read again."""
    async with running(API) as server:
        await bench.run(server, EXTRACTION)
    (reason, number), *_ = await bench.fetch("select reason, count(*) from penstock.dead_letters group by 1 order by 2 desc")

    assert await retried(bench, Choice(reason=reason)) == Retried(refused=number)
    assert await retried(bench, Choice(reason="another")) == Retried()


async def test_a_row_that_is_stored_already(bench: Bench, with_nul: Keyset) -> None:
    """A letter whose row is there by then stays one, with that reason; one whose key is taken by another row is refused again."""
    await bench.extract(replace(EXTRACTION, jsonb=True))
    await bench.execute("alter table ingested_events alter column event type text")
    first, second, *_ = [one for one in with_nul.told if isinstance(one, Nul)]
    text = "insert into ingested_events (id, occurred_at, name, event) values ('{}', to_timestamp({} / 1000.0), 'number {}', '{}')"
    await bench.execute(text.format(first.id, 1_769_541_248_000 + first.ts, first.number, first.raw.decode()))
    await bench.execute(text.format(second.id, 1_769_541_248_000 + second.ts, second.number, "{}"))

    became = await retried(bench)

    reasons = {row["raw"]: row["reason"] for row in await bench.fetch("select raw, reason from penstock.dead_letters")}
    assert became == Retried(stored=18, stored_before=1, refused=1)
    assert reasons == {first.raw: "the same row is stored already", second.raw: "another row with this key is stored already"}


async def test_while_a_run_is_at_work(bench: Bench) -> None:
    """Letters of a pipeline at work are left alone."""
    async with running(API) as server:
        await bench.run(server, EXTRACTION)
    (kept,) = await bench.fetch("select name, source from penstock.pipelines")
    connections = Connections(bench.dial, this_process())
    await PostgresCheckpoints(connections).begin(Pipeline(kept["name"], kept["source"]), this_process())

    with pytest.raises(LeaseHeld):
        await retried(bench)

    connections.close()


async def test_letters_without_a_table(bench: Bench) -> None:
    """Where the table is gone nothing is made in its place, and the history says that it was not done."""
    async with running(API) as server:
        await bench.run(server, EXTRACTION)
    await bench.execute("drop table ingested_events")

    with pytest.raises(TableGone):
        await retried(bench)

    assert (await bench.history())[-1][0] == "failed"


async def test_a_letter_of_no_stretch(bench: Bench, with_nul: Keyset) -> None:
    """A letter that is counted nowhere is not stored: nothing would add up any more."""
    await bench.extract(replace(EXTRACTION, jsonb=True))
    await bench.execute("alter table ingested_events alter column event type text")
    await bench.execute("update penstock.dead_letters set strand = ''")

    with pytest.raises(PositionMoved, match="is in the counts of no stretch"):
        await retried(bench)

    assert len(await bench.ids()) == 40
    assert len(with_nul.told) - 40 == (await bench.dead()).total()


async def test_letters_of_another_kind() -> None:
    """Records of a file are not read by the decoder of events."""
    with pytest.raises(NotEvents, match="orders"):
        await retry(Connections(lambda: None, this_process()), Pipeline("orders", "a file"), Choice())  # type: ignore[arg-type, return-value]


async def test_cleared_letters_leave_the_proof_whole(bench: Bench) -> None:
    """After letters were cleared, also those that lie at the seams, the next proof holds; it does not after they were just deleted."""
    settings = replace(EXTRACTION, partition_count=5)
    async with running(replace(API, undecodable=0.9, ties=0.5)) as server:
        await bench.run(server, settings)
        connections = Connections(bench.dial, this_process())
        cleared = await PostgresBookkeeping(connections).clear(Choice(PIPELINE))
        connections.close()
        extraction = await bench.run(server, settings)

    assert cleared > 400
    assert await bench.dead() == {}
    assert extraction.proof is not None
    assert extraction.proof.faults == []


@given(raw=st.binary(max_size=60) | st.sampled_from([b"{}", b"[]", b"1", b"}, {", b"", b'{"id":1}']))
@settings(max_examples=200)
def test_whatever_a_letter_holds(raw: bytes) -> None:
    """A letter of any bytes is a row or has a reason."""
    assert isinstance(alone(raw), str)


def test_an_event_alone() -> None:
    """An event as it stood on its page is a row."""
    (event,) = told([5])

    row = alone(event.raw)

    assert not isinstance(row, str)
    assert row.column("event").to_pylist() == [event.raw.decode()]
    assert JSONB_SCHEMA.names == row.schema.names
    assert alone(raw_event(b'"x":1') + b"," + event.raw) == "it is more than one event"
