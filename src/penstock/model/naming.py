"""Names that people write, and the ones they meant."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches


def near(name: str, known: Collection[str]) -> str:
    """A remark on the name that was probably meant, or on all there are."""
    close = get_close_matches(name, list(known), 1)
    return f"; did you mean `{close[0]}`?" if close else f"; there are {', '.join(f'`{one}`' for one in known) or 'none'}"
