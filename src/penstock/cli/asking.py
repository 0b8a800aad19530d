"""Asking before something is deleted."""

from __future__ import annotations

import sys

from penstock.model.errors import Misconfigured


class NobodyToAsk(Misconfigured):
    """This deletes something, and there is no terminal to ask at."""

    default_hint = "Say --yes if that is meant."


def agreed(question: str, *, yes: bool) -> bool:
    """Whether the answer is yes, without asking where that was said before.

    Raises:
        NobodyToAsk: it was not, and there is nobody to ask.
    """
    if yes:
        return True
    if sys.stdin is None or not sys.stdin.isatty():
        raise NobodyToAsk
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
