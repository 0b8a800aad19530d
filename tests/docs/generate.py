"""Write the reference pages that are made from the program: `python -m tests.docs.generate`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import fields
from math import isfinite
from pathlib import Path
from typing import get_args

from penstock.extract.settings import ExtractSettings
from penstock.instruments.points import STOICHIOMETRIC, UNITS_OF_A_POINT
from penstock.instruments.ranges import CHANNELS, Channel
from penstock.instruments.validation import ValidationSettings
from penstock.model.metrics import CLIENT_HELP, HELP, GaugeName
from penstock.model.quality import MEANING
from penstock.model.units import UNITS

DOCS = Path(__file__).parents[2] / "docs"

EXTRACT = """# `penstock extract`

```
{help}```

## Where settings come from

Each flag with a value is also a variable of the environment and a line of `.env` in the current folder; flags win over the environment, the environment wins over
the file, empty counts as not given. {variables}. `TARGET_API_KEY` has no flag, so that it appears in no process list. `API_BASE_URL` is
the API's host, or the same ending in `/api/v1`. Only one of it and the key is an error. With `DATABASE_URL` and no API the command ends with exit code 2, unless `--simulate`
says that invented events may go there.

## The object of `--json`

One object on standard output, at the end:

| member | meaning |
|---|---|
| `state`, `message` | how it ended, also after an error: `completed`, `completed with rejected rows`, `failed` or `cancelled` |
| `rows_stored`, `duplicates`, `rejected` | of the pipeline, earlier runs included |
| `gaps` | stretches of the frozen scope that are not stored; null when the run was stopped before its proof |
| `complete` | whether the proof holds |
| `seconds`, `events_per_second` | of this run, from its start until its last row was settled |
| `proof_seconds` | what the proof took after that |
| `requests`, `throttled` | requests of this run, and how many were answered by 429 |
| `resumed` | whether an earlier run had stored something |
| `rows_stored_by_this_run` | as it says |
| `submission` | with `AUTO_SUBMIT`: its `state` (`received`, `refused`, `unanswered`, `not sent` or `held back`), `ids`, `repository`, `message`, `attempts_left`, `received_before` (whether it was held back because an earlier one was received); else null |
| `notices` | what was told on standard error while it ran, such as that the stream endpoint was not open |
| `proof` | what was counted: `parts` with received, stored, refused and rows in the table, `seams` with the events on both sides, `total`, `later_total`, `newer`, `faults` |

## The object of `--explore --json`

| member | meaning |
|---|---|
| `origin`, `requests`, `most`, `seconds` | the API, how many requests were sent of how many at the most, and how long that took |
| `endpoints` | each with `path`, `status`, `limit`, `remaining`, `reset_s` (null where nothing is stated), `headers` (names of its own), `timestamps` (notations), `total`, `largest_page` |
| `cursor` | `members`, `version`, `ttl_s`, `expiry_checked`, `can_be_made` (whether one that a client made is followed), `tie_order` and `smallest_id` (empty where no two events of one millisecond were seen) |
| `stream` | `open`, `closed_because`, `path`, `token_life_s`, `limit`, `honours_since`, `shares_events_limit`; with more than 40 requests `refused_after`, `pause_s` and `by_token`, too. Null is what was not found out |
| `latency` | `measured`: pairs of requests in flight and seconds for a full page; `base_s` and `per_request_s` of the line through them |
| `notes` | whatever else was seen |

## Exit codes

| code | meaning |
|---|---|
| 0 | completed, also with rejected rows |
| 1 | failed: the proof does not hold, too many records were refused (`--max-refused-percent`, or 1,000 in a row), the ids were to be submitted and are not known to have been received, now or by an earlier run, or an error that trying again does not mend |
| 2 | the command or its configuration is wrong, or the table is not this pipeline's; no row was stored |
| 75 | not now: another run is at work, a server does not answer, nothing was stored for 15 minutes. The same command goes on where this one stopped |
| 130, 143 | stopped by SIGINT or SIGTERM, after what was read had been stored |

