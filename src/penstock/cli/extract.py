"""Pull the events of an API into PostgreSQL, and prove that none is missing.

Without a real API (API_BASE_URL and TARGET_API_KEY) a simulated one is started, without DATABASE_URL an embedded PostgreSQL.
Stop it at any moment, by Ctrl-C or kill -9, and run the same command again: it goes on where it stopped.
"""

from __future__ import annotations

import argparse
from pathlib import Path

FLAGS = {
    "api_base_url": ("URL", "the API: its host, or the same ending in /api/v1"),
    "database_url": ("URL", "the PostgreSQL to write to (default: an embedded one); with a password in it, better in the environment"),
    "partition_count": ("N", "parts of the time to begin with, and requests at once (default: 8)"),
    "max_workers": ("N", "parts that are read at once, at the most, as workers share them out (default: 40)"),
    "batch_size": ("N", "events per request, at most 5000 (default: 5000)"),
    "stream": (
        "on|off",
        "read the stream endpoint while it is open, else /events; only where the API's owner allows it (default: on)",
    ),
    "stream_tokens": ("N", "stream tokens used in turn, where limits are counted by token (default: 1)"),
    "pg_sync_commit": ("off|on", "whether each commit waits for the disk; the proof always does (default: off)"),
    "repository_url": ("URL", "the repository that is named with a submission"),
    "explore_requests": ("N", "requests that exploring may take; more than 40 are spent on the stream's budget (default: 40)"),
    "max_refused_percent": ("P", "share of events that may be refused before the run fails (default: 1)"),
    "table": ("NAME", "table to write to; each has its own positions and one source (default: ingested_events)"),
    "events": ("N", "events of the simulated API (default: 3000000)"),
    "port": ("PORT", "where /health, /ready, /metrics and /status are; the next free one when taken (default: 8080)"),
    "stall_minutes": ("MIN", "give up, to be run again, when nothing was stored for so long (default: 15)"),
    "lease_seconds": ("S", "silence after which another run may take over (default: 30)"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags; each one also is a variable of the environment and of `.env`, in capitals."""
    parser.epilog = (
        "Settings may also stand in the environment or in .env, such as BATCH_SIZE=1000 or PENSTOCK_TABLE=mine, and flags win over them."
        "\nThe key of the API is given only so, as TARGET_API_KEY."
    )
    for name, (metavar, text) in FLAGS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", metavar=metavar, help=text)
    parser.add_argument(
        "--explore", action="store_const", const="explore", dest="mode", help="only find out what the API has and does, and print it"
    )
    parser.add_argument("--fixed", action="store_const", const="true", help="read PARTITION_COUNT parts at once, and share nothing out")
    parser.add_argument(
        "--auto-submit", action="store_const", const="true", help="submit the ids when the proof holds and nothing was rejected, once"
    )
    parser.add_argument("--submit-again", action="store_const", const="true", help="submit even if something was submitted before")
    parser.add_argument(
        "--jsonb", action="store_const", const="true", help="make the column `event` jsonb; events that it cannot hold are refused"
    )
    parser.add_argument("--simulate", action="store_true", help="put the simulated API's events into DATABASE_URL")
    parser.add_argument("--simulator", metavar="OPTIONS", default="", help="options of `penstock simulate datasync`, in one argument")
    parser.add_argument("--env-file", type=Path, default=Path(".env"), metavar="FILE", help="file with settings (default: .env)")
    parser.add_argument("--progress", choices=("auto", "live", "log", "json"), default="auto", help="how to show progress, on stderr")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object on stdout")


def run(arguments: argparse.Namespace) -> int:
    """Run it in the foreground."""
    from penstock.cli import foreground  # noqa: PLC0415 - heavy
    from penstock.cli.exploring import explore  # noqa: PLC0415
    from penstock.cli.extraction import ExtractionWork  # noqa: PLC0415
    from penstock.engine import configuration  # noqa: PLC0415
    from penstock.extract.settings import ExtractSettings  # noqa: PLC0415

    given = configuration.gather(ExtractSettings, vars(arguments), env_file=arguments.env_file)
    settings = configuration.settings(ExtractSettings, given)
    if settings.mode == "explore":
        settings.check(simulate=True if settings.api_base_url is None else arguments.simulate)
        return explore(settings, arguments.simulator, as_json=arguments.json)
    settings.check(simulate=arguments.simulate)
    view = foreground.View(arguments.progress, settings.port, arguments.json)
    return foreground.run(ExtractionWork(settings, arguments.simulator), view)
