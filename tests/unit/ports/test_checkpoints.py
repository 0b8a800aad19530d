"""Who holds a lease, and what it means to lose it."""

from __future__ import annotations

import pytest

from penstock.model.errors import Fatal, PenstockError, Transient, TryLater
from penstock.ports.checkpoints import AnotherSource, Holder, LeaseHeld, LeaseLost, PositionMoved


def test_a_holder_is_named_for_people() -> None:
    """Process and host, which is what somebody needs who wants to stop it."""
    assert str(Holder("web1.example", "boot", 4711, 9)) == "process 4711 on web1.example"


@pytest.mark.parametrize(
    ("kind", "branch", "exit_code"),
    [(LeaseHeld, TryLater, 75), (LeaseLost, TryLater, 75), (PositionMoved, Transient, 75), (AnotherSource, Fatal, 2)],
)
def test_what_the_engine_does_with_each(kind: type[PenstockError], branch: type[PenstockError], exit_code: int) -> None:
    """A lease that others hold ends the run for now, a position that moved has coverage read back, another source is a mistake."""
    assert issubclass(kind, branch)
    assert kind.exit_code == exit_code
