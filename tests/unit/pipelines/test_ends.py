"""Ends are found by entry point, and what is wrong with one is told with the distribution that brings it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from penstock.model.errors import PenstockError
from penstock.pipelines import ends as registry
from tests.unit.pipelines import ends


def test_every_installed_end_is_known() -> None:
    """Our own and those of other distributions, by name."""
    assert {"csv", "memory", "postgres"} <= set(registry.sources())
    assert registry.source("memory") is ends.SOURCE
    assert registry.sink("memory") is ends.SINK


def test_an_unknown_type_is_told() -> None:
    """Nobody brings it."""
    with pytest.raises(registry.UnknownKind, match="nobody"):
        registry.source("nobody")


@pytest.mark.parametrize(
    ("place", "error", "said"),
    [
        ("no_such_module:X", registry.BrokenEnd, ("broken-ends 1.0: No module named 'no_such_module'", "defect of the distribution")),
        ("tests.unit.pipelines.broken:X", registry.BrokenEnd, ("broken-ends 1.0: ValueError: on purpose", "defect")),
        ("json:dumps", registry.BrokenEnd, ("json:dumps is no SourceKind", "defect")),
        ("tests.unit.pipelines.needy:X", registry.MissingExtra, ("absent", r"Install broken-ends\[more\]")),
        ("tests.unit.pipelines.needier:X", registry.MissingExtra, ("nowhere", "Install nowhere")),
    ],
)
def test_what_is_wrong_with_an_end_names_who_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, error: type[PenstockError], said: tuple[str, str]
) -> None:
    """A module that is not there or fails, an object of another kind, a package that an extra brings or nobody does."""
    monkeypatch.syspath_prepend(ends.distribution(tmp_path / "broken", "broken-ends", source_broken=place))

    with pytest.raises(error, match=said[0]) as failure:
        registry.source("broken")

    assert re.search(said[1], failure.value.hint)


def test_a_sink_is_a_sink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An object of another kind is none."""
    monkeypatch.syspath_prepend(ends.distribution(tmp_path / "broken", "broken-ends", sink_broken="json:dumps"))

    with pytest.raises(registry.BrokenEnd, match="json:dumps is no SinkKind"):
        registry.sink("broken")


def test_two_of_a_kind_are_not_chosen_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both distributions are named."""
    monkeypatch.syspath_prepend(ends.distribution(tmp_path / "other", "other-ends", source_memory="json:dumps"))

    with pytest.raises(registry.TwoOfAKind, match=r"memory-ends 1.0 and other-ends 1.0"):
        registry.source("memory")
