"""Settings of a log: every fault is told at once, before anything is opened."""

from __future__ import annotations

import re

import pytest

from penstock.queue.log import AppendTooLarge, LogSettings, LogSettingsUnusable


def test_all_faults_are_told_at_once() -> None:
    """Each with its name, what it may be and what it is."""
    with pytest.raises(LogSettingsUnusable) as raised:
        LogSettings(lanes=257, max_bytes=0, min_free_bytes=-1, segment_bytes=0, retention_s=float("nan"))

    for told in (
        "lanes must be 1 to 256, and is 257",
        "max_bytes must be at least 1, and is 0",
        "min_free_bytes must be 0 or more, and is -1",
        "segment_bytes must be at least 1, and is 0",
        "retention_s must be a number of seconds, 0 or more, and is nan",
    ):
        assert told in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lanes", 0),
        ("lanes", True),
        ("lanes", "1"),
        ("max_bytes", 1.5),
        ("min_free_bytes", None),
        ("segment_bytes", -8),
        ("retention_s", -0.1),
        ("retention_s", float("inf")),
        ("retention_s", "1"),
    ],
)
def test_what_cannot_be_is_a_fault(name: str, value: object) -> None:
    """Also what is of another kind."""
    with pytest.raises(LogSettingsUnusable, match=f"{name} must be .*, and is {re.escape(repr(value))}"):
        LogSettings(**{name: value})  # type: ignore[arg-type]  # on purpose


def test_an_append_that_no_block_can_hold_is_too_large() -> None:
    """However much the log may have: the bytes of a block are counted with 32 bits."""
    settings = LogSettings(max_bytes=1 << 40)

    settings.require_room(0, 1 << 31)
    with pytest.raises(AppendTooLarge):
        settings.require_room(0, (1 << 32) - 1)


def test_the_extremes_are_usable() -> None:
    """As many lanes as a place can name, and a log that keeps nothing for anybody."""
    settings = LogSettings(lanes=256, max_bytes=1, min_free_bytes=0, segment_bytes=1, retention_s=0)

    assert settings.lanes == 256
