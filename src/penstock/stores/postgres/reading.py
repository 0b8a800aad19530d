"""Rows of a table, a page at a time: the server joins each column's values, and they become Arrow columns as they are.

For every column the server answers its values in the binary format, one behind the other (`string_agg`), and beside those that differ in
length how long each is, -1 for null. Which of the others are null it says once for all columns, in the bits of a number a row.
Taking COPY's rows apart would cost the client a Python step a value; this costs a few numpy calls a column.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.ports.flow import Refusal
from penstock.stores.columns import json_field
from penstock.stores.postgres.names import quoted
from penstock.stores.postgres.shape import Column
from penstock.stores.postgres.values import POSTGRES_EPOCH_DAY, POSTGRES_EPOCH_MS

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FIXED: dict[str, tuple[str, pa.DataType, str]] = {
    "boolean": ("boolsend({})", pa.bool_(), "u1"),
    "smallint": ("int8send({}::bigint)", pa.int64(), ">i8"),
    "integer": ("int8send({}::bigint)", pa.int64(), ">i8"),
    "bigint": ("int8send({})", pa.int64(), ">i8"),
    "real": ("float8send({}::double precision)", pa.float64(), ">f8"),
    "double precision": ("float8send({})", pa.float64(), ">f8"),
    "uuid": ("uuid_send({})", pa.uuid(), "V16"),
    "date": ("date_send({})", pa.date32(), ">i4"),
    "time without time zone": ("time_send({})", pa.time64("us"), ">i8"),
    "timestamp without time zone": ("timestamp_send({})", pa.timestamp("us"), ">i8"),
    "timestamp with time zone": ("timestamptz_send({})", pa.timestamp("us", "UTC"), ">i8"),
}
"""By type: how the server sends a value, what it becomes, and the layout of what is sent."""

_ENDLESS = {pa.date32(): (2**31 - 1, -(2**31)), pa.timestamp("us"): (2**63 - 1, -(2**63)), pa.timestamp("us", "UTC"): (2**63 - 1, -(2**63))}
"""What PostgreSQL sends for infinity and -infinity."""

MASK_BITS = 63

_SHIFTS = {pa.date32(): POSTGRES_EPOCH_DAY} | dict.fromkeys((pa.timestamp("us"), pa.timestamp("us", "UTC")), POSTGRES_EPOCH_MS * 1_000)


@dataclass(frozen=True, slots=True)
class Read:
    """A column that is read: its Arrow field, the SQL that sends a value, and the layout of one, empty where they differ in length."""

    field: pa.Field
    sent: str
    layout: str = ""

    @property
    def masked(self) -> bool:
        """Whether a bit says of each value if it is null."""
        return bool(self.layout) and self.field.nullable

    def joined(self, place: int) -> str:
        """SQL that answers all values of the page, and how long they are where they differ."""
        if not self.layout:
            return f"string_agg(c{place}, ''), string_agg(int4send(coalesce(octet_length(c{place}), -1)), '')"
        nothing = f"'\\x{'00' * np.dtype(self.layout).itemsize}'"
        return f"string_agg({f'coalesce(c{place}, {nothing})' if self.masked else f'c{place}'}, ''), null::bytea"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server answers to the query of a page: how many rows, for each column its values and how long they are, and the masks."""

    rows: int
    parts: tuple[tuple[bytes, bytes], ...]
    masks: tuple[bytes, ...]

    @classmethod
    def of(cls, found: Iterable[Any], columns: int) -> Answer:
        """Out of the one row that was answered."""
        rows, *parts = found
        parts = [part or b"" for part in parts]
        return cls(rows, tuple(zip(parts[: 2 * columns : 2], parts[1 : 2 * columns : 2], strict=True)), tuple(parts[2 * columns :]))

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(len(values) + len(beside) for values, beside in self.parts) + sum(map(len, self.masks))


@dataclass(frozen=True, slots=True)
class Page:
    """Decoded rows, and those that Arrow's types have no place for."""

    rows: pa.RecordBatch
    refused: tuple[Refusal, ...]


