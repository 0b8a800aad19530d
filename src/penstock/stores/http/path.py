"""Paths into JSON that is not decoded as a whole: what is found keeps its bytes."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

Json = bytes | msgspec.Raw

UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises: also for text that is not UTF-8, and for nesting deeper than it follows."""

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_elements = msgspec.json.Decoder(list[msgspec.Raw])


def found(json: Json, path: str) -> Json | None:
    """What stands at `path`, or None: names of members and numbers of elements (from the end: -1), joined by points.

    A name may hold points itself, as `@odata.nextLink` does: the longest name that is there is taken. Raises one of `UNDECODABLE` where
    this is no JSON.
    """
    if not path:
        return json
    match bytes(memoryview(json)[:64]).lstrip()[:1]:
        case b"{":
            members = _members.decode(json)
            steps = ((members[name], rest) for name, rest in _names(path) if name in members)
            return next((end for step, rest in steps if (end := found(step, rest)) is not None), None)
        case b"[":
            number, _, rest = path.partition(".")
            elements = _elements.decode(json)
            there = number.removeprefix("-").isdecimal() and -len(elements) <= int(number) < len(elements)
            return found(elements[int(number)], rest) if there else None
    return None


def elements(json: Json) -> list[msgspec.Raw]:
    """The elements of a list, each as it was received; raises one of `UNDECODABLE` where it is none."""
    return _elements.decode(json)


def _names(path: str) -> Iterator[tuple[str, str]]:
    """(name, rest) for each way to split a path, the longest name first."""
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        yield ".".join(parts[:end]), ".".join(parts[end:])
