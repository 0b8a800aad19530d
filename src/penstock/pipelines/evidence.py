"""What a run can show for itself at the end: coverage and counts as they were read back, and the rows that a reader of the sink finds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from penstock.model.counts import Counts
from penstock.model.coverage import missing
from penstock.model.gaps import Loss
from penstock.ports.checkpoints import Outcome
from penstock.ports.ends import Mode
from penstock.ports.source import Progress


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found, relative to what `source` held when the scope was frozen.

    `stated` is how many records the source said that were, `in_sink` how many rows a reader finds; None where that cannot be told.
    `stretches` are stored, `gaps` are missing between them, `uneven` are stretches whose counts do not add up. `lost` never came to the
    source, or was shed there, and is known to be missing: it does not speak against what was done with the rest.
    """

    source: str
    mode: Mode
    stated: int | None
    stretches: int
    gaps: int
    uneven: int
    counts: Counts
    in_sink: int | None
    lost: tuple[Loss, ...] = ()

    @property
    def faults(self) -> list[str]:
        """What speaks against completeness, in sentences."""
        return list(self._faults())

    def _faults(self) -> Iterator[str]:
        if self.gaps:
            yield f"{self.gaps} stretches of the source are not stored"
        if self.uneven:
            yield f"in {self.uneven} stretches the counts do not add up"
        if self.stated not in (None, self.counts.received):
            yield f"the source stated {self.stated:,} records, {self.counts.received:,} were received"
        if self.in_sink is not None and not self._all_there(self.in_sink):
            yield f"{self.counts.stored:,} rows were stored, the sink holds {self.in_sink:,}"

    def _all_there(self, found: int) -> bool:
        """Whether a sink may hold so many: one row of a key in upsert, others' rows beside ours in append."""
        if self.mode == "upsert":
            return bool(found) or not self.counts.stored
        if self.mode == "append":
            return found >= self.counts.stored
        return self.counts.stored <= found <= self.counts.stored + self.counts.repeated

    @property
    def complete(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.faults

    @property
    def outcome(self) -> Outcome:
        """What it makes of the run."""
        summary = {"evidence": self.as_json()}
        if not self.complete:
            return Outcome("failed", f"the evidence does not hold: {'; '.join(self.faults)}", summary)
        if self.counts.refused:
            return Outcome("completed with rejected rows", f"{self.counts.stored:,} rows stored, {self.counts.refused:,} rejected", summary)
        return Outcome("completed", f"{self.counts.stored:,} rows stored", summary)

    def as_json(self) -> dict[str, object]:
        """As it is printed with --json and kept with the run."""
        return asdict(self) | {"complete": self.complete, "faults": self.faults}


def evidence(done: Progress, source: str, mode: Mode, in_sink: int | None) -> Evidence:
    """Put together what settled coverage tells."""
    return Evidence(
        source=source,
        mode=mode,
        stated=done.scope.rows if done.scope else None,
        stretches=len(done.coverage),
        gaps=sum(1 for _ in missing(done.coverage, done.scope.span)) if done.scope else 1,
        uneven=sum(not interval.counts.add_up for interval in done.coverage),
        counts=sum((interval.counts for interval in done.coverage), Counts()),
        in_sink=in_sink,
        lost=done.lost,
    )
