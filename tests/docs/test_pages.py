"""Generated pages are up to date, links lead somewhere, and nothing names this machine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from penstock.cli import COMMANDS
from tests.docs.generate import pages

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize(("path", "text"), pages().items(), ids=lambda value: value.name if isinstance(value, Path) else "")
def test_a_generated_page_is_what_the_program_says(path: Path, text: str) -> None:
    """`python -m tests.docs.generate` would change nothing."""
    written = path.read_text()

    assert written == text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of a page names a file that is there."""
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())

    missing = [target for target in targets if not (page.parent / target).exists()]

    assert missing == []


def test_every_command_is_in_the_readme() -> None:
    """A reader of the README meets every command."""
    readme = (ROOT / "README.md").read_text()

    assert [command for command in COMMANDS if f"penstock {command}" not in readme] == []
