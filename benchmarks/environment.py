"""Environments for what is measured against and is not part of this project's requirements."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def made(folder: Path, *packages: str) -> Path:
    """The interpreter of the environment in `folder`; it is made, with these packages, where it is not there."""
    python = folder / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *packages], check=True)
    return python
