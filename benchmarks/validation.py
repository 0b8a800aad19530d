r"""What looking at samples costs, one by one and a column at a time.

    .venv/bin/python benchmarks/validation.py [--samples 1000000] [--rounds 5]

The samples are those of a dyno network as it was measured: 139 channels, 7 of them with a range, float32, as a source gives them (names as
text) and as a decoder does (names as numbers of a dictionary). In each round every variant looks at all of them, and finds the same; the
scalar one looks at every hundredth. `broken` are the same samples with one of the seven channels NaN for half of the time, `all NaN` what
an instrument gone wrong would send.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from itertools import starmap
from statistics import median

import numpy as np
import pyarrow as pa

from penstock.instruments import DataSample
from penstock.instruments.looking import look

RANGED = {"Engine RPM": "rpm", "Air/Fuel Ratio 1": "AFR", "MAP kPa": "kPa", "Horsepower": "kW", "Torque": "N·m", "TPS": "%", "IAT": "°C"}
CHANNELS = [*RANGED, *(f"Channel {number}" for number in range(132))]
UNITS = [RANGED.get(name, "") for name in CHANNELS]
SCALAR_SHARE = 100


def samples(number: int) -> pa.RecordBatch:
    """Channels take turns as they come; values are anything from 0 to 400."""
    draw = np.random.default_rng(1)
    which = pa.array(draw.integers(0, len(CHANNELS), number))
    return pa.record_batch(
        {
            "timestamp_ms": np.arange(number),
            "provider": pa.array(["RT CPU"]).take(pa.array(np.zeros(number, np.int64))),
            "channel": pa.array(CHANNELS).take(which),
            "value": draw.uniform(0, 400, number).astype(np.float32),
            "unit": pa.array(UNITS).take(which),
        }
    )


def with_nan(rows: pa.RecordBatch, where: np.ndarray) -> pa.RecordBatch:
    """The same samples, some of them NaN."""
    values = rows.column("value").to_numpy().copy()
    values[where] = np.nan
    return rows.set_column(rows.schema.get_field_index("value"), "value", pa.array(values))


def coded(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The same samples, names as numbers."""
    for name in ("provider", "channel", "unit"):
        rows = rows.set_column(rows.schema.get_field_index(name), name, rows.column(name).dictionary_encode())
    return rows


def one_by_one(given: list[DataSample]) -> list[str]:
    """The qualities that looking at each gives."""
    return [str(sample.validate().quality) for sample in given]


def main() -> None:
    """Take turns, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    arguments = parser.parse_args()
    rows = samples(arguments.samples)
    few = rows.take(pa.array(np.arange(0, rows.num_rows, SCALAR_SHARE)))
    torque = pa.compute.equal(rows.column("channel"), "Torque").to_numpy(zero_copy_only=False)
    columns = [few.column(name).to_pylist() for name in ("timestamp_ms", "provider", "channel", "value", "unit")]
    alone = list(starmap(DataSample, zip(*columns, strict=True)))
    assert look(few).rows.column("quality").to_pylist() == one_by_one(alone)

    half = torque & (np.arange(rows.num_rows) % 1_000 < 500)
    variants: dict[str, tuple[int, Callable[[], object]]] = {"one by one": (len(alone), lambda: one_by_one(alone))}
    given = {
        "names as text": rows,
        "names as numbers": coded(rows),
        "broken": with_nan(rows, half),
        "all NaN": with_nan(rows, torque | True),
    }
    for name, batch in given.items():
        variants[name] = (batch.num_rows, partial(look, batch))
    measured = defaultdict[str, list[float]](list)
    for _ in range(arguments.rounds):
        for name, (number, work) in variants.items():
            began = time.perf_counter()
            work()
            measured[name].append(number / (time.perf_counter() - began))

    print(f"{rows.num_rows:,} samples of {len(CHANNELS)} channels, {arguments.rounds} rounds, median (least to most)\n")
    for name, rates in measured.items():
        print(f"{name:<20}{median(rates):>14,.0f} samples/s ({min(rates):,.0f} to {max(rates):,.0f}){1e6 / median(rates):>10.3f} µs each")
    print("\nratios, paired within a round:")
    for name in given:
        ratios = [many / one for many, one in zip(measured[name], measured["one by one"], strict=True)]
        print(f"  {name} / one by one: {median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})")


if __name__ == "__main__":
    main()
