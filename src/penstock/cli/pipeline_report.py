"""The last words of a pipeline's run: the evidence, the speed, where the data is and the command that shows it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from penstock.cli.closing import per_second, place, speed
from penstock.cli.losses import lost
from penstock.engine.telemetry import Telemetry
from penstock.model.counts import counted
from penstock.model.redaction import redacted
from penstock.pipelines.definition import Definition
from penstock.pipelines.evidence import Evidence
from penstock.pipelines.job import Ending
from penstock.ports.ends import SourceKind, Surroundings


def text(file: Path, definition: Definition, around: Surroundings, ending: Ending, telemetry: Telemetry) -> str:
    """For people who ran `file`."""
    sink = definition.sink
    where = place(f"{sink.type}:", redacted(sink.kind.place(sink.settings, around)), sink.kind.show(sink.settings, around))
    claims = [one for one in (definition.source.kind.claim, _pending(definition, around), _letters(file, telemetry)) if one]
    return "\n".join([*_evidence(ending, claims), "", *speed(telemetry, "settled and checked"), "", *where, ""])


def result(definition: Definition, ending: Ending, telemetry: Telemetry) -> dict[str, object]:
    """The documented object of --json; `seconds` and `rows_per_second` are of this run, counts of the pipeline."""
    status, total, shown = telemetry.status(), telemetry.total, ending.evidence
    return {
        "pipeline": definition.name,
        "state": ending.outcome.state,
        "message": redacted(ending.outcome.message),
        "rows_received": total.received,
        "rows_stored": total.stored,
        "duplicates": total.duplicate,
        "unchanged": total.unchanged,
        "rejected": total.refused,
        "filtered": total.filtered,
        "shed": total.shed,
        "repeated": total.repeated,
        "complete": shown is not None and shown.complete,
        "seconds": status.seconds,
        "rows_per_second": per_second(telemetry),
        "resumed": bool(telemetry.before.received),
        "rows_stored_by_this_run": telemetry.counters["rows_stored_total"],
        "claim": definition.source.kind.claim,
        "evidence": None if shown is None else shown.as_json(),
    }


def _pending(definition: Definition, around: Surroundings) -> str:
    kind = definition.source.kind
    pending = kind.pending if isinstance(kind, SourceKind) else None
    return "" if pending is None else pending(definition.source.settings, around)


def _letters(file: Path, telemetry: Telemetry) -> str:
    """How rejected records can be looked at."""
    if not telemetry.total.refused:
        return ""
    return f"Rejected records are kept with their bytes and the reason: `penstock dead list {shlex.quote(str(file))}` shows them."


def _evidence(ending: Ending, claims: Sequence[str]) -> Iterator[str]:
    shown = ending.evidence
    if shown is None:
        yield f"{ending.outcome.message}. Run the same command again: it goes on where it stopped."
        return
    yield f"The evidence, with respect to what {redacted(shown.source)} held when the run looked:"
    yield from _counts(shown)
    yield f" {counted(shown.stretches, 'stretch', 'stretches')} stored, {counted(shown.gaps, 'gap')} between them."
    yield from (f" {lost(loss)}." for loss in shown.lost)
    yield from (f" {claim}" for claim in claims)
    if shown.stated is not None:
        yield f" The source stated {counted(shown.stated, 'record')}."
    if shown.in_sink is not None:
        yield f" A reader of the sink finds {counted(shown.in_sink, 'row')}."
    yield from (f" DOES NOT HOLD: {fault}" for fault in shown.faults)
    yield _verdict(shown)


def _counts(shown: Evidence) -> Iterator[str]:
    counts = shown.counts
    parts = {
        "stored": counts.stored,
        "duplicate" if counts.duplicate == 1 else "duplicates": counts.duplicate,
        "unchanged": counts.unchanged,
        "left out": counts.filtered,
        "rejected": counts.refused,
        "shed": counts.shed,
    }
    told = ", ".join(f"{number:,} {what}" for what, number in parts.items() if number or what == "stored")
    yield f" {counted(counts.received, 'record')} received: {told}."


def _verdict(shown: Evidence) -> str:
    if not shown.complete:
        return "Not complete: look at what does not hold before you use the rows."
    if shown.counts.repeated:
        return f"Complete: nothing lost; up to {shown.counts.repeated:,} rows may stand there twice, because a write was not answered."
    if shown.lost:
        return "Complete but for what is said to be lost: of what was received nothing is lost, nothing twice."
    return "Complete, with rejected rows." if shown.counts.refused else "Complete: nothing lost, nothing twice."
