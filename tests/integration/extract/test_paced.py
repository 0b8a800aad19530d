"""The benchmark on the simulated clock, small: the real source, engine and climb against the published latency law."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "stealing.py"


def test_stealing_and_climbing_are_worth_it_and_proven() -> None:
    """In skewed days stealing beats fixed parts, climbing beats both, a hidden budget is met, and each run is proven."""
    only = "static 8,stealing 8,by itself,hidden budget by itself"
    found: dict[str, list[dict[str, Any]]] = json.loads(_printed("--events=60000", "--page=100", "--only", only, "--json"))

    (static,), (stealing,), (climbing,), (hidden,) = found.values()
    assert stealing["seconds"] < 0.95 * static["seconds"]
    assert climbing["seconds"] < 0.85 * stealing["seconds"]
    assert hidden["seconds"] <= 4 * 300
    assert all(run["complete"] and run["twice"] == 0 for run in (static, stealing, climbing, hidden))


def test_it_prints_ratios() -> None:
    """What the command prints for people has a line for each way, and the ratios below."""
    lines = _printed("--events=2000", "--page=100", "--only", "static 8,stealing 8,hidden budget static").splitlines()

    assert [line.split()[0] for line in lines] == ["static", "stealing", "hidden", "stealing", "hidden"]
    assert "proven 1/1" in lines[0]


def _printed(*flags: str) -> str:
    return subprocess.run([sys.executable, str(BENCHMARK), "--sets=1", *flags], capture_output=True, text=True, check=True).stdout
