"""Nothing here waits: loops are in a hurry."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from tests.unit.extract.hurried import HurriedLoop


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Callable[[], HurriedLoop]]:
    """Loops in a hurry for all tests of this folder."""
    del config, item
    return {"hurried": HurriedLoop}
