"""Nothing here waits: loops are in a hurry, and the API client may go by their clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
import pytest_asyncio

from penstock.simulate.datasync import Clock

from .hurried import HurriedLoop, hurry


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Callable[[], HurriedLoop]]:
    """Loops in a hurry for all tests of this folder."""
    del config, item
    return {"hurried": HurriedLoop}


@pytest_asyncio.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the test's loop, which the API client goes by, and the simulator may."""
    return hurry(monkeypatch)
