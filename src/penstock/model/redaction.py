"""Passwords and tokens out of what people get to see."""

from __future__ import annotations

import re

_USER_INFORMATION = re.compile(r"(?<=://)(?:[^\s/@:]*:\S*|[^\s/@]+)@")
"""RFC 3986 §3.2.1, and more: whoever wrote `/` or `@` into a password without encoding it has it hidden all the same."""


def redacted(text: str) -> str:
    """`text` with `***` for the `user:password` or the token of every URL in it; where one ends is unclear, rather too much."""
    return _USER_INFORMATION.sub("***@", text)
