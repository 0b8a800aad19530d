"""What a pipeline file says about standard input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Format = Literal["json", "text"]


@dataclass(frozen=True, slots=True)
class StdinSource:
    """Lines of standard input: each a JSON object whose members are columns, or `text`, which is a column `line` beside `received_at`.

    `columns` states types of JSON by name; other columns are learned from the first lines.
    """

    format: Format = "json"
    columns: Mapping[str, str] = field(default_factory=dict)
    max_line_bytes: int = 16 * 2**20
