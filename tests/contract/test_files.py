"""Files keep the contracts of their ports."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from penstock.ports.source import Source
from penstock.stores.csv.settings import CsvSource
from penstock.stores.csv.source import source as csv_source
from penstock.stores.csv.writing import CsvRecords
from penstock.stores.jsonl.settings import JsonlSource
from penstock.stores.jsonl.source import source
from penstock.stores.jsonl.writing import JsonLines
from penstock.stores.parquet.generations import ParquetGenerations
from penstock.stores.parquet.settings import ParquetSource
from penstock.stores.parquet.sink import ParquetFolder
from penstock.stores.parquet.source import source as parquet_source
from penstock.testing.destinations import DestinationSuite
from penstock.testing.sources import SourceSuite
from tests.contract.benches import ParquetBench, SqliteBench, WrittenFileBench

LINES = [
    *(json.dumps({"id": number, "name": f"record {number}", "nested": {"n": number}}).encode() for number in range(40)),
    b"this is no JSON",
    b"",
    b'{"id": 41, "name": "a name that is rather longer than the names of all the others"}',
    b"[42]",
    b'{"id": 43, "name": "\xff"}',
    *(json.dumps({"id": number, "name": None, "nested": [number]}).encode() for number in range(44, 60)),
]


class TestJsonlSource(SourceSuite):
    """Files cut into small partitions, read in small blocks."""

    @pytest.fixture(autouse=True)
    def files(self, tmp_path: Path) -> None:
        """One file with everything in it, an empty one, and one in a folder."""
        self.folder = tmp_path
        (tmp_path / "inner").mkdir()
        (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + b"\n".join(LINES) + b"\n")
        (tmp_path / "b.jsonl").write_bytes(b"")
        (tmp_path / "inner" / "c.jsonl").write_bytes(b"\r\n".join(LINES[:20]) + b'\r\n{"id": 99, "na')

    def make(self) -> Source:
        """In partitions of some ten lines, and batches of some four."""
        return source(JsonlSource("**/*.jsonl"), self.folder, partition_bytes=600, block_bytes=256)


class TestPackedJsonlSource(SourceSuite):
    """A packed file, of which every place but its ends is inside."""

    @pytest.fixture(autouse=True, params=["gz", "zst"])
    def files(self, tmp_path: Path, request: pytest.FixtureRequest) -> None:
        """Two files, and one that is not packed."""
        self.folder = tmp_path
        contents = b"\n".join(LINES)
        packed = gzip.compress(contents) if request.param == "gz" else bytes(pa.Codec("zstd").compress(contents))
        for name in "ab":
            (tmp_path / f"{name}.jsonl.{request.param}").write_bytes(packed)
        (tmp_path / "c.jsonl").write_bytes(contents)

    def make(self) -> Source:
        """In small blocks."""
        return source(JsonlSource("*.jsonl*"), self.folder, partition_bytes=600, block_bytes=256)


class TestCsvSource(SourceSuite):
    """Tables with quoted line ends, records of a wrong length, and another header."""

    @pytest.fixture(autouse=True)
    def files(self, tmp_path: Path) -> None:
        """Three files."""
        self.folder = tmp_path
        records = [
            *(b'%d,"name, ""quoted""\r\nof %d",' % (number, number) for number in range(20)),
            b"1,2",
            b"20,\xff,",
            b"x,y,z",
            b"",
            b"21,,",
        ]
        (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfid,name,at\r\n" + b"\r\n".join(records) + b"\r\n")
        (tmp_path / "b.csv").write_bytes(b"name,id\n" + b"".join(b"name %d,%d\n" % (number, number) for number in range(30)))
        (tmp_path / "c.csv").write_bytes(b"id,name,at\n")

    def make(self) -> Source:
        """In small blocks; files are not cut."""
        return csv_source(CsvSource("*.csv"), self.folder, partition_bytes=100, block_bytes=100)


class TestWrittenFile(DestinationSuite):
    """One file, appended to or replaced, as lines of JSON or as a table of text."""

    @pytest.fixture(params=[(JsonLines(), False), (JsonLines(), True), (CsvRecords(), False)], ids=["jsonl", "jsonl aside", "csv"])
    def bench(self, sqlite_bench: SqliteBench, tmp_path: Path, request: pytest.FixtureRequest) -> WrittenFileBench:
        """In a folder of its own."""
        encoding, aside = request.param
        return WrittenFileBench(sqlite_bench, tmp_path / "records", encoding, aside)


class TestParquetSource(SourceSuite):
    """Files of several row groups, one with other columns, and one without rows."""

    @pytest.fixture(autouse=True)
    def files(self, tmp_path: Path) -> None:
        """Three files."""
        self.folder = tmp_path
        rows = pa.table({"id": pa.array(range(100), pa.int32()), "tags": [[number] for number in range(100)]})
        pq.write_table(rows, tmp_path / "a.parquet", row_group_size=23)
        pq.write_table(rows.slice(0, 0), tmp_path / "b.parquet")
        pq.write_table(rows.slice(0, 30), tmp_path / "c.parquet", row_group_size=7)

    def make(self) -> Source:
        """In partitions of some row groups, and batches within them."""
        return parquet_source(ParquetSource("*.parquet"), self.folder, partition_rows=40, batch_rows=10)


class TestParquetFolder(DestinationSuite):
    """A folder of files, with the positions in their footers, that is added to or replaced."""

    @pytest.fixture(params=[ParquetFolder, ParquetGenerations])
    def bench(self, sqlite_bench: SqliteBench, tmp_path: Path, request: pytest.FixtureRequest) -> ParquetBench:
        """A folder of its own."""
        return ParquetBench(sqlite_bench, tmp_path / "records", request.param)
