"""The name that was meant."""

from __future__ import annotations

from penstock.model.naming import near


def test_the_name_that_was_probably_meant() -> None:
    """A slip of a letter is told as such, anything else with all names there are."""
    assert near("prot", ["port", "host"]) == "; did you mean `port`?"
    assert near("x", ["port", "host"]) == "; there are `port`, `host`"
    assert near("x", []) == "; there are none"
