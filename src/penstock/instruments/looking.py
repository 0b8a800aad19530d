"""The look at many samples at once, a column at a time; it finds what looking at each by itself finds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.instruments.columns import Compared, Texts, Values, is_quality, stated, with_quality
from penstock.instruments.refusals import RefusedRun, Runs
from penstock.instruments.validation import (
    CALLED_OUT_OF_RANGE,
    DEFAULT,
    INFINITE,
    NAN,
    NO_CHANNEL,
    NO_QUALITY,
    NO_SOURCE,
    NO_TIME,
    NO_VALUE,
    NOT_A_NUMBER,
    ValidationSettings,
)
from penstock.model.quality import CODES, QUALITIES, Quality

WARN, OUT_OF_RANGE, NOT_MEASURING = (CODES[one] for one in (Quality.WARN, Quality.OUT_OF_RANGE, Quality.NOT_MEASURING))

REASONS = ("", NO_TIME, NO_QUALITY, NO_SOURCE, NO_CHANNEL, NOT_A_NUMBER, NO_VALUE, NAN, INFINITE, CALLED_OUT_OF_RANGE)
"""By their codes; 0 is kept. A code past the last one is outside of the limits that have this number, counted on from there."""

LOW, HIGH, WARN_LOW, WARN_HIGH = range(4)

_NAMES = pa.array([str(quality) for quality in QUALITIES])


@dataclass(frozen=True, slots=True)
class Looked:
    """What became of some samples: the kept rows, with their `quality`, their numbers (None: all), and the runs of the refused ones."""

    rows: pa.RecordBatch
    kept: np.ndarray | None
    refused: Sequence[RefusedRun]


def look(rows: pa.RecordBatch, settings: ValidationSettings = DEFAULT) -> Looked:
    """Look at samples, one in each row, with the columns of `with_quality`; raises `NoSamples`."""
    schema = with_quality(rows.schema, settings)
    channels, qualities = Texts.of(rows, "channel"), Texts.of(rows, "quality")
    if not settings.enabled:
        return Looked(_with(rows, schema, {"quality": _unchecked(rows)}), None, ())
    compared = Compared.of(channels, Texts.of(rows, "unit"))
    values = Values.of(rows.column("value"), settings)
    quality, reasons = _judged(values, compared, stated(qualities), settings)
    for reason, faulty in _frame(rows, channels, qualities):
        reasons[faulty] = REASONS.index(reason)
    as_text = schema.field("value").type != rows.schema.field("value").type
    read = {"value": pa.array(values.floats, mask=values.missing)} if as_text else {}
    judged = _with(rows, schema, {"quality": _NAMES.take(pa.array(quality)), **read})
    if not reasons.any():
        return Looked(judged, None, ())
    kept = np.flatnonzero(reasons == 0)
    return Looked(judged.take(pa.array(kept)), kept, _runs(rows, channels, compared, reasons))


def _unchecked(rows: pa.RecordBatch) -> pa.Array:
    if "quality" not in rows.schema.names:
        return _NAMES.take(pa.array(np.zeros(rows.num_rows, np.int8)))
    return rows.column("quality").cast(pa.string()).fill_null(Quality.OK.value)


def _with(rows: pa.RecordBatch, schema: pa.Schema, found: Mapping[str, pa.Array]) -> pa.RecordBatch:
    columns = {**dict(zip(rows.schema.names, rows.columns, strict=True)), **found}
    return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


def _judged(values: Values, compared: Compared, said: np.ndarray, settings: ValidationSettings) -> tuple[np.ndarray, np.ndarray]:
    """Qualities and reasons by their codes: what `judge` answers for each value."""
    floats, measuring = values.floats, said < NOT_MEASURING
    finite, infinite = np.isfinite(floats), np.isinf(floats)
    nan = ~finite & ~infinite & ~values.missing & ~values.undecodable
    outside = finite & measuring & ~compared.within(floats, LOW, HIGH)
    found = np.zeros(len(floats), np.int8)
    found[finite & measuring & ~compared.within(floats, WARN_LOW, WARN_HIGH)] = WARN
    found[outside | infinite] = OUT_OF_RANGE
    found[nan] = NOT_MEASURING
    quality, reasons = np.maximum(said, found), np.zeros(len(floats), np.int64)
    if settings.strict_mode:
        reasons[finite & (quality == OUT_OF_RANGE)] = REASONS.index(CALLED_OUT_OF_RANGE)
        reasons[outside] = len(REASONS) + compared.places[outside]
        reasons[infinite & measuring] = REASONS.index(INFINITE)
    if settings.reject_inf:
        reasons[infinite] = REASONS.index(INFINITE)
    if settings.reject_nan:
        reasons[nan] = REASONS.index(NAN)
    reasons[values.missing & measuring] = REASONS.index(NO_VALUE)
    reasons[values.undecodable] = REASONS.index(NOT_A_NUMBER)
    return quality, reasons


def _frame(rows: pa.RecordBatch, channels: Texts, qualities: Texts) -> Iterator[tuple[str, np.ndarray]]:
    """What is wrong with samples apart from their values, and which ones; what counts most comes last."""
    yield NO_CHANNEL, channels.where(_is_blank)
    if "source" in rows.schema.names:
        yield NO_SOURCE, Texts.of(rows, "source").where(_is_blank)
    yield NO_QUALITY, ~qualities.where(is_quality)
    if "timestamp_ms" in rows.schema.names:
        yield NO_TIME, pc.less(rows.column("timestamp_ms").fill_null(-1), 0).to_numpy(zero_copy_only=False)


def _is_blank(text: str) -> bool:
    return not text.strip()


def _runs(rows: pa.RecordBatch, channels: Texts, compared: Compared, reasons: np.ndarray) -> Sequence[RefusedRun]:
    """The runs of refused samples; only the channels that have one are gone through."""
    near = np.flatnonzero(np.isin(channels.places, np.unique(channels.places[reasons != 0])))
    part, runs = rows.take(pa.array(near)), Runs()
    providers = Texts.of(part, next((name for name in ("provider", "source") if name in rows.schema.names), ""))
    times = part.column("timestamp_ms").to_pylist() if "timestamp_ms" in rows.schema.names else [None] * len(near)
    samples = zip(times, part.column("value").to_pylist(), strict=True)
    whose = zip(
        (providers.texts[place] for place in providers.places), (channels.texts[place] for place in channels.places[near]), strict=True
    )
    for number, key, code, sample in zip(near.tolist(), whose, reasons[near].tolist(), samples, strict=True):
        if not code:
            runs.keep(*key)
        elif code < len(REASONS):
            runs.refuse(number, *key, REASONS[code], sample)
        else:
            runs.refuse(number, *key, compared.limits[code - len(REASONS)].outside, sample)
    return runs.take()
