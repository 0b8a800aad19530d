"""What a file says of itself in its footer: whose it is, which stretches of the source it holds, what became of their records.

See docs/formats/parquet.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
import pyarrow as pa

from penstock.model.counts import Counts
from penstock.model.coverage import Position
from penstock.model.gaps import Gap
from penstock.ports.flow import Became, BlockId, Refusal
from penstock.stores.parquet.source import opened

KEY = b"penstock"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Footer:
    """The pipeline that wrote a file, the name it wrote it under, and the blocks in it."""

    pipeline: str
    fence: int
    name: str
    blocks: tuple[Became, ...]


class _Letter(msgspec.Struct, array_like=True):
    row: int
    raw: bytes
    reason: str
    origin: str
    also: tuple[int, ...] = ()


class _Block(msgspec.Struct, omit_defaults=True):
    """Positions as order and resume in hexadecimal; bytes of dead letters in base64."""

    epoch: str
    strand: str
    after: tuple[str, str]
    upto: tuple[str, str]
    counts: Counts
    dead: list[_Letter] = []
    gaps: list[Gap] = []


class _Footer(msgspec.Struct):
    version: int
    pipeline: str
    fence: int
    name: str
    blocks: list[_Block]


_decoder = msgspec.json.Decoder(_Footer)


def encoded(footer: Footer) -> dict[bytes, bytes]:
    """The metadata of a file."""
    held = [
        _Block(
            epoch=one.id.after.epoch,
            strand=one.id.strand.order.hex(),
            after=_words(one.id.after),
            upto=_words(one.id.upto),
            counts=one.counts,
            dead=[_Letter(letter.row, letter.raw, letter.reason, letter.origin, letter.also) for letter in one.dead],
            gaps=list(one.gaps),
        )
        for one in footer.blocks
    ]
    return {KEY: msgspec.json.encode(_Footer(VERSION, footer.pipeline, footer.fence, footer.name, held))}


def footer_of(path: Path) -> Footer | None:
    """What a file says of itself; None where it is not one of ours.

    Raises:
        NotReadable: it is no whole file of Parquet.
    """
    with opened(path) as file:
        raw = (file.metadata.metadata or {}).get(KEY)
    if raw is None:
        return None
    try:
        found = _decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return Footer(found.pipeline, found.fence, found.name, tuple(map(_became, found.blocks))) if found.version == VERSION else None


def _became(block: _Block) -> Became:
    strand = Position(block.epoch, bytes.fromhex(block.strand))
    after, upto = (Position(block.epoch, *map(bytes.fromhex, words)) for words in (block.after, block.upto))
    dead = tuple(Refusal(*msgspec.structs.astuple(letter)) for letter in block.dead)
    return Became(BlockId(strand, after, upto), block.counts, dead, tuple(block.gaps))


def _words(position: Position) -> tuple[str, str]:
    return position.order.hex(), position.resume.hex()


def rows_of(folder: Path) -> int:
    """How many rows the files of a folder have that readers see."""
    found = 0
    for path in files_of(folder):
        with opened(path) as file:
            found += int(file.metadata.num_rows)
    return found


def files_of(folder: Path) -> list[Path]:
    """The files of a folder that readers see."""
    return sorted(path for path in folder.glob("*.parquet") if not path.name.startswith("."))


def schema_of(path: Path) -> pa.Schema:
    """The columns of a file."""
    with opened(path) as file:
        return file.schema_arrow
