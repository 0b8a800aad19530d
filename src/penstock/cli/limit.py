"""How many of something a list shows."""

from __future__ import annotations

import argparse


def add_limit(parser: argparse.ArgumentParser, what: str) -> None:
    """`--limit`, 20 unless stated."""
    parser.add_argument("--limit", type=_limit, default=20, metavar="N", help=f"{what} (default: 20)")


def _limit(word: str) -> int:
    if not word.isdecimal():
        raise argparse.ArgumentTypeError(f"{word!r} is no number of things to show")
    return int(word)
