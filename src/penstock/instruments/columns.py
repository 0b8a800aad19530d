"""Columns of samples, and the numbers that stand for what is in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from penstock.instruments.ranges import Limits, limits_for
from penstock.instruments.validation import DEFAULT, NotANumber, ValidationSettings, number
from penstock.model.errors import Misconfigured
from penstock.model.quality import CODES, Quality


class NoSamples(Misconfigured):
    """These columns are not those of samples."""

    default_hint = (
        "Samples have `channel` (text) and `value` (numbers, or text), and may have `timestamp_ms` (whole numbers), `unit`, `quality`,"
        " `source` (text) and `provider` (text or whole numbers). Stages of a pipeline, `rename` and `cast`, make them so."
    )


def with_quality(schema: pa.Schema, settings: ValidationSettings = DEFAULT) -> pa.Schema:
    """The columns that samples with these columns have once they were looked at: `quality`, and values that were text are numbers.

    Raises:
        NoSamples: with the column that is missing, or is of another type.
    """
    for name in ("channel", "value"):
        if name not in schema.names:
            raise NoSamples(f"there is no `{name}`")
    for name, fits in _TYPES.items():
        if name in schema.names and not fits(schema.field(name).type):
            raise NoSamples(f"`{name}` is {schema.field(name).type}")
    if settings.enabled and _is_text(schema.field("value").type):
        schema = schema.set(schema.get_field_index("value"), pa.field("value", pa.float64()))
    quality = pa.field("quality", pa.string())
    at = schema.get_field_index("quality")
    return schema.append(quality) if at < 0 else schema.set(at, quality)


def _is_text(kind: pa.DataType) -> bool:
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(plain) or pa.types.is_large_string(plain))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


_TYPES: Mapping[str, Callable[[pa.DataType], bool]] = {
    "channel": _is_text,
    "value": lambda kind: _is_text(kind) or _is_number(kind),
    "timestamp_ms": pa.types.is_integer,
    "unit": _is_text,
    "quality": _is_text,
    "source": _is_text,
    "provider": lambda kind: _is_text(kind) or pa.types.is_integer(kind),
}


@dataclass(frozen=True, slots=True)
class Texts:
    """A column of texts: for each row the place of its text in `texts`. Null is empty text, and so is a column that is not there."""

    places: np.ndarray
    texts: list[str]

    @classmethod
    def of(cls, rows: pa.RecordBatch, name: str) -> Texts:
        """The column `name`."""
        if name not in rows.schema.names:
            return cls(np.zeros(rows.num_rows, np.int64), [""])
        coded = rows.column(name).dictionary_encode()
        texts = [text or "" for text in coded.dictionary.cast(pa.string()).to_pylist()]
        places = coded.indices.cast(pa.int64()).fill_null(len(texts))
        return cls(places.to_numpy(zero_copy_only=False), [*texts, ""])

    def where(self, fits: Callable[[str], bool]) -> np.ndarray:
        """Which rows have a text that fits."""
        return np.array([fits(text) for text in self.texts]).take(self.places)


@dataclass(frozen=True, slots=True)
class Values:
    """A column of values as floats: NaN where there is none (`missing`), and where something is no number (`undecodable`)."""

    floats: np.ndarray
    missing: np.ndarray
    undecodable: np.ndarray

    @classmethod
    def of(cls, column: pa.Array, settings: ValidationSettings) -> Values:
        """Numbers as they are; texts read as `number` reads them."""
        if _is_text(column.type):
            return cls._read(column.to_pylist(), settings)
        missing = column.is_null().to_numpy(zero_copy_only=False)
        floats = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        return cls(floats, missing, np.zeros(len(column), bool))

    @classmethod
    def _read(cls, texts: list[str | None], settings: ValidationSettings) -> Values:
        floats, missing, undecodable = np.full(len(texts), np.nan), np.zeros(len(texts), bool), np.zeros(len(texts), bool)
        for at, text in enumerate(texts):
            try:
                value = number(text, settings)
            except NotANumber:
                undecodable[at] = True
                continue
            missing[at] = value is None
            floats[at] = np.nan if value is None else value
        return cls(floats, missing, undecodable)


@dataclass(frozen=True, slots=True)
class Compared:
    """What the values are compared with: for each row the place of its limits, and of all limits the edges, one column each."""

    places: np.ndarray
    limits: list[Limits]
    edges: np.ndarray

    @classmethod
    def of(cls, channels: Texts, units: Texts) -> Compared:
        """The limits of these channels in these units; of however many there may be, only those that occur are looked up."""
        pairs = pa.array(channels.places * len(units.texts) + units.places).dictionary_encode()
        met = [divmod(pair, len(units.texts)) for pair in pairs.dictionary.to_pylist()]
        limits = [limits_for(channels.texts[channel], units.texts[unit]) for channel, unit in met]
        edges = np.array([(one.low, one.high, one.warn_low, one.warn_high) for one in limits]).reshape(-1, 4).T
        return cls(pairs.indices.to_numpy(), limits, edges)

    def within(self, floats: np.ndarray, low: int, high: int) -> np.ndarray:
        """Which values lie between two edges; NaN lies nowhere."""
        within: np.ndarray = (floats >= self.edges[low].take(self.places)) & (floats <= self.edges[high].take(self.places))
        return within


def stated(qualities: Texts) -> np.ndarray:
    """The codes of the qualities that were stated; what is none counts as ok here."""
    codes: dict[str, int] = {quality.value: code for quality, code in CODES.items()}
    return np.array([codes.get(text, 0) for text in qualities.texts], np.int8).take(qualities.places)


def is_quality(text: str) -> bool:
    """Whether it is one, or nothing was said."""
    return text in {"", *Quality}
