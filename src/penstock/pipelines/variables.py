"""Values that a pipeline file does not hold itself: `${NAME}` in any text, `env:NAME` and `file:PATH` for secrets."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from penstock.pipelines import lines

_NAMED = re.compile(r"\$(?:\$\{|\{(\w+)\}|\{([^}]*)\}?)")


@dataclass(frozen=True, slots=True)
class Variables:
    """Where values come from; what cannot be had is told to `wrong`, with its place in the file."""

    environ: Mapping[str, str]
    folder: Path
    wrong: Callable[[lines.Path, str], None]

    def filled(self, value: object, path: lines.Path = ()) -> Any:  # noqa: ANN401 - whatever TOML has
        """`value` with every `${NAME}` in its texts replaced; `$${` stands for `${` itself."""
        if isinstance(value, str):
            return _NAMED.sub(lambda found: self._named(found, path), value)
        if isinstance(value, list):
            return [self.filled(one, (*path, index)) for index, one in enumerate(value)]
        if isinstance(value, dict):
            return {key: self.filled(one, (*path, key)) for key, one in value.items()}
        return value

    def secrets(self, kind: object, value: object, path: lines.Path) -> Any:  # noqa: ANN401 - as `filled`
        """`value`, which is to become a `kind`, with `env:NAME` and `file:PATH` replaced in what must not be shown."""
        if not isinstance(value, dict):
            return value
        known = {name: (shown, of) for one in dataclasses_of(kind) for name, shown, of in _fields(one)}

        def told(key: str, one: object) -> object:
            shown, of = known.get(key, (True, None))
            return self.secrets(of, one, (*path, key)) if shown else self._revealed(one, (*path, key))

        return {key: told(key, one) for key, one in value.items()}

    def _revealed(self, value: object, path: lines.Path) -> object:
        if isinstance(value, dict):
            return {key: self._revealed(one, (*path, key)) for key, one in value.items()}
        if isinstance(value, str) and value.startswith("env:"):
            return self._variable(value.removeprefix("env:"), path)
        if isinstance(value, str) and value.startswith("file:"):
            return self._file(self.folder / value.removeprefix("file:"), path)
        return value

    def _named(self, found: re.Match[str], path: lines.Path) -> str:
        if found[0] == "$${":
            return "${"
        if found[1] is None:
            self.wrong(path, f"`{found[0]}` names no variable; write ${{NAME}}, or $${{ for the two characters themselves")
            return found[0]
        return self._variable(found[1], path)

    def _variable(self, name: str, path: lines.Path) -> str:
        if not self.environ.get(name):
            self.wrong(path, f"the variable {name} is not set; set it in the environment")
            return ""
        return self.environ[name]

    def _file(self, file: Path, path: lines.Path) -> str:
        try:
            return file.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            self.wrong(path, f"{file} cannot be read: {reason}")
            return ""


def dataclasses_of(kind: object) -> list[type[Any]]:
    """The dataclasses that a value of `kind` may become: itself, or the members of a union."""
    if isinstance(kind, type) and is_dataclass(kind):
        return [kind]
    return [found for member in get_args(kind) for found in dataclasses_of(member)]


def _fields(kind: type[Any]) -> list[tuple[str, bool, object]]:
    """Name, whether it may be shown, and type of each field."""
    hints = get_type_hints(kind, include_extras=True)
    return [(field.name, field.repr, hints[field.name]) for field in fields(kind)]
