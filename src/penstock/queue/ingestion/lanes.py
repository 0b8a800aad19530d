"""The lanes of a queue's log."""

from __future__ import annotations

DELIVERED = 5
"""Lanes 0 to 4 hold the items, one lane for each priority."""

LETTERS = 5
"""Dead letters."""

GAPS = 6
"""Records of what was shed or damaged."""

JOURNAL = 7
"""What became of the entries of the others."""

LANES = 8