def columns(found: Mapping[str, Column]) -> list[Read]:
    """How the columns of a table are read. What has no type here is read as PostgreSQL writes it, lists and rows as JSON."""
    return [_read(name, column) for name, column in found.items()]


def _read(name: str, column: Column) -> Read:
    kind, sql, nullable = column.type, quoted(name), not column.required
    base = kind.replace("(3)", "").replace("(6)", "")
    if base in _FIXED:
        send, arrow, layout = _FIXED[base]
        return Read(pa.field(name, arrow, nullable), send.format(sql), layout)
    if kind == "bytea":
        return Read(pa.field(name, pa.binary(), nullable), sql)
    if kind in ("json", "jsonb"):
        return Read(json_field(name).with_nullable(nullable), f"textsend({sql}::text)")
    if kind.endswith("[]"):
        return Read(json_field(name).with_nullable(nullable), f"textsend(to_json({sql})::text)")
    if (decimal := _decimal(kind)) is not None:
        return Read(pa.field(name, decimal, nullable), f"textsend({sql}::text)")
    return Read(pa.field(name, pa.string(), nullable), f"textsend({sql}::text)")


def _decimal(kind: str) -> pa.DataType | None:
    if not kind.startswith("numeric("):
        return None
    precision, scale = map(int, kind[8:-1].split(","))
    return pa.decimal128(precision, scale) if precision <= 38 and 0 <= scale <= precision else None


def page_sql(reads: Sequence[Read], table: str, condition: str, order: str, rows: int) -> str:
    """The query of a page of at least `rows` rows, unless there are fewer: whoever has the last key is on it."""
    inner = ", ".join(f"{read.sent} as c{place}" for place, read in enumerate(reads))
    outer = ", ".join([*(read.joined(place) for place, read in enumerate(reads)), *map(_mask, _masked(reads))])
    page = f"select {inner} from {table} where {condition} order by {order} fetch first {rows} rows with ties"
    return f"select count(*), {outer} from ({page}) page"


def _masked(reads: Sequence[Read]) -> list[list[int]]:
    """The places of the columns that share a mask."""
    places = [place for place, read in enumerate(reads) if read.masked]
    return [places[first : first + MASK_BITS] for first in range(0, len(places), MASK_BITS)]


def _mask(places: Sequence[int]) -> str:
    """SQL that answers a number a row, whose bits say which of some columns are null: one aggregate for all of them, not one for each."""
    bits = " | ".join(f"((c{place} is null)::int::bigint << {bit})" for bit, place in enumerate(places))
    none = f"num_nulls({', '.join(f'c{place}' for place in places)}) = 0"
    return f"string_agg(case when {none} then '\\x{'00' * 8}' else int8send({bits}) end, '')"


def _missing(reads: Sequence[Read], answer: Answer) -> dict[int, NDArray[np.bool_]]:
    """By the place of a column which of its values are null, where any is."""
    found: dict[int, NDArray[np.bool_]] = {}
    for mask, places in zip(answer.masks, _masked(reads), strict=True):
        numbers = np.frombuffer(mask, ">i8")
        if numbers.any():
            found |= {place: (numbers >> bit & 1).astype(bool) for bit, place in enumerate(places)}
    return found


def last_sent(reads: Sequence[Read], answer: Answer, name: str) -> bytes:
    """The value of a column that takes no null in the last row of a page, as it was sent."""
    place = next(place for place, read in enumerate(reads) if read.field.name == name)
    values, beside = answer.parts[place]
    size = np.dtype(reads[place].layout).itemsize if reads[place].layout else int(np.frombuffer(beside, ">i4")[-1])
    return values[len(values) - size :]


