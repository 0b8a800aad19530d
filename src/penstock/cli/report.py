"""The last words of an extraction: the proof, the speed, where the data is and the command that shows it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from penstock.cli.closing import per_second, place, speed
from penstock.engine.telemetry import Telemetry
from penstock.extract.job import Extraction
from penstock.extract.proof import Part, Proof
from penstock.extract.timestamps import EARLIEST
from penstock.model.redaction import redacted
from penstock.stores.postgres.names import quoted
from penstock.stores.postgres.place import Database

BEGINNING = "the beginning"
MOST_ROWS = 12
"""Of the table of a proof that holds: workers share the time out into dozens of stretches."""


@dataclass(frozen=True, slots=True)
class Report:
    """All that is said about a run that came to its end."""

    extraction: Extraction
    telemetry: Telemetry
    database: Database
    table: str

    def as_text(self) -> str:
        """For people."""
        return "\n".join([*self._proof(), *self._submission(), "", *speed(self.telemetry, "proven"), "", *self._place(), ""])

    def _proof(self) -> Iterator[str]:
        proof = self.extraction.proof
        if proof is None:
            yield f"{self.extraction.outcome.message}. Run the same command again: it goes on where it stopped."
            return
        yield f"The proof, with respect to what the API at {proof.source} reported:"
        yield from table(proof)
        yield from _totals(proof)
        yield from (f" NOT PROVEN: {fault}" for fault in proof.faults)
        if not proof.complete:
            yield "Run it again. Should that not help, begin from nothing as docs/reference/state.md says, or beside it with --table."
        else:
            yield (
                "Complete, with rejected rows: see `penstock dead list`."
                if proof.sums.refused
                else "Complete: nothing lost, nothing twice."
            )

    def _submission(self) -> Iterator[str]:
        submission = self.extraction.submission
        if submission is None:
            return
        if submission.state != "received":
            yield f"NOT SUBMITTED ({submission.state}): {redacted(submission.message)}"
        else:
            yield f"Submitted {submission.ids:,} ids for {redacted(submission.repository)}."
        if submission.attempts_left is not None:
            yield f"Attempts left: {submission.attempts_left}."

    def _place(self) -> Iterator[str]:
        query = shlex.quote(f"select count(*) from {quoted(self.table)}")
        yield from place(f"the table {self.table} of", self.database.place, f"{self.database.command} {query}")


def result(extraction: Extraction, telemetry: Telemetry) -> dict[str, object]:
    """The documented object of --json; `seconds` (to the last row settled) and `events_per_second` are of this run."""
    status, proof, counters, total = telemetry.status(), extraction.proof, telemetry.counters, telemetry.total
    return {
        "state": extraction.outcome.state,
        "message": redacted(extraction.outcome.message),
        "rows_stored": total.stored,
        "duplicates": total.duplicate,
        "rejected": total.refused,
        "gaps": None if proof is None else proof.gaps,
        "complete": proof is not None and proof.complete,
        "seconds": status.seconds,
        "proof_seconds": status.proof_seconds,
        "events_per_second": per_second(telemetry),
        "requests": counters["requests_total"],
        "throttled": counters["responses_throttled_total"],
        "resumed": bool(telemetry.before.received),
        "rows_stored_by_this_run": counters["rows_stored_total"],
        "notices": [redacted(notice) for notice in telemetry.notices],
        "submission": None if extraction.submission is None else _redacted(extraction.submission.as_json()),
        "proof": None if proof is None else proof.as_json(),
    }


def _redacted(fields: dict[str, object]) -> dict[str, object]:
    return {name: redacted(value) if isinstance(value, str) else value for name, value in fields.items()}


def table(proof: Proof) -> Iterator[str]:
    """What was received and stored, and what the table holds, stretch by stretch."""
    yield f" {'newer than':<20}{'up to':<19}{'received':>10}{'stored':>10}{'refused':>8}{'in table':>11}"
    shown = _joined(proof)
    for part in shown:
        yield _row(_moment(part.low), _moment(part.high), part)
    sums = proof.sums
    yield _row("all", "", Part(0, 0, sums.received, sums.stored, sums.duplicate, sums.refused, sum(part.in_table for part in proof.parts)))


def _joined(proof: Proof) -> Sequence[Part]:
    """The stretches, neighbours taken together where there are more than `MOST_ROWS`; each by itself where something does not hold."""
    size = max(1, -(-len(proof.parts) // MOST_ROWS)) if proof.complete else 1
    return [_together(proof.parts[first : first + size]) for first in range(0, len(proof.parts), size)]


def _together(parts: Sequence[Part]) -> Part:
    """One row for stretches that follow each other, newest first."""
    sums = [
        sum(column) for column in zip(*((one.received, one.stored, one.duplicate, one.refused, one.in_table) for one in parts), strict=True)
    ]
    return Part(parts[-1].low, parts[0].high, *sums)


def _row(low: str, high: str, part: Part) -> str:
    return f" {low:<20}{high:<19}{part.received:>10,}{part.stored:>10,}{part.refused:>8,}{part.in_table:>11,}"


def _totals(proof: Proof) -> Iterator[str]:
    if proof.total is None:
        yield " The API stated no total."
    else:
        later = proof.later_total or proof.total
        yield f" The API states {proof.total:,} up to the bound, and {later:,} in all: {proof.newer:,} newer."
    held = sum(seam.holds for seam in proof.seams)
    if proof.complete and len(proof.parts) > MOST_ROWS:
        yield f" It was read in {len(proof.parts)} stretches, which --json has one by one."
    yield f" At {held} of {len(proof.seams)} seams the API's neighbours are neighbours in the table."
    yield f" Gaps: {proof.gaps}. Duplicates: {proof.sums.duplicate:,}."


def _moment(ts: int) -> str:
    if ts < EARLIEST:
        return BEGINNING
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ts)).strftime("%Y-%m-%d %H:%M:%S")
