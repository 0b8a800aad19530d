"""What the tests of commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest

from penstock.cli import main

Command: TypeAlias = Callable[..., str]


@pytest.fixture
def penstock(capsys: pytest.CaptureFixture[str]) -> Command:
    """A command line; what it says on standard output, or on standard error where it fails as told."""

    def call(*words: object, code: int = 0) -> str:
        capsys.readouterr()
        assert main([*map(str, words)]) == code
        said = capsys.readouterr()
        return said.err if code else said.out

    return call