## While it runs

`/health` (200 or 503, with the reason), `/ready`, `/metrics` ([Prometheus](metrics.md)) and `/status` (JSON) are served on loopback, port 8080 or the next free one; the
command says which. Without a terminal a line every 15 seconds says how far it is, worker by worker.
"""

METRICS = """# Metrics

`/metrics` answers in the Prometheus text format. This page is made from the catalogue in `penstock.model.metrics`.

| metric | kind | meaning |
|---|---|---|
{metrics}
## Of clients of live sources

Clients live in programs of yours; `/metrics` is that of a command at work, and does not have them. What `get_stats()` of a [client](../how-to/add-a-data-source.md) answers: a picture of one moment, which does not change any more.

| member | meaning |
|---|---|
{client}"""

SETTINGS = {
    "enabled": "whether samples are looked at. If not, each is stored as its source calls it",
    "strict_mode": "what is out of range is refused instead of flagged. Real runs pass 001's least power while they slow down",
    "sanitize_values": "numbers that are written as text are read, and empty text is a missing value. If not, text is refused",
    "reject_nan": "NaN is refused. If not, it is stored: `not_measuring`",
    "reject_inf": "infinity is refused. If not, it is stored: `out_of_range` (and strict mode refuses it)",
}

VALIDATION = """# Validation of samples

A value from an instrument is looked at before it is stored. It is never changed into another one, and never lost for being unusual: it is kept with its *quality*, or it is refused
and kept as a dead letter. This page is made from the tables in `penstock.instruments.ranges`, `penstock.model.quality` and `penstock.model.units`; its examples are run by a test.

| what comes | what becomes of it |
|---|---|
| a number within the range of its sensor | stored: `ok`, or `warn` outside of what is usual |
| a number outside of the range | stored as it came: `out_of_range`; refused in strict mode |
| a number from an instrument that says it does not measure | stored: `not_measuring`, compared with nothing, in strict mode too |
| a number in a unit that its sensor cannot have | stored: `warn` |
| no value, where the source calls it `gap` or `not_measuring` | stored as such |
| no value otherwise | refused. Missing is never 0 |
| NaN, infinity | refused (`reject_nan`, `reject_inf`) |
| what is no number | refused; a number that is written as text is read (`sanitize_values`) |
| what cannot be written down, as an integer of more than 64 bits | refused, by a client |
| no time, no channel, no source, an unknown quality | refused |

What a source says of a value never becomes better by looking at it.

## Quality

| quality | meaning |
|---|---|
{qualities}
## Settings

`ValidationSettings`, and `validation` in `config/ingestion.json`:

| key | default | what it does |
|---|---|---|
{settings}
## One sample

```python
from penstock.instruments import DataSample

sample = DataSample(timestamp_ms=1000, source="jetdrive", channel="Horsepower", value=-107.7)
result = sample.validate()

assert result.is_valid
assert result.quality == "out_of_range"
assert result.warnings[0].message == "outside of -50 to 2,000 hp"
assert result.sanitized_data["value"] == -107.7
```

