"""Run a pipeline from its file: any source, through its stages, to any sink, with the evidence at the end.

Stop it at any moment, by Ctrl-C or kill -9, and run the same command again: it goes on where it stopped.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The file, and how the run is watched."""
    parser.add_argument("file", type=Path, metavar="FILE", help="the pipeline file, as `penstock init` writes one")
    parser.add_argument(
        "--port", metavar="PORT", help="where /health, /ready, /metrics and /status are (default: 8080, else the next free)"
    )
    parser.add_argument("--progress", choices=("auto", "live", "log", "json"), default="auto", help="how to show progress, on stderr")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object on stdout")


def run(arguments: argparse.Namespace) -> int:
    """Run it in the foreground."""
    from penstock.cli import foreground  # noqa: PLC0415 - heavy
    from penstock.cli.piping import PipelineWork, WatchSettings  # noqa: PLC0415
    from penstock.engine import configuration  # noqa: PLC0415
    from penstock.pipelines.reading import read  # noqa: PLC0415

    watch = configuration.settings(WatchSettings, configuration.gather(WatchSettings, vars(arguments)))
    view = foreground.View(arguments.progress, watch.port, arguments.json)
    return foreground.run(PipelineWork(arguments.file, read(arguments.file)), view)
