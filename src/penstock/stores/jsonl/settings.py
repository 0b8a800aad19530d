"""What a pipeline file says about JSON lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class JsonlSource:
    """JSON lines to be read: `path` is a file or a pattern, packed with gzip or Zstandard where its name ends in `.gz` or `.zst`.

    `columns` states types by name; other columns are inferred from the first rows. A file that is `complete` ends with a record also where
    its last line has no line end; in another one such a line is waited for.
    """

    path: str
    columns: Mapping[str, str] = field(default_factory=dict)
    complete: bool = False
    max_line_bytes: int = 16 * 2**20


@dataclass(frozen=True, slots=True)
class JsonlSink:
    """One file of JSON lines to be written."""

    path: str
