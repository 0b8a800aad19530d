"""Writing Parquet files: rows wait until they are a row group, row groups until they are a file."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow import parquet as pq

from penstock.ports.checkpoints import Run
from penstock.ports.flow import Became, Block, Receipt, Settled
from penstock.stores.files.errors import naming
from penstock.stores.files.written import sync_folder
from penstock.stores.parquet.footer import Footer, encoded

if TYPE_CHECKING:
    from penstock.stores.parquet.sink import ParquetFolder

UNFINISHED = ".unfinished"
GROUP_ROWS = 100_000


@dataclass(slots=True)
class Unfinished:
    """A file that has no name yet, and what is to be written to it."""

    path: Path
    writer: pq.ParquetWriter
    waiting: list[pa.RecordBatch] = field(default_factory=list)
    blocks: list[Became] = field(default_factory=list)
    bytes: int = 0

    def add(self, block: Block) -> None:
        """Take a block; write a row group once there are rows for one."""
        self.waiting += [batch.rows for batch in block.batches if batch.rows.num_rows]
        self.bytes += sum(batch.rows.nbytes for batch in block.batches)
        self.blocks.append(Became.of(block, Receipt(block.rows)))
        if sum(batch.num_rows for batch in self.waiting) >= GROUP_ROWS:
            self.write_group()

    def write_group(self) -> None:
        """Write what is waiting."""
        if self.waiting:
            self.writer.write_table(pa.Table.from_batches(self.waiting))
            self.waiting.clear()

    def finish(self, found: Footer) -> None:
        """Write the rest and the footer, durably."""
        self.write_group()
        self.writer.add_key_value_metadata(encoded(found))
        self.writer.close()
        number = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


@dataclass(slots=True)
class FolderWriter:
    """An open folder. Files are numbered within the run.

    Whoever waits for a thread may be cancelled, and the thread goes on: `_hold` keeps it from the file while that is abandoned.
    """

    sink: ParquetFolder
    run: Run
    schema: pa.Schema
    first: int
    _file: Unfinished | None = field(default=None, init=False)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _hold: threading.Lock = field(default_factory=threading.Lock, init=False)
    _abandoned: bool = field(default=False, init=False)

    async def write(self, block: Block) -> Receipt:
        """Take a block; it is durable with its file."""
        async with self._turn:
            await asyncio.to_thread(self._add, block)
            if self._file is not None and self._file.bytes >= self.sink.file_bytes:
                await self._finish(self._file)
        return Receipt(block.rows)

    async def settle(self) -> Sequence[Settled]:
        """Finish the file."""
        async with self._turn:
            if self._file is not None:
                await self._finish(self._file)
        return ()

    def abandon(self) -> None:
        """Give up a file that was not finished."""
        with self._hold:
            self._abandoned = True
            file, self._file = self._file, None
            if file is not None:
                with suppress(OSError, pa.ArrowException):
                    file.writer.close()
                with suppress(OSError):
                    file.path.unlink()

    def _add(self, block: Block) -> None:
        with self._hold, naming(self.sink.folder):
            if self._abandoned:
                return
            if self._file is None:
                path = self.sink.folder / f".{self._name}{UNFINISHED}"
                self._file = Unfinished(path, pq.ParquetWriter(path, self.schema, compression=self.sink.compression))
            self._file.add(block)

    @property
    def _name(self) -> str:
        return f"part-{self.run.fence:06}-{self.first:06}.parquet"

    async def _finish(self, file: Unfinished) -> None:
        """Give the file its name, in the transaction that commits what is in it."""
        found, target = Footer(self.run.pipeline.name, self.run.fence, self._name, tuple(file.blocks)), self.sink.folder / self._name
        await asyncio.to_thread(self._close, file, found)
        await self.sink.checkpoints.within(self.run, lambda connection: self._commit(connection, file, found, target))
        self._file = None
        self.first += 1

    def _close(self, file: Unfinished, found: Footer) -> None:
        with self._hold, naming(file.path):
            if not self._abandoned:
                file.finish(found)

    def _commit(self, connection: sqlite3.Connection, file: Unfinished, found: Footer, target: Path) -> None:
        self.sink.commit(connection, self.run, target, found)
        with naming(target):
            file.path.rename(target)
            sync_folder(self.sink.folder)