`errors` say why a sample is refused, all of it at once, each with `field` and `message`; `sanitized_data` is None then. `JetDriveSampleSchema` has `provider_id` and `channel_id` besides,
`InnovateSampleSchema` has `afr`, `lambda_value`, `sensor_channel` and `device_type`, and `DynoDataPointSchema` is a [point of a run](#points-of-a-run) with many values.

## Many samples

`penstock.instruments.Validated` is a source around any other source whose rows are samples. It has the columns of that one, with `quality`, and with numbers where `value` was text. It needs
the extra `arrow`, as nothing else on this page does, and `from penstock.instruments import *` leaves it out.

| column | type | |
|---|---|---|
| `channel` | text | |
| `value` | numbers, or text | null is a missing value. Numbers keep their type, text becomes `float64` |
| `timestamp_ms` | whole numbers | where there is one: milliseconds from whatever the source counts from |
| `unit`, `quality`, `source` | text | where there are: what was stated with the value |
| `provider` | text or whole numbers | where there is one: whose channel it is, else `source` is |

```python
import pyarrow as pa

import penstock
from penstock.instruments import Validated
from penstock.stores.memory import MemorySource

nan = float("nan")
rows = pa.table(
    {{
        "timestamp_ms": range(0, 5000, 10),
        "channel": ["IAT", "Torque"] * 250,
        "unit": ["°C", "N·m"] * 250,
        "value": [95.0 if row % 2 == 0 else nan if 100 < row < 106 else 180.0 for row in range(500)],
    }}
)
ending = penstock.run(Validated(MemorySource(rows, batch_rows=500)), to="samples.db", table="samples", mode="append")

assert ending.evidence.counts.stored == 497
assert ending.evidence.counts.refused == 3
```

Refused samples of one channel of one provider that follow each other, for one reason, are **one dead letter**: count, first and last, with their times. It counts as all of its records
wherever records are counted (`penstock dead list` shows how many). A letter is durable together with the position behind its samples, so that an unbroken run goes on in another letter
with the next batch. What JSON cannot say is text there, and of a text of more than 1,000 characters it is the beginning, with the number of them.

```
{{"provider": "", "channel": "Torque", "count": 3, "first": {{"timestamp_ms": 1010, "value": "nan"}}, "last": {{"timestamp_ms": 1050, "value": "nan"}}}}
```

A run of a pipeline stops when too many records are refused (`max_refused_percent`, 1 by default). One channel in fifty that says nothing but NaN is more than that; a pipeline that is
to go on whatever its sensors do says `max_refused_percent = 100`.

In a pipeline file the same look is a python stage, for sources whose records are samples. It calls Python for each row, and each refused row is a letter of its own:

```toml
[source]
type = "jsonl"
path = "log.jsonl"

[[stages]]
python = "penstock.instruments.validate_row"
columns = {{ timestamp_ms = "int64", channel = "string", value = "float64", unit = "string", quality = "string" }}

[sink]
type = "sqlite"
path = "samples.db"
table = "samples"
```

## Sensors

Engine speed to intake air temperature are the seven of document 001; the others, and lambda, are in its public code. Both ends belong to a range. A value is compared in the unit that was
stated with it, or else in the one that its channel's name implies (below); the limits are converted, not the value.

| sensor | unit | least | greatest | usual from | usual to |
|---|---|---|---|---|---|
{sensors}
## Names

A channel is known by its whole name and never by a part of it: `Front Adaptive Fuel Factor` is no air/fuel ratio, and `Throttle Position Sensor Volta` is no throttle position. Capital
letters do not matter, `_` is a space, and a device in brackets in front is left aside: `(DWRT CPU) Engine RPM`. A channel that is not listed is compared with nothing.

| names | sensor | unit, where none is stated | member of a point |
|---|---|---|---|
{names}
## Points of a run

`DynoDataPointSchema` has `timestamp_ms` and, each None where it was not measured:

{members}.

Adapters make points: `JetDriveAdapter` (a sample, or `aggregate_samples(samples, time_window_ms=50)`), `InnovateAdapter(places=("afr_front", "afr_rear"))` and `CSVAdapter` (rows of tables as
dictionaries). `convert_to_standard(data)` finds the one that takes the data, `register_adapter(name, adapter)` makes another one known and asks it first. Values are converted into the
units above; lambda becomes an air/fuel ratio by {stoichiometric}, gasoline. A member is what was measured within its window: nothing is carried on, a closed throttle is 0.0, and what is
not there is None.

A row of a table of text is a point, or is refused as a whole: for NaN, infinity, a listed column that is no number, and a time that is missing or negative. The error names the row by its
time, and every column that is wrong. Files are read by Python's `csv`; loggers that write more than a row of names above their columns come with sources of their own.

```python
import csv
import io

from penstock.instruments import CSVAdapter

file = io.StringIO("Time,RPM,Horsepower\\n0.05,2000,\\n0.10,3000,81.9\\n0.15,4000,80.1\\n")
run = [CSVAdapter().convert(row) for row in csv.DictReader(file)]

assert max(point.horsepower for point in run if point.horsepower is not None) == 81.9
assert run[0].horsepower is None
```

```python
from penstock.instruments import JetDriveAdapter, JetDriveSampleSchema, convert_to_standard

samples = [
    JetDriveSampleSchema(1000, "jetdrive", "Engine RPM", 3000.0, "rpm", provider_id=17405, channel_id=1),
    JetDriveSampleSchema(1020, "jetdrive", "Torque", 100.0, "N·m", provider_id=17405, channel_id=2),
    JetDriveSampleSchema(1060, "jetdrive", "TPS", 0.0, "%", provider_id=17405, channel_id=3),
]
first, second = JetDriveAdapter().aggregate_samples(samples)

assert (first.rpm, round(first.torque, 2), first.tps) == (3000.0, 73.76, None)
assert (second.timestamp_ms, second.tps, second.rpm) == (1050, 0.0, None)
assert convert_to_standard({{"Time": "0.15", "(DWRT CPU) Engine RPM": "2991", "IAT": ""}}).rpm == 2991.0
```

## Units

{units}. Other spellings of these are known, as `degF`, `Nm` or `kph`. A unit that is not listed is one that no sensor has.
"""


def pages() -> dict[Path, str]:
    """Each generated page and its text."""
    rows = [f"| `penstock_{name}` | {'gauge' if name in get_args(GaugeName) else 'counter'} | {text} |\n" for name, text in HELP.items()]
    return {
        DOCS / "reference" / "extract.md": EXTRACT.format(help=_help("extract"), variables=_variables()),
        DOCS / "reference" / "metrics.md": METRICS.format(
            metrics="".join(rows), client=_rows((f"`{name}`", text) for name, text in CLIENT_HELP.items())
        ),
        DOCS / "reference" / "validation.md": VALIDATION.format(
            qualities=_rows((f"`{quality}`", meaning) for quality, meaning in MEANING.items()),
            settings=_rows((f"`{one.name}`", f"`{str(one.default).lower()}`", SETTINGS[one.name]) for one in fields(ValidationSettings)),
            sensors=_rows(_sensors()),
            names=_rows((_names(one), one.sensor.name, one.unit, one.field and f"`{one.field}`") for one in CHANNELS),
            members=", ".join(f"`{name}` ({unit})" for name, unit in UNITS_OF_A_POINT.items()),
            stoichiometric=STOICHIOMETRIC,
            units=", ".join(f"`{unit}`" for unit in UNITS),
        ),
    }


def _rows(cells: Iterable[tuple[str, ...]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)


def _names(channel: Channel) -> str:
    return ", ".join(f"`{name}`" for name in channel.names)


def _sensors() -> Iterator[tuple[str, ...]]:
    """A row for each limits of each sensor, in the order in which they are first listed."""
    for sensor in dict.fromkeys(channel.sensor for channel in CHANNELS):
        for one in sensor.limits:
            edges = (one.low, one.high, one.warn_low, one.warn_high)
            yield sensor.name, one.unit or "none", *(f"{edge:,g}" if isfinite(edge) else "" for edge in edges)


def _variables() -> str:
    names = [field.metadata.get("variable", "{}").format(field.name.upper()) for field in fields(ExtractSettings)]
    return "They are " + ", ".join(f"`{name}`" for name in names)


def _help(*command: str) -> str:
    environment = os.environ | {"COLUMNS": "100"}
    run = subprocess.run(
        [sys.executable, "-m", "penstock", *command, "--help"], env=environment, capture_output=True, text=True, check=True
    )
    return run.stdout


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text)
