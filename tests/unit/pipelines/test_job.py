"""A run of a pipeline, from its definition to its evidence."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from penstock.engine.telemetry import Telemetry
from penstock.model.counts import Counts
from penstock.pipelines.definition import Definition
from penstock.pipelines.evidence import Evidence
from penstock.pipelines.job import Ending, perform
from penstock.pipelines.opening import NoSuchKey
from penstock.pipelines.reading import read
from penstock.pipelines.stages.step import StageDoesNotFit
from penstock.ports.checkpoints import AnotherSource
from tests.unit.pipelines import ends

ENDS = '[source]\ntype = "memory"\ntable = "t"\n[sink]\ntype = "memory"\ntable = "u"\n'


async def carried(file: Path, text: str) -> Ending:
    """A run of a pipeline with this text."""
    return await perform(defined(file, text), Telemetry(), asyncio.Event())


def defined(file: Path, text: str) -> Definition:
    """The definition in a file with this text."""
    file.write_text(text)
    return read(file, {})


async def test_rows_arrive_through_the_stages(file: Path) -> None:
    """What is stored, left out, a duplicate and refused adds up to what was received, and a reader of the sink finds what was stored."""
    ends.TABLES["t"] = pa.table({"nr": [*map(str, range(30)), "x", "5"]})
    text = """
        stages = [{ rename = { nr = "id" } }, { cast = { id = "int64" } }, { filter = "id >= 4" }, { dedupe = ["id"] }]
        limits = { max_refused_percent = 10 }
    """

    ending = await carried(file, text + ENDS)

    assert set(ends.SINKS["u"].rows) == set(range(4, 30))
    assert ending.outcome.state == "completed with rejected rows"
    assert ending.evidence is not None
    assert ending.evidence.counts == Counts(received=32, stored=26, duplicate=1, refused=1, filtered=4)
    assert (ending.evidence.in_sink, ending.evidence.gaps, ending.evidence.complete) == (26, 0, True)


async def test_a_second_run_has_nothing_to_do(file: Path) -> None:
    """The positions outlive the run; what is stored is not read again."""
    ends.TABLES["t"] = pa.table({"id": range(30)})
    await carried(file, ENDS)
    ends.SINKS["u"].rows.pop(3)

    ending = await carried(file, ENDS)

    assert ending.outcome.state == "failed"
    assert ending.outcome.message == "the evidence does not hold: 30 rows were stored, the sink holds 29"


async def test_another_place_begins_from_nothing(file: Path) -> None:
    """A pipeline that is sent to another table carries everything there."""
    ends.TABLES["t"] = pa.table({"id": range(30)})
    await carried(file, ENDS)

    await carried(file, ENDS.replace('"u"', '"v"'))

    assert len(ends.SINKS["v"].rows) == 30


async def test_another_source_is_not_mixed_in(file: Path) -> None:
    """The rows of another source do not go where those of the first one are."""
    ends.TABLES["t"] = ends.TABLES["s"] = pa.table({"id": range(30)})
    await carried(file, ENDS)

    with pytest.raises(AnotherSource):
        await carried(file, ENDS.replace('"t"', '"s"'))


async def test_replace_begins_anew_once_everything_is_carried(file: Path) -> None:
    """A completed pipeline in mode replace is read again from the start."""
    ends.TABLES["t"] = pa.table({"id": range(30)})
    await carried(file, "mode = 'replace'\n" + ENDS)
    ends.TABLES["t"] = pa.table({"id": range(40)})
    ends.SINKS.clear()

    ending = await carried(file, "mode = 'replace'\n" + ENDS)

    assert len(ends.SINKS["u"].rows) == 40
    assert ending.evidence is not None
    assert ending.evidence.counts.received == 40


async def test_a_stage_that_does_not_fit_stops_the_run_before_anything_is_written(file: Path) -> None:
    """The stage is named, and the column that was probably meant."""
    ends.TABLES["t"] = pa.table({"id": range(3)})

    with pytest.raises(StageDoesNotFit, match=r"stage 1 \(filter\): there is no column `idd`; did you mean `id`"):
        await carried(file, "stages = [{ filter = 'idd > 1' }]\n" + ENDS)

    assert ends.SINKS == {}


async def test_a_key_that_the_rows_lack_is_told(file: Path) -> None:
    """Before the sink is opened."""
    ends.TABLES["t"] = pa.table({"id": range(3)})
    definition = defined(file, ENDS)
    definition = replace(definition, intake=replace(definition.intake, key=("no",)))

    with pytest.raises(NoSuchKey, match="`no`; there are `id`"):
        await perform(definition, Telemetry(), asyncio.Event())

    assert ends.SINKS == {}


async def test_a_stop_ends_without_evidence(file: Path) -> None:
    """Nothing is claimed about a run that was stopped."""
    ends.TABLES["t"] = pa.table({"id": range(30)})
    stop = asyncio.Event()
    stop.set()

    ending = await perform(defined(file, ENDS), Telemetry(), stop)

    assert (ending.outcome.state, ending.evidence) == ("cancelled", None)


FINE = Evidence("s", "append", 10, 1, 0, 0, Counts(received=10, stored=10), 10)


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (FINE, []),
        (replace(FINE, stated=None, in_sink=None), []),
        (replace(FINE, in_sink=12), []),
        (replace(FINE, in_sink=9), ["10 rows were stored, the sink holds 9"]),
        (replace(FINE, mode="replace", in_sink=11), ["10 rows were stored, the sink holds 11"]),
        (replace(FINE, mode="replace", in_sink=11, counts=Counts(received=10, stored=10, repeated=2)), []),
        (replace(FINE, mode="upsert", in_sink=3), []),
        (replace(FINE, mode="upsert", in_sink=0), ["10 rows were stored, the sink holds 0"]),
        (replace(FINE, gaps=2), ["2 stretches of the source are not stored"]),
        (replace(FINE, uneven=1), ["in 1 stretches the counts do not add up"]),
        (replace(FINE, stated=11), ["the source stated 11 records, 10 were received"]),
    ],
)
def test_evidence_says_what_speaks_against_it(shown: Evidence, said: list[str]) -> None:
    """Gaps, counts that do not add up, another number than was stated, and rows that a reader does not find."""
    assert shown.faults == said
    assert shown.outcome.state == ("failed" if said else "completed")
