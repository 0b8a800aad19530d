"""Where the keys of a TOML text stand: `tomllib` gives values and no lines, and a fault without its line has to be looked for."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

Path = tuple[str | int, ...]
"""Keys and list indexes that lead to a value: `("stages", 1, "filter")`."""

_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = re.compile(r'[ \t]*("(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|[A-Za-z0-9_-]+)[ \t]*')
_STRING = re.compile(r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'', re.DOTALL)
_PLAIN = re.compile(r"[^,\]}#\n]*")


def lines(text: str) -> Mapping[Path, int]:
    """The line, counted from 1, on which each key, table and list element of a valid TOML text is first named."""
    scan = _Scan(text)
    scan.document()
    return scan.found


def line(found: Mapping[Path, int], path: Path) -> int:
    """The line of `path`, or of the nearest thing around it; 1 where there is none."""
    while path and path not in found:
        path = path[:-1]
    return found.get(path, 1)


@dataclass(slots=True)
class _Scan:
    """One walk over a text that `tomllib` has accepted (TOML 1.0), so that nothing here has to be checked again."""

    text: str
    at: int = 0
    found: dict[Path, int] = field(default_factory=dict)
    elements: Counter[Path] = field(default_factory=Counter)

    def document(self) -> None:
        table: Path = ()
        while self._skip():
            if self.text.startswith("[[", self.at):
                table = self._next_element(self._header(2))
            elif self.text.startswith("[", self.at):
                table = self._latest(self._header(1))
            else:
                self._assignment(table)

    def _skip(self) -> bool:
        """Pass over space and comments; whether something follows."""
        matched = _SPACE.match(self.text, self.at)
        assert matched is not None
        self.at = matched.end()
        return self.at < len(self.text)

    def _header(self, brackets: int) -> Path:
        """The path of a header: through lists of tables it leads into their last elements."""
        self.at += brackets
        path: Path = ()
        for name in self._dotted():
            path = (*self._latest(path), name)
            self._note(path)
        self.at += brackets
        return path

    def _next_element(self, table: Path) -> Path:
        element = (*table, self.elements[table])
        self.elements[table] += 1
        self._note(element)
        return element

    def _latest(self, path: Path) -> Path:
        return (*path, self.elements[path] - 1) if self.elements[path] else path

    def _assignment(self, table: Path) -> None:
        path = table
        for name in self._dotted():
            path = (*path, name)
            self._note(path)
        self.at += 1  # the equals sign
        self._value(path)

    def _dotted(self) -> Iterator[str]:
        while True:
            matched = _KEY.match(self.text, self.at)
            assert matched is not None
            yield _plain(matched[1])
            self.at = matched.end()
            if self.text[self.at] != ".":
                return
            self.at += 1

    def _value(self, path: Path) -> None:
        self._skip()
        if (opening := self.text[self.at]) in "[{":
            self._members(path, inline_table=opening == "{")
            return
        matched = _STRING.match(self.text, self.at) or _PLAIN.match(self.text, self.at)
        assert matched is not None
        self.at = matched.end()

    def _members(self, path: Path, *, inline_table: bool) -> None:
        """What stands in a list or an inline table."""
        self.at += 1
        index = 0
        while self._skip() and self.text[self.at] not in "]}":
            if inline_table:
                self._assignment(path)
            else:
                self._note((*path, index))
                self._value((*path, index))
            index += 1
            self._skip()
            if self.text[self.at] == ",":
                self.at += 1
        self.at += 1

    def _note(self, path: Path) -> None:
        self.found.setdefault(path, self.text.count("\n", 0, self.at) + 1)


def _plain(key: str) -> str:
    """A key without its quotes and escapes."""
    return next(iter(tomllib.loads(f"{key} = 0"))) if key[0] in "\"'" else key
