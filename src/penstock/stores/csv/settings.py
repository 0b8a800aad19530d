"""What a pipeline file says about tables of text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class CsvSource:
    """Tables of text to be read: `path` is a file or a pattern, packed with gzip or Zstandard where its name ends in `.gz` or `.zst`.

    `columns` states types by name; other columns are inferred from the first rows. The first record of each file names its columns, unless
    `names` does. `encoding` is UTF-8 or one in which a byte is a character. A file that is `complete` ends with a record also where its
    last line has no line end; in another one such a line is waited for.
    """

    path: str
    columns: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    delimiter: str = ","
    quote: str = '"'
    encoding: str = "utf-8"
    complete: bool = False
    max_record_bytes: int = 16 * 2**20


@dataclass(frozen=True, slots=True)
class CsvSink:
    """One table of text to be written, in UTF-8, with a header."""

    path: str
    delimiter: str = ","
