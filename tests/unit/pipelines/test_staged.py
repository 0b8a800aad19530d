"""A source seen through stages and contract: nothing vanishes, and what it gives does not depend on how it is read."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.coverage import Interval
from penstock.pipelines.contract import ColumnsAdded, SchemaChanged
from penstock.pipelines.position import joined, parted
from penstock.pipelines.staged import Staged
from penstock.pipelines.stages.cast import Cast
from penstock.pipelines.stages.dedupe import Dedupe
from penstock.pipelines.stages.expression import Expression
from penstock.pipelines.stages.filter import Filter
from penstock.pipelines.stages.python import Python
from penstock.pipelines.stages.rename import Rename
from penstock.pipelines.stages.step import Stage
from penstock.ports.ends import SchemaPolicy
from penstock.ports.flow import RAW_COLUMN, Batch
from penstock.ports.source import Partition, Progress, Source
from penstock.stores.memory import MemorySource
from penstock.testing import records
from tests.unit.pipelines import functions

STAGES: tuple[Stage, ...] = (
    Rename("stage 1 (rename)", {"nr": "number"}),
    Cast("stage 2 (cast)", {"number": "int64"}),
    Filter("stage 3 (filter)", Expression.of("number != 13")),
    Dedupe("stage 4 (dedupe)", ("number",)),
    Python("stage 5 (python)", functions.odd_only),
)


def numbers(values: Sequence[object], *, partition_rows: int = 1_000, batch_rows: int = 7, refused: frozenset[int] = frozenset()) -> Source:
    """A source of these texts."""
    return MemorySource(pa.table({"nr": pa.array([str(value) for value in values])}), partition_rows, batch_rows, refused)


async def read(source: Source, partition: Partition) -> list[Batch]:
    """All batches of a partition."""
    async with aclosing(source.read(partition)) as batches:
        return [batch async for batch in batches]


async def read_all(source: Source) -> list[Batch]:
    """All batches there are."""
    return [batch for partition in (await source.plan(Progress())).partitions for batch in await read(source, partition)]


def rows_of(batches: Sequence[Batch]) -> list[dict[str, Any]]:
    """The rows in batches."""
    return [row for batch in batches for row in batch.rows.to_pylist()]


@given(st.lists(st.integers(0, 40) | st.just("x"), max_size=60), st.integers(1, 20), st.data())
async def test_every_record_is_accounted_for_however_batches_are_cut(values: list[object], batch_rows: int, data: st.DataObject) -> None:
    """Rows, refused, left out and duplicates add up to what the source read, each record once, and the cut of batches changes none."""
    refused = frozenset(data.draw(st.sets(st.integers(0, max(0, len(values) - 1)), max_size=3))) if values else frozenset[int]()
    plain = await read_all(numbers(values, batch_rows=batch_rows, refused=refused))

    batches = await read_all(Staged(numbers(values, batch_rows=batch_rows, refused=refused), STAGES, "freeze"))
    whole = await read_all(Staged(numbers(values, batch_rows=1_000, refused=refused), STAGES, "freeze"))

    assert [batch.received for batch in batches] == [batch.received for batch in plain]
    assert rows_of(batches) == rows_of(whole)
    assert [one.raw for batch in batches for one in batch.refused] == [one.raw for one in whole[0].refused]
    for count in ("filtered", "duplicate"):
        assert sum(getattr(batch, count) for batch in batches) == getattr(whole[0], count)
    for batch in batches:
        places = [one.row for one in batch.refused]
        assert places == sorted(set(places))
        assert set(places) <= set(range(batch.received))


async def test_a_refused_row_is_kept_as_the_source_received_it() -> None:
    """Whatever earlier stages made of it: its number among the records, the source's own bytes, the reason and the stage."""
    table = pa.table({"nr": ["1", "x"], "raw": [b"first", b"second"]}).replace_schema_metadata({RAW_COLUMN: b"raw"})
    source = MemorySource(table, refused=frozenset())

    (batch,) = await read_all(Staged(source, STAGES[:2], "freeze"))

    (refusal,) = batch.refused
    assert (refusal.row, refusal.raw, refusal.origin) == (1, b"second", "stage 2 (cast)")
    assert refusal.reason == "number: 'x' is no int64"


async def test_without_stages_batches_pass_as_they_are() -> None:
    """Nothing is copied."""
    source = records.source(20)

    assert await read_all(Staged(source, (), "freeze")) == await read_all(source)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.data())
async def test_a_run_goes_on_behind_any_batch_as_if_it_had_not_been_killed(values: list[int], data: st.DataObject) -> None:
    """What is remembered is part of the position: after a kill the rows are the same, and so is a stretch that is written again."""

    def source() -> Staged:
        return Staged(numbers(values, batch_rows=5), STAGES[:2] + STAGES[3:4], "freeze")

    plan = await source().plan(Progress())
    (partition,) = plan.partitions
    batches = await read(source(), partition)
    stored = data.draw(st.integers(1, len(batches)))
    upto = batches[stored - 1].upto

    again = source()
    next_plan = await again.plan(Progress(plan.scope, (Interval(partition.start, upto),)))
    rest = [batch for one in next_plan.partitions for batch in await read(again, one)]
    once_more = await read(source(), Partition(0, partition.start, upto))

    assert next_plan.scope == plan.scope
    assert [one.start for one in next_plan.partitions] == ([upto] if stored < len(batches) else [])
    assert rows_of(batches[:stored]) + rows_of(rest) == rows_of(batches)
    assert (rows_of(once_more), once_more[-1].upto) == (rows_of(batches[:stored]), upto)


