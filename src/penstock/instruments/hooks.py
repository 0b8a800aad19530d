"""What others wrote, kept within bounds: hooks that are broken off, and values that cannot be told as text."""

from __future__ import annotations

from collections.abc import Callable
from threading import current_thread, main_thread
from typing import ParamSpec, TypeVar

from penstock.model.errors import Transient

P = ParamSpec("P")
R = TypeVar("R")


MOST_CHARACTERS = 1_000
"""Of a text that others wrote, where it is only to tell what it was."""


class HookBrokenOff(Transient):
    """A hook was broken off."""

    default_hint = "A hook says with an exception what is wrong; a task that it waits for must not be cancelled."


def contained(hook: Callable[P, R]) -> Callable[P, R]:
    """The hook, of which only errors come out, such as one does not end a thread for: `CancelledError` and `SystemExit` are none.

    In the main thread these may be meant for the process, and are left as they are.
    """

    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return hook(*args, **kwargs)
        except Exception:
            raise
        except BaseException as error:
            if current_thread() is main_thread():
                raise
            raise HookBrokenOff(type(error).__name__) from error

    return call


def is_name(value: object) -> bool:
    """Whether it is a text that says something and can be stored anywhere."""
    return isinstance(value, str) and value.strip() != "" and text_of(value) == value


def text_of(value: object) -> str:
    """A value as text that can be stored anywhere: halves of characters are escaped; the name of its type where it cannot be told."""
    try:
        said = str(value)
    except Exception:  # noqa: BLE001 - what a class makes of it, or an integer of more digits than Python writes
        said = f"<{type(value).__name__}>"
    return said.encode(errors="backslashreplace").decode()


def brief(value: object) -> str:
    """The same, its beginning where it is long, which it says: it has room in any letter and any log."""
    said = text_of(value)
    return said if len(said) <= MOST_CHARACTERS else f"{said[:MOST_CHARACTERS]}... ({len(said):,} characters in all)"
