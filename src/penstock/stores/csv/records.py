"""Where the records of a table of text end: at line ends that are not inside of quotes (RFC 4180 §2)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from penstock.model.errors import Misconfigured
from penstock.stores.files.stream import Chunk, Limits, chunks

DEFAULT = Limits()


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
            *lines, last = block.split(b"\n")
            yield from (line + b"\n" for line in lines)
            if last:
                yield last
            return
        at = 0
        for found in self._one.finditer(block):
            if found.start() != at:
                break
            yield found[0]
            at = found.end()
        if at < len(block):
            yield block[at:]

    def finished(self, path: Path, start: int, limits: Limits = DEFAULT) -> int:
        """Where in a file the last record ends whose line end is written and whose quotes are closed; `start` is such a place.

        It is told as the file will be read: a quote in the middle of a field opens nothing, and of a record that is too long the first
        line is one.
        """
        last = Chunk(b"", start, start, 0)
        with path.open("rb") as file:
            file.seek(start)
            for chunk in chunks(file, start, None, self.whole, limits):
                last = chunk
            if not last.too_long:
                return last.start + self.whole(last.data)
            file.seek(last.end - 1)
            return last.end if file.read(1) == b"\n" else last.start
