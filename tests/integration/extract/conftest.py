"""A database for each test, and an API client that does not wait between attempts."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from penstock.stores.http import client

from .bench import Bench


@pytest.fixture
def bench(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """An empty database."""
    monkeypatch.setattr(client, "random", SimpleNamespace(random=lambda: 0.0))
    return Bench(database_url)
