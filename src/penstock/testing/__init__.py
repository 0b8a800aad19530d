"""Conformance suites for authors of sources, sinks, checkpoints and destinations, and stores that are hostile on purpose.

Subclass a suite in a test module, give it a `bench` (or `make`, for sources), and pytest runs every guarantee of the port against it.
"""

import pytest

pytest.register_assert_rewrite(*(f"{__name__}.{name}" for name in ("checkpoints", "destinations", "logs", "runs", "sinks", "sources")))
