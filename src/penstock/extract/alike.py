"""Whether two records are the same event: the API's endpoints write its timestamp in different notations, and nothing else."""

from __future__ import annotations

import json
import re

_TIMESTAMP = re.compile(rb'"timestamp"\s*:\s*("[^"]*"|[^,}\s]+)')


def alike(one: str | bytes, other: str | bytes) -> bool:
    """Whether the events differ in how their timestamp is written at the most.

    That it is the same moment is seen where there is a column of it; of what does not decode only the text can be compared.
    """
    if one == other:
        return True
    try:
        return _without_time(one) == _without_time(other)
    except (ValueError, RecursionError):
        return _TIMESTAMP.sub(b"", _bytes(one)) == _TIMESTAMP.sub(b"", _bytes(other))


def _without_time(text: str | bytes) -> object:
    decoded = json.loads(text, parse_constant=str)
    return {name: value for name, value in decoded.items() if name != "timestamp"} if isinstance(decoded, dict) else decoded


def _bytes(text: str | bytes) -> bytes:
    return text.encode(errors="replace") if isinstance(text, str) else text
