"""An environment of its own for dlt, which is not part of this project's requirements."""

from __future__ import annotations

import os
from pathlib import Path

import environment

VERSION = "1.31.0"
QUIET = {"RUNTIME__DLTHUB_TELEMETRY": "false"}


def made(folder: Path, extras: str, *packages: str) -> Path:
    """The interpreter of the environment in `folder`; it is made, with these extras of dlt and these packages, where it is not there."""
    return environment.made(folder, f"dlt[{extras}]=={VERSION}", *packages)


def environ(home: Path, **settings: str) -> dict[str, str]:
    """The variables of a run of dlt that keeps its state in `home`."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return inherited | QUIET | {"DLT_DATA_DIR": str(home)} | settings
