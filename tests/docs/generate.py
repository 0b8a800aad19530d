"""Write the reference pages that are made from the program: `python -m tests.docs.generate`."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import get_args

from penstock.extract.settings import ExtractSettings
from penstock.model.metrics import HELP, GaugeName

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
"""


def pages() -> dict[Path, str]:
    """Each generated page and its text."""
    rows = [f"| `penstock_{name}` | {'gauge' if name in get_args(GaugeName) else 'counter'} | {text} |\n" for name, text in HELP.items()]
    return {
        DOCS / "reference" / "extract.md": EXTRACT.format(help=_help("extract"), variables=_variables()),
        DOCS / "reference" / "metrics.md": METRICS + "".join(rows),
    }


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
