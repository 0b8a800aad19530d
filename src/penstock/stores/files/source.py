"""Files as a source: found by a pattern, read from where the last run ended."""

from __future__ import annotations

import asyncio
import glob
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import pyarrow as pa

from penstock.model.coverage import Span, missing
from penstock.ports.flow import Batch
from penstock.ports.source import Partition, Plan, Progress, Splittable
from penstock.stores.files.catalogue import Catalogue, Known, Piece
from penstock.stores.files.errors import FileReplaced, NoSuchFile, naming
from penstock.stores.files.format import Format, Part
from penstock.stores.files.stream import BLOCK_BYTES, BOM, head, is_packed, whole_lines

MOST_PARTITIONS = 1_000
"""Each becomes a stretch of what is stored; of large files they are larger, so that there never are too many to look at."""


@dataclass(slots=True)
class FileSource:
    """The files of one `format` that `pattern` names, starting at `folder`, in the order of their names.

    They are looked at once: what is written to them later belongs to the next run. `partition_units` is about what one worker reads.
    """

    folder: Path
    pattern: str
    format: Format
    partition_units: int
    _found: Mapping[str, Known] | None = field(default=None, init=False)
    _catalogue: Catalogue | None = field(default=None, init=False)
    releasing = growing = None

    @property
    def splitting(self) -> Splittable | None:
        """None: partitions are small enough for all workers to have one."""
        return None

    @property
    def schema(self) -> pa.Schema:
        """What the first rows have."""
        return self.format.schema

    async def plan(self, done: Progress) -> Plan:
        """What is there and not stored yet; files that have grown, and new ones, once all that was planned before is stored.

        Raises:
            FileReplaced: a file is not the one that was read before.
        """
        return await asyncio.to_thread(self._plan, done)

    def _plan(self, done: Progress) -> Plan:
        catalogue = self._catalogue = self._agreed(done)
        scope = replace(catalogue.scope, rows=catalogue.first + catalogue.units if self.format.units == "rows" else None)
        spans = [cut for span in missing(done.coverage, scope.span) for cut in self._cut(catalogue, span)]
        return Plan(scope, tuple(Partition(number, span.start, span.end) for number, span in enumerate(spans)))

    def _agreed(self, done: Progress) -> Catalogue:
        if done.scope is None:
            return Catalogue.of(self._look({}))
        frozen = Catalogue.frozen(done.scope)
        found = self._look(frozen.known)
        unfinished = any(True for _ in missing(done.coverage, done.scope.span))
        return frozen if unfinished else frozen.grown(found)

    def _look(self, known: Mapping[str, Known]) -> Mapping[str, Known]:
        """How far each file can be read, as at the first look; what is known of a file has to be there still, if the file is."""
        names = matching(self.folder, self.pattern)
        if not names and not known:
            raise NoSuchFile(str(self.folder / self.pattern))
        for name in names:
            self._require_known(name, known)
        if self._found is None:
            self._found = {name: self._measured(name, known) for name in names}
        return self._found

    def _require_known(self, name: str, known: Mapping[str, Known]) -> None:
        if name in known:
            path = self.folder / name
            with naming(path):
                if self.format.mark(path, known[name].end) != known[name].mark:
                    raise FileReplaced(f"{path}, of which {known[name].end:,} {self.format.units} were read or planned")

    def _measured(self, name: str, known: Mapping[str, Known]) -> Known:
        path = self.folder / name
        with naming(path):
            end = self.format.measure(path, known[name].end if name in known else 0)
            return Known(end, self.format.mark(path, end))

    def _cut(self, catalogue: Catalogue, span: Span) -> Iterator[Span]:
        """About `partition_units` each, but no more than `MOST_PARTITIONS` of all, cut between files and where a file can be cut."""
        units = max(self.partition_units, catalogue.units // MOST_PARTITIONS)
        cuts, room = [span.start], units
        for piece in catalogue.pieces(span.start, span.end):
            near, end = piece.extent.start + room, piece.extent.end
            while near < end:
                seam = self.format.seam(self.folder / piece.stretch.name, near, end)
                cuts.append(catalogue.at(piece.number(seam)))
                near = seam + units
            room = near - end
            if room <= 0:
                cuts.append(catalogue.at(piece.number(end)))
                room = units
        ends = [cut for cut in dict.fromkeys(cuts) if cut.rank < span.end.rank]
        yield from (Span(start, end) for start, end in pairwise([*ends, span.end]))

    async def read(self, partition: Partition) -> AsyncGenerator[Batch, None]:
        """The records between two positions, each batch of one file."""
        if self._catalogue is None:
            self._catalogue = await asyncio.to_thread(self._agreed, Progress())
        catalogue, at = self._catalogue, partition.start
        pieces = list(catalogue.pieces(partition.start, partition.end))
        for piece in pieces:
            parts = self._read(piece)
            while (part := await asyncio.to_thread(next, parts, None)) is not None:
                upto = catalogue.at(piece.number(part.upto), part.inside)
                yield Batch(part.rows, part.refused, at, upto)
                at = upto
        if not pieces:  # nothing is in any of the files
            yield Batch(pa.RecordBatch.from_pylist([], schema=self.schema), (), at, partition.end)

    def _read(self, piece: Piece) -> Iterator[Part]:
        path = self.folder / piece.stretch.name
        try:
            with naming(path):
                yield from self.format.read(path, piece.extent)
        except NoSuchFile:
            raise FileReplaced(f"{path} is gone, and not all of it is stored") from None


def matching(folder: Path, pattern: str) -> list[str]:
    """The names of the files that a pattern matches, sorted; `**` goes into folders."""
    return sorted(name for name in glob.glob(pattern, root_dir=folder, recursive=True) if (folder / name).is_file())  # noqa: PTH207 - of names as they are given


def unfinished(folder: Path, pattern: str, finished: Callable[[Path, int], int]) -> str:
    """Says which files end in the middle of a record, in a sentence; empty where none does."""
    waiting = []
    for name in matching(folder, pattern):
        path = folder / name
        size = path.stat().st_size
        if not is_packed(path) and (left := size - finished(path, 0)):
            waiting.append(f"{name} ({left:,} bytes)")
    return f"An unfinished last record waits for its line end in {', '.join(waiting)}." if waiting else ""


def beginnings(folder: Path, pattern: str) -> Iterator[bytes]:
    """The first whole lines of the first files, about a block of them in all, to infer columns from.

    Raises:
        NoSuchFile: there is no file.
    """
    names, left = matching(folder, pattern), BLOCK_BYTES
    if not names:
        raise NoSuchFile(str(folder / pattern))
    for name in names:
        with naming(folder / name):
            block = head(folder / name).removeprefix(BOM)
        if whole := block if len(block) < BLOCK_BYTES else block[: whole_lines(block)]:
            yield whole
            left -= len(whole)
        if left <= 0:
            return
