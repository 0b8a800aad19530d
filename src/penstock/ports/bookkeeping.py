"""What a store knows of its pipelines: how they stand, how their runs ended, and the records that could not be stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from penstock.model.counts import Counts
from penstock.model.coverage import missing
from penstock.model.errors import Misconfigured
from penstock.ports.checkpoints import Holder, Judgement
from penstock.ports.source import Progress


class NoSuchPipeline(Misconfigured):
    """Nothing is kept of a pipeline of this name."""

    default_hint = "`penstock state list` shows which there are, `penstock state list FILE` the one of a pipeline file."


class NoSuchLetter(Misconfigured):
    """There is no dead letter with this number."""

    default_hint = "`penstock dead list` shows which there are, `penstock dead list FILE` those of a pipeline file."


class NothingChosen(Misconfigured):
    """No dead letter is meant."""

    default_hint = "`penstock dead list` shows which there are, `penstock dead list FILE` those of a pipeline file."


class NotDropped(Misconfigured):
    """It is not known here which pipeline made the table or the file."""

    default_hint = "Nothing was forgotten. Leave out --drop-table, and remove by hand what is not needed any more."


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run of the history; one that is at work has not ended."""

    number: int
    state: str
    message: str
    began: datetime
    ended: datetime | None


@dataclass(frozen=True, slots=True)
class State:
    """A pipeline: where its rows come from and go to, who holds its lease, what is stored, and its last five runs, the newest first.

    `table` is the table that it writes, `file` the file or folder; both are None where nothing was written, or somewhere else. `lease` says
    whether `holder`, last heard of `silent_s` seconds ago, is still believed to be at work. `dead_letters` refused records
    are kept, `cleared` ones were deleted on request.
    """

    name: str
    source: str
    table: str | None
    file: str | None
    holder: Holder | None
    lease: Judgement
    silent_s: float
    progress: Progress
    dead_letters: int
    cleared: int
    runs: tuple[PastRun, ...]

    @property
    def sums(self) -> Counts:
        """All that is stored."""
        return sum((interval.counts for interval in self.progress.coverage), Counts())

    @property
    def gaps(self) -> int | None:
        """How many stretches are missing; None where nothing was set out to be read yet."""
        scope = self.progress.scope
        return None if scope is None else sum(1 for _ in missing(self.progress.coverage, scope.span))


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A refused record as received, of which pipeline and run, when, why, and where it stood in the source.

    `records` is for how many it stands: an unbroken run of the same fault may be one letter.
    """

    id: int
    pipeline: str
    run: int
    refused_at: datetime
    reason: str
    origin: str
    raw: bytes
    records: int = 1


@dataclass(frozen=True, slots=True)
class Choice:
    """Which dead letters are meant: those of a pipeline, for a reason, with these numbers; whatever is None does not matter."""

    pipeline: str | None = None
    reason: str | None = None
    numbers: Sequence[int] | None = None


class Bookkeeping(Protocol):
    """The books of a store, for somebody who looks into them beside the runs. Looking takes no lease."""

    async def pipelines(self, name: str | None = None) -> Sequence[State]:
        """All pipelines by their names, or the one of this name, if there is one."""
        ...

    async def reset(self, state: State, *, drop_table: bool) -> bool:
        """Forget a pipeline with its positions, dead letters and history. Answers whether its table, where it made one, was dropped.

        A run that sleeps through this has lost its lease when it wakes, also where the pipeline was begun anew meanwhile.

        Raises:
            LeaseHeld: a run of it is at work.
            NotDropped: the table is to be dropped, and these books do not say who made it; then nothing was forgotten.
        """
        ...

    async def count(self, choice: Choice) -> Sequence[tuple[str, str, int]]:
        """(pipeline, reason, how many records) of the dead letters that are meant, the commonest first."""
        ...

    async def latest(self, choice: Choice, limit: int) -> Sequence[DeadLetter]:
        """Those that are meant, the newest first."""
        ...

    async def clear(self, choice: Choice) -> int:
        """Delete those that are meant; what counts them as refused goes on doing so. Answers how many letters there were."""
        ...


async def pipeline(books: Bookkeeping, name: str) -> State:
    """The pipeline of this name.

    Raises:
        NoSuchPipeline: there is none.
    """
    if not (found := await books.pipelines(name)):
        raise NoSuchPipeline(name)
    return found[0]


async def letter(books: Bookkeeping, choice: Choice) -> DeadLetter:
    """The one dead letter that is meant.

    Raises:
        NoSuchLetter: there is none.
    """
    if not (found := await books.latest(choice, 1)):
        raise NoSuchLetter(", ".join(map(str, choice.numbers or ())))
    return found[0]


async def chosen(books: Bookkeeping, choice: Choice) -> Sequence[tuple[str, str, int]]:
    """(pipeline, reason, how many) of the dead letters that are meant.

    Raises:
        NoSuchLetter: one of the numbers is none, whatever else is said of them.
        NothingChosen: none fits.
    """
    if choice.numbers is not None:
        found = await books.latest(Choice(numbers=choice.numbers), len(choice.numbers))
        if unknown := set(choice.numbers) - {one.id for one in found}:
            raise NoSuchLetter(", ".join(map(str, sorted(unknown))))
    counts = await books.count(choice)
    if not counts:
        raise NothingChosen
    return counts
