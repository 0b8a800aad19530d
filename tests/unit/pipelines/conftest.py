"""Ends in memory, known as if a distribution had brought them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.pipelines import ends


@pytest.fixture(autouse=True)
def memory_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`type = "memory"` for sources and sinks, and a state folder of the test's own."""
    monkeypatch.syspath_prepend(ends.distribution(tmp_path / "site"))
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(ends, "TABLES", {})
    monkeypatch.setattr(ends, "SINKS", {})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a pipeline file would be."""
    (tmp_path / "work").mkdir()
    return tmp_path / "work" / "orders.toml"
