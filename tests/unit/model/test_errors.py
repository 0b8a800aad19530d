"""What errors say."""

from __future__ import annotations

import pytest

from penstock.model.errors import Fatal, Misconfigured, PenstockError, Refused, Throttled, Transient, TryLater


class Broken(Fatal):
    """The thing is broken.

    And this is not part of the message.
    """

    default_hint = "Mend it."


def test_the_first_line_of_the_docstring_is_the_message() -> None:
    """An error says what happened and where, and what to do next."""
    error = Broken("the left one")

    assert str(error) == "The thing is broken: the left one"
    assert error.headline == "The thing is broken"
    assert error.hint == "Mend it."


def test_an_error_without_a_docstring_has_a_name() -> None:
    """Which is better than nothing at all."""
    untold: type[PenstockError] = type("Untold", (PenstockError,), {})

    assert str(untold("at 7")) == "Untold: at 7"


def test_a_place_and_another_hint_are_optional() -> None:
    """Without a place the message stands alone, and a hint that is given replaces the usual one."""
    assert str(Broken()) == "The thing is broken"
    assert Broken(hint="Throw it away.").hint == "Throw it away."


@pytest.mark.parametrize(
    ("kind", "exit_code"), [(PenstockError, 1), (Transient, 75), (Refused, 1), (Fatal, 1), (Misconfigured, 2), (TryLater, 75)]
)
def test_exit_codes(kind: type[PenstockError], exit_code: int) -> None:
    """Each branch of the tree ends the program with its own code."""
    assert kind().exit_code == exit_code


def test_throttling_says_for_how_long() -> None:
    """Being asked to slow down passes, and carries the delay."""
    error = Throttled("by the server", delay_s=2.5)

    assert (error.delay_s, error.exit_code, isinstance(error, Transient)) == (2.5, 75, True)
