"""Where the records of a table of text end: at line ends that are not inside of quotes (RFC 4180 §2)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from penstock.model.errors import Misconfigured

SCAN_BYTES = 2**20


class UnusableMark(Misconfigured):
    """The delimiter or the quote cannot be one."""

    default_hint = "Each is one character of ASCII, no line end, and not the other one."


@dataclass(frozen=True)
class Dialect:
    """How fields are told apart. A quote counts where a field begins with it; inside, two of them are one."""

    delimiter: str = ","
    quote: str = '"'
    _marks: tuple[bytes, bytes] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for mark in (self.delimiter, self.quote):
            if len(mark) != 1 or not mark.isascii() or mark in "\r\n" or self.delimiter == self.quote:
                raise UnusableMark(repr(mark))

    @cached_property
    def _record(self) -> bytes:
        delimiter, quote = re.escape(self.delimiter.encode()), re.escape(self.quote.encode())
        one = rb"(?:Q(?:[^Q]++|QQ)*+Q[^D\n]*+|[^QD\n][^D\n]*+|)".replace(b"Q", quote).replace(b"D", delimiter)
        return one + rb"(?:" + delimiter + one + rb")*+\n"

    @cached_property
    def _one(self) -> re.Pattern[bytes]:
        return re.compile(self._record)

    @cached_property
    def _many(self) -> re.Pattern[bytes]:
        return re.compile(rb"(?:" + self._record + rb")*+")

    def whole(self, block: bytes) -> int:
        """How many bytes of a block, which begins with a record, hold whole ones."""
        if self.quote.encode() not in block:
            return block.rfind(b"\n") + 1
        found = self._many.match(block)
        return found.end() if found else 0

    def split(self, block: bytes) -> Iterator[bytes]:
        """The records of a block, blank ones among them; what is left at its end and is no whole one is another."""
        if self.quote.encode() not in block:
            yield from (line + b"\n" for line in block.split(b"\n"))
            return
        at = 0
        for found in self._one.finditer(block):
            if found.start() != at:
                break
            yield found[0]
            at = found.end()
        if at < len(block):
            yield block[at:]

    def finished(self, path: Path, start: int) -> int:
        """Where in a file the last record ends whose line end is written and whose quotes are closed; `start` is such a place."""
        inside, begins = False, []
        with path.open("rb") as file:
            file.seek(start)
            while block := file.read(SCAN_BYTES):
                begins.append(inside)
                inside ^= block.count(self.quote.encode()) % 2 == 1
            for number in reversed(range(len(begins))):
                file.seek(start + number * SCAN_BYTES)
                block = file.read(SCAN_BYTES)
                if found := self._last_end(block, inside=begins[number]):
                    return start + number * SCAN_BYTES + found
        return start

    def _last_end(self, block: bytes, *, inside: bool) -> int:
        """Behind the last line end of a block that is outside of quotes; nought where there is none."""
        quotes = block.count(self.quote.encode()) + inside
        end = len(block)
        while (found := block.rfind(b"\n", 0, end)) >= 0:
            quotes -= block.count(self.quote.encode(), found, end)
            if quotes % 2 == 0:
                return found + 1
            end = found
        return 0
