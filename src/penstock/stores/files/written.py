"""One file as a destination: rows are appended, and a block's bytes are confirmed in one transaction with its position.

Whatever lies behind the confirmed length was written by a run that did not get to confirm it, and is cut off before anything else is
written. A block is written while its transaction keeps every other run from taking the lease, so that a run that was paused and replaced
finds its lease lost before it touches the file.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from penstock.engine.beside import RunsBeside
from penstock.ports.checkpoints import Run
from penstock.ports.flow import Block, Receipt, Settled, Verdict
from penstock.ports.sink import BlockLimits, Delivery, Transactional, Writer
from penstock.stores.files import stream
from penstock.stores.files.confirmed import Confirmed, claimed, has_coverage, keep, look, require_own, require_published
from penstock.stores.files.errors import FileDoesNotFit, NoSuchFolder, naming
from penstock.stores.sqlite.checkpoints import SqliteCheckpoints

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Encoded:
    """Rows as the bytes of a file, and which of them are not among these."""

    data: bytes
    refused: tuple[Verdict, ...] = ()


class Encoding(Protocol):
    """How rows are written."""

    def header(self, schema: pa.Schema) -> bytes:
        """What the file begins with; a file that begins otherwise does not fit."""
        ...

    def encode(self, rows: Sequence[pa.RecordBatch]) -> Encoded:
        """The bytes of rows."""
        ...


@dataclass(frozen=True, slots=True)
class WrittenFile(RunsBeside):
    """The file at `path`. With `aside` rows are written beside it, and take its place once nothing is missing."""

    checkpoints: SqliteCheckpoints
    path: Path
    encoding: Encoding
    aside: bool = False
    in_flight: int = 1
    block: BlockLimits = field(default_factory=lambda: BlockLimits(rows=50_000))

    @property
    def delivery(self) -> Delivery:
        """A block is confirmed with its position, or cut off."""
        return Transactional()

    @property
    def writing(self) -> Path:
        """The file that rows are appended to."""
        return self.path.with_name(f".{self.path.name}.unfinished") if self.aside else self.path

    def open(self, run: Run, schema: pa.Schema) -> AbstractAsyncContextManager[Writer]:
        """Cut off what is not confirmed, and begin the file where it is new; see `Sink.open`.

        Raises:
            ForeignFile: there is a file that this pipeline did not write.
            FileLost: confirmed rows are gone.
            FileDoesNotFit: it was begun with other columns.
        """
        return self._open(run, self.encoding.header(schema))

    @asynccontextmanager
    async def _open(self, run: Run, header: bytes) -> AsyncIterator[Writer]:
        await self.checkpoints.within(run, lambda connection: self._claim(connection, run))
        await self.checkpoints.within(run, lambda connection: self._begin(connection, run, header))
        yield _FileWriter(self, run)

    def _claim(self, connection: sqlite3.Connection, run: Run) -> None:
        """Write down whose file it is before it is made: one that is there, and in no book, is somebody else's."""
        self.require_fit(confirmed := look(connection, run.pipeline.name, self.path))
        anew = self.aside and not has_coverage(connection, run)
        if confirmed is None or anew:
            keep(connection, run, self.path, replace(confirmed or Confirmed(), length=0, mark=""))

    def require_fit(self, confirmed: Confirmed | None) -> None:
        """Check folder and file, and change nothing; raises as `open` does."""
        if not self.path.parent.is_dir():
            raise NoSuchFolder(str(self.path.parent))
        with naming(self.path):
            if self.aside:
                require_published(self.path, confirmed)
            else:
                require_own(self.path, confirmed)

    async def look(self, schema: pa.Schema) -> str:
        """What is there for rows of these columns, in a sentence; nothing is changed. Raises as `open` does."""
        database = self.checkpoints.database
        known = await database.transact(lambda connection: claimed(connection, self.path)) if database.path.exists() else None
        self.require_fit(known)
        header = self.encoding.header(schema)
        with naming(self.path):
            if not self.path.exists():
                return f"{self.path} will be made"
            if not self.aside and known and known.length:
                require_header(self.path, header)
            return f"{self.path} is there, from this pipeline, with {self.path.stat().st_size:,} bytes"

    def _begin(self, connection: sqlite3.Connection, run: Run, header: bytes) -> None:
        confirmed = look(connection, run.pipeline.name, self.path) or Confirmed()
        with naming(self.writing):
            if confirmed.length:
                require_own(self.writing, confirmed)
                require_header(self.writing, header)
            else:
                self.writing.write_bytes(b"")
            self.append(connection, run, b"" if confirmed.length else header)
            sync_folder(self.path.parent)

    def append(self, connection: sqlite3.Connection, run: Run, data: bytes) -> None:
        """Make `data` what follows the confirmed bytes, durably, and confirm it; where there is no room nothing of it stays."""
        confirmed = look(connection, run.pipeline.name, self.path) or Confirmed()
        with naming(self.writing), self.writing.open("r+b", buffering=0) as file:
            file.truncate(confirmed.length)
            file.seek(confirmed.length)
            try:
                left = memoryview(data)
                while left:
                    left = left[file.write(left) :]
                os.fsync(file.fileno())
            except OSError:
                with suppress(OSError):
                    file.truncate(confirmed.length)
                raise
            length = confirmed.length + len(data)
            keep(connection, run, self.path, replace(confirmed, length=length, mark=stream.mark(self.writing, length)))

    async def publish(self, run: Run) -> None:
        """Put what was written aside in its place."""
        if self.aside:
            await self.checkpoints.within(run, lambda connection: self._publish(connection, run))

    def _publish(self, connection: sqlite3.Connection, run: Run) -> None:
        """Where the last attempt was not confirmed the file is in its place already."""
        confirmed = look(connection, run.pipeline.name, self.path)
        if confirmed is None or not has_coverage(connection, run):
            return
        with naming(self.path):
            if self.writing.exists():
                require_own(self.writing, confirmed)
                os.truncate(self.writing, confirmed.length)
                require_published(self.path, confirmed)
                self.writing.replace(self.path)
                sync_folder(self.path.parent)
            require_own(self.path, confirmed)
        keep(connection, run, self.path, replace(confirmed, published=confirmed.mark))


@dataclass(frozen=True, slots=True)
class _FileWriter:
    file: WrittenFile
    run: Run

    async def write(self, block: Block) -> Receipt:
        encoded = await asyncio.to_thread(self.file.encoding.encode, [batch.rows for batch in block.batches])
        receipt = Receipt(block.rows - len(encoded.refused), refused=encoded.refused)

        def confirm(connection: sqlite3.Connection) -> None:
            self.file.checkpoints.save_within(connection, self.run, block, receipt)
            self.file.append(connection, self.run, encoded.data)

        await self.file.checkpoints.within(self.run, confirm)
        return receipt

    async def settle(self) -> Sequence[Settled]:
        return ()


def require_header(path: Path, header: bytes) -> None:
    """Check what a file begins with.

    Raises:
        FileDoesNotFit: it is something else.
    """
    with path.open("rb") as file:
        begun = file.read(len(header))
    if begun != header:
        raise FileDoesNotFit(f"{path} begins with {begun.decode(errors='replace').strip()}, the rows have {header.decode().strip()}")


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