def decoded(reads: Sequence[Read], answer: Answer, origin: str) -> Page:
    """The rows of a page out of what its query answered."""
    arrays, bad, missing = [], dict[int, str](), _missing(reads, answer)
    for place, (read, (values, lengths)) in enumerate(zip(reads, answer.parts, strict=True)):
        arrays.append(_fixed(read, values, missing.get(place), bad) if read.layout else _varying(read, values, lengths, bad))
    rows = pa.RecordBatch.from_arrays(arrays, schema=pa.schema([read.field.with_nullable(True) for read in reads]))
    refused = tuple(Refusal(row, _raw(rows, row), reason, origin) for row, reason in sorted(bad.items()))
    if bad:
        rows = rows.take(pa.array(np.delete(np.arange(rows.num_rows), sorted(bad))))
    return Page(pa.RecordBatch.from_arrays(rows.columns, schema=pa.schema([read.field for read in reads])), refused)


def _fixed(read: Read, values: bytes, missing: NDArray[np.bool_] | None, bad: dict[int, str]) -> pa.Array:
    numbers = np.frombuffer(values, read.layout)
    kind = read.field.type
    if kind in _ENDLESS:
        missing = _without_infinity(read.field, numbers, missing, bad)
    if kind == pa.uuid():
        storage = pa.Array.from_buffers(pa.binary(16), len(numbers), [_valid(missing), pa.py_buffer(values)])
        return pa.ExtensionArray.from_storage(kind, storage)
    if kind == pa.bool_():
        return pa.array(numbers != 0, mask=missing)
    native = numbers.astype(numbers.dtype.newbyteorder("="))
    shifted = native + _SHIFTS[kind] if kind in _SHIFTS else native
    return pa.Array.from_buffers(kind, len(numbers), [_valid(missing), pa.py_buffer(shifted.astype(native.dtype))])


def _without_infinity(
    field: pa.Field, numbers: NDArray[np.generic], missing: NDArray[np.bool_] | None, bad: dict[int, str]
) -> NDArray[np.bool_] | None:
    """Which values are missing, now that infinite ones are; their rows are added to `bad`."""
    for endless, sign in zip(_ENDLESS[field.type], ("", "-"), strict=True):
        for row in np.flatnonzero(numbers == endless).tolist():
            bad.setdefault(row, f"{field.name}: {sign}infinity has no place in a {field.type} column")
            missing = np.zeros(len(numbers), bool) if missing is None else missing.copy()
            missing[row] = True
    return missing


def _varying(read: Read, values: bytes, lengths: bytes, bad: dict[int, str]) -> pa.Array:
    sizes = np.frombuffer(lengths, ">i4")
    offsets = np.zeros(len(sizes) + 1, np.int32)
    np.cumsum(np.maximum(sizes, 0), out=offsets[1:])
    kind = pa.string() if pa.types.is_decimal(read.field.type) else read.field.type
    buffers = [_valid(sizes < 0), pa.py_buffer(offsets), pa.py_buffer(values)]
    texts = pa.Array.from_buffers(kind, len(sizes), buffers)
    if kind is read.field.type:
        return texts
    strange = pc.fill_null(pc.is_in(texts, pa.array(["NaN", "Infinity", "-Infinity"])), False)
    for row in np.flatnonzero(strange.to_numpy(zero_copy_only=False)).tolist():
        bad.setdefault(row, f"{read.field.name}: {texts[row]} has no place in a {read.field.type} column")
    return pc.if_else(strange, None, texts).cast(read.field.type)


def _valid(missing: NDArray[np.bool_] | None) -> pa.Buffer | None:
    if missing is None or not missing.any():
        return None
    return pa.py_buffer(np.packbits(~missing, bitorder="little"))


def _raw(rows: pa.RecordBatch, row: int) -> bytes:
    """A row that is refused, as JSON with null for the value that it is refused for; Python's times do not reach as far as Arrow's."""
    cells = {name: column[row] for name, column in zip(rows.schema.names, rows.columns, strict=True)}
    values = {name: cell.cast(pa.string()).as_py() if _is_time(cell.type) else cell.as_py() for name, cell in cells.items()}
    return json.dumps(values, default=str).encode()


def _is_time(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))