async def test_what_remembers_is_not_cut_in_two() -> None:
    """A source whose partitions may be cut offers that only without a stage that remembers."""
    source = numbers(range(9))

    assert Staged(source, STAGES[:3], "freeze").splitting is source.splitting
    assert Staged(source, STAGES[:4], "freeze").splitting is None


def test_states_of_another_number_of_stages_are_not_taken() -> None:
    """A pipeline whose stages were changed goes on from the source's own place and remembers nothing."""
    place = joined(records.place(4, b"own"), [b"state", b""])

    assert parted(place, 2) == (records.place(4, b"own"), [b"state", b""])
    assert parted(place, 3) == (records.place(4, b"own"), [b"", b"", b""])
    assert parted(records.place(4, b"own"), 1) == (records.place(4, b"own"), [b""])
    assert joined(records.place(4), [b"", b""]) == records.place(4)


@dataclass(frozen=True)
class Changing(MemorySource):
    """A source whose later batches have other columns than it said."""

    later: pa.Table = field(default_factory=lambda: pa.table({}))

    async def read(self, partition: Partition) -> Any:  # noqa: ANN401 - as its base
        """The first batch as it was said, the next ones with the other columns."""
        async for batch in super().read(partition):
            first = batch.after == partition.start and int.from_bytes(batch.after.order) == 0
            rows = batch.rows if first else self.later.slice(int.from_bytes(batch.after.order), batch.rows.num_rows).to_batches()[0]
            yield replace(batch, rows=rows)


def changing(policy: SchemaPolicy, **columns: Sequence[Any]) -> Staged:
    """Eight rows in two batches; the second one has `columns`."""
    first = pa.table({"id": range(8), "a": ["x"] * 8})
    return Staged(Changing(first, 100, 4, later=pa.table(columns)), (), policy)


async def test_freeze_stops_with_the_difference() -> None:
    """Column by column: what is new, what is missing, what was another type; and what to do."""
    with pytest.raises(SchemaChanged) as failure:
        await read_all(changing("freeze", id=["1"] * 8, b=[1.5] * 8))

    assert failure.value.detail == "`id` was int64 and is string; `a` is missing, it was string; `b` is new, it is float64"
    assert all(policy in failure.value.hint for policy in ("evolve", "quarantine"))


async def test_quarantine_puts_aside_the_rows_that_do_not_fit() -> None:
    """A value in a column that nobody agreed to, or of another type, refuses its row; the others go on."""
    batches = await read_all(changing("quarantine", id=range(8), b=[None, None, None, None, 1, None, 2, None]))

    assert [row["id"] for row in rows_of(batches)] == [0, 1, 2, 3, 5, 7]
    assert [(one.row, one.reason, one.origin) for one in batches[1].refused] == [
        (0, "b: there is no such column", "schema contract"),
        (2, "b: there is no such column", "schema contract"),
    ]


async def test_evolve_takes_new_columns_from_the_next_pass_on() -> None:
    """The pass in which they come is begun again, with a sink that has them; rows before have null there, and so has a missing one."""
    source = changing("evolve", id=range(8), b=[1.5] * 8)
    (partition,) = (await source.plan(Progress())).partitions
    with pytest.raises(ColumnsAdded, match="`b` is new"):
        await read(source, partition)
    unchanged = source.schema.names

    await source.plan(Progress())
    rows = rows_of(await read(source, partition))

    assert (unchanged, source.schema.names) == (["id", "a"], ["id", "a", "b"])
    assert rows[0] == {"id": 0, "a": "x", "b": None}
    assert rows[4] == {"id": 4, "a": None, "b": 1.5}


async def test_evolve_changes_no_type() -> None:
    """A value that would lose something, or is of another kind, stops the run."""
    with pytest.raises(SchemaChanged, match="`id` was int64 and is string") as failure:
        await read_all(changing("evolve", id=["1"] * 8, a=["x"] * 8))

    assert "cast it in a stage" in failure.value.hint


async def test_a_type_that_holds_the_values_is_no_change_under_evolve() -> None:
    """Whole numbers that come as narrower ones lose nothing."""
    narrow = pa.array(range(8), pa.int32()).to_pylist()

    assert len(rows_of(await read_all(changing("evolve", id=narrow, a=["x"] * 8)))) == 8


@pytest.mark.parametrize(("policy", "wanted"), [("freeze", None), ("quarantine", ["id", "name"]), ("evolve", ["id", "name", "more"])])
async def test_columns_are_frozen_with_the_scope(policy: SchemaPolicy, wanted: list[str] | None) -> None:
    """The next run agrees to what the first one froze: it stops, keeps to it, or adds to it."""
    scope = (await Staged(records.source(9), (), policy).plan(Progress())).scope
    wider = MemorySource(pa.table({"id": range(9), "name": ["x"] * 9, "more": range(9)}), epoch=records.EPOCH)
    later = Staged(wider, (), policy)

    if wanted is None:
        with pytest.raises(SchemaChanged, match="`more` is new, it is int64"):
            await later.plan(Progress(scope))
    else:
        assert (await later.plan(Progress(scope))).scope == scope
        assert later.schema.names == wanted
