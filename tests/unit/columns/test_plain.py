"""Types of any Arrow file become those that flow here."""

from __future__ import annotations

import pyarrow as pa
import pytest

from penstock.stores.columns import plain, said


@pytest.mark.parametrize(
    ("type_", "name"),
    [
        (pa.int8(), "int64"),
        (pa.uint32(), "int64"),
        (pa.uint64(), "decimal(20, 0)"),
        (pa.float32(), "float64"),
        (pa.large_string(), "string"),
        (pa.dictionary(pa.int8(), pa.string()), "string"),
        (pa.binary(16), "binary"),
        (pa.timestamp("ns", "Europe/Berlin"), "timestamp"),
        (pa.timestamp("s"), "datetime"),
        (pa.date64(), "date"),
        (pa.time32("ms"), "time"),
        (pa.decimal128(9, 2), "decimal(9, 2)"),
        (pa.uuid(), "uuid"),
        (pa.list_(pa.int8()), "json"),
        (pa.struct([("a", pa.int8())]), "json"),
        (pa.decimal256(50, 2), "json"),
    ],
)
def test_a_type_becomes_the_widest_of_its_kind(type_: pa.DataType, name: str) -> None:
    """Every Arrow type has one that sinks know; what is nested becomes JSON text. Whether there must be a value stays."""
    (field,) = plain(pa.schema([pa.field("c", type_, nullable=False)]))

    assert (said(field), field.nullable) == (name, False)


def test_a_column_of_nulls_is_text() -> None:
    """A column without a type has one all the same."""
    assert said(plain(pa.schema([pa.field("c", pa.null())])).field("c")) == "string"
