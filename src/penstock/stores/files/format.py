"""What a kind of file tells the source of files about itself."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from penstock.ports.flow import Refusal
from penstock.stores.files.catalogue import Extent

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Part:
    """What was read in one go, and where in the file that ends: behind `upto` units, or inside of them where `inside` says so."""

    rows: pa.RecordBatch
    refused: tuple[Refusal, ...]
    upto: int
    inside: bytes = b""


class Format(Protocol):
    """A kind of file. All of this runs in threads."""

    @property
    def schema(self) -> pa.Schema:
        """Columns of every part, as far as a look at the first rows could tell."""
        ...

    @property
    def units(self) -> Literal["bytes", "rows"]:
        """What positions count."""
        ...

    def measure(self, path: Path, start: int) -> int:
        """How many units the file has that can be read now, of which `start` are known; what is unfinished at its end is none."""
        ...

    def mark(self, path: Path, end: int) -> str:
        """A digest by which the first `end` units are known again."""
        ...

    def seam(self, path: Path, near: int, end: int) -> int:
        """The first place at or behind `near` where the file can be cut, `end` where there is none before."""
        ...

    def read(self, path: Path, extent: Extent) -> Generator[Part, None, None]:
        """All of `extent`, in parts that fit in memory; the last one ends where it does, exactly."""
        ...
