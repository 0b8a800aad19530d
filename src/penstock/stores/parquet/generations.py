"""A folder of Parquet files that is replaced as a whole: it is a link to the files of the last complete run.

A run that begins anew makes a generation: a hidden folder beside the link, whose files hold their positions as in mode append. Once nothing
is missing another link, to the new generation, is renamed onto the old one. So whoever opens a path through it finds one generation or the
other at every moment; then the old one is removed.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.ports.checkpoints import Run
from penstock.ports.sink import Writer
from penstock.ports.source import Progress
from penstock.stores.files.confirmed import Confirmed, claimed, has_coverage, keep, look
from penstock.stores.files.errors import ForeignFile, NoSuchFolder, OtherMode, naming
from penstock.stores.files.written import sync_folder
from penstock.stores.parquet.footer import files_of
from penstock.stores.parquet.sink import ParquetFolder
from penstock.stores.parquet.writer import UNFINISHED

if TYPE_CHECKING:
    import pyarrow as pa

UNLIST = "delete from penstock_written_files where pipeline = ? and (path = ? or path like ? || '/%')"


@dataclass(frozen=True, slots=True)
class ParquetGenerations(ParquetFolder):
    """`folder` is the link. What is confirmed of it are names of generations: `mark` is being written, `published` has readers."""

    async def progress(self, run: Run) -> Progress:
        """What is committed of the generation that is being written; see `ParquetFolder.progress`.

        Raises:
            ForeignFile: the link, or what is in its place, is not ours.
            OtherMode: this pipeline filled the folder in mode append.
        """
        name = await self.checkpoints.within(run, lambda connection: self._begun(connection, run))
        return await (self._generation(name).progress(run) if name else self.checkpoints.progress(run))

    def open(self, run: Run, schema: pa.Schema) -> AbstractAsyncContextManager[Writer]:
        """Go on with a generation, or make one where nothing of it is stored; raises as `progress` does."""
        return self._open_generation(run, schema)

    @asynccontextmanager
    async def _open_generation(self, run: Run, schema: pa.Schema) -> AsyncIterator[Writer]:
        name = await self.checkpoints.within(run, lambda connection: self._begun(connection, run) or self._begin(connection, run))
        async with self._generation(name).open(run, schema) as writer:
            yield writer

    def _begun(self, connection: sqlite3.Connection, run: Run) -> str:
        """The generation of which something is stored; empty where nothing is."""
        known = look(connection, run.pipeline.name, self.folder)
        self._require_link(known)
        if known is None or not has_coverage(connection, run):
            return ""
        if not known.mark:
            raise OtherMode(str(self.folder))
        return known.mark

    def _begin(self, connection: sqlite3.Connection, run: Run) -> str:
        """The next generation, which its files claim for themselves; one of which nothing is stored any more makes room."""
        known = look(connection, run.pipeline.name, self.folder) or Confirmed()
        if known.mark != known.published:
            self._remove(connection, run, known.mark)
        name = f".{self.folder.name}.{int(known.mark.rpartition('.')[2] or 0) + 1:06}"
        keep(connection, run, self.folder, replace(known, mark=name))
        return name

    def _generation(self, name: str) -> ParquetFolder:
        return ParquetFolder(self.checkpoints, self.folder.with_name(name), self.file_bytes, self.compression, self.in_flight, self.block)

    def _remove(self, connection: sqlite3.Connection, run: Run, name: str) -> None:
        path = self.folder.with_name(name)
        connection.execute(UNLIST, (run.pipeline.name, str(path), str(path)))
        with naming(path):
            if path.exists():
                shutil.rmtree(path)

    async def publish(self, run: Run) -> None:
        """Let the link show the generation of which nothing is missing, and remove the one before."""
        await self.checkpoints.within(run, lambda connection: self._publish(connection, run))

    def _publish(self, connection: sqlite3.Connection, run: Run) -> None:
        """Where the last attempt was not confirmed the link is in its place already, and the old generation may be gone."""
        name = self._begun(connection, run)
        known = look(connection, run.pipeline.name, self.folder)
        if known is None or not name:
            return
        self._link(name)
        if known.published not in ("", name):
            self._remove(connection, run, known.published)
        keep(connection, run, self.folder, replace(known, published=name))

    def _link(self, name: str) -> None:
        with naming(self.folder):
            if self.folder.is_symlink() and self.folder.readlink() == Path(name):
                return
            beside = self.folder.with_name(f".{self.folder.name}{UNFINISHED}")
            beside.unlink(missing_ok=True)
            beside.symlink_to(name)
            beside.replace(self.folder)
            sync_folder(self.folder.parent)

    async def look(self, schema: pa.Schema) -> str:
        """What is there, in a sentence; nothing is changed. Raises as `progress` does."""
        del schema
        database = self.checkpoints.database
        known = await database.transact(lambda connection: claimed(connection, self.folder)) if database.path.exists() else None
        self._require_link(known)
        if not self.folder.exists():
            return f"{self.folder} will be made"
        return f"{self.folder} has {len(files_of(self.folder)):,} files of this pipeline, which will be replaced"

    def _require_link(self, known: Confirmed | None) -> None:
        if not self.folder.parent.is_dir():
            raise NoSuchFolder(str(self.folder.parent))
        with naming(self.folder):
            if self.folder.is_symlink():
                if known is None or os.fspath(self.folder.readlink()) not in (known.mark, known.published):
                    raise ForeignFile(str(self.folder))
            elif self.folder.exists():
                raise ForeignFile(str(self.folder)) if known is None or known.mark else OtherMode(str(self.folder))
