"""What a pipeline file says about a queue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class QueueSource:
    """The entries of the log in the folder `path`: as they are, with the place of each, or `json`, whose members are columns.

    `columns` states types of JSON by name; other columns are learned from the first entries.
    """

    path: str
    format: Literal["raw", "json"] = "raw"
    columns: Mapping[str, str] = field(default_factory=dict)
