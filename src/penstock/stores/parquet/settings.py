"""What a pipeline file says about Parquet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ParquetSource:
    """Parquet files to be read: `path` is a file or a pattern such as `orders/*.parquet`."""

    path: str


@dataclass(frozen=True, slots=True)
class ParquetSink:
    """A folder of Parquet files to be written, each of about `file_bytes` before it is packed."""

    path: str
    file_bytes: int = 128 * 2**20
    compression: Literal["zstd", "snappy", "gzip", "none"] = "zstd"
