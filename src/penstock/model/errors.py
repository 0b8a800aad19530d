"""The error tree, drawn by what the engine does when it meets one.

    PenstockError
    ├── Transient            read coverage back and try again; exit 75 when it lasts too long
    │   └── Throttled        the same, after `delay_s`
    ├── Refused              one record cannot be stored: it goes to the dead letters, the run goes on
    └── Fatal                stop the run; what is committed stays
        ├── Misconfigured    the command or its configuration is wrong: exit 2, nothing was touched
        └── TryLater         nothing is wrong here, but not now: exit 75

The first line of a class's docstring is its message; `detail` names the place, `hint` says what to do next.
"""

from __future__ import annotations

from typing import ClassVar

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_TRY_LATER = 75


class PenstockError(Exception):
    """Something went wrong."""

    exit_code: ClassVar[int] = EXIT_FAILED
    default_hint: ClassVar[str] = ""

    def __init__(self, detail: str = "", *, hint: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.hint = hint or self.default_hint

    @property
    def headline(self) -> str:
        """What happened, without the place; the name of the class where it says nothing."""
        return (type(self).__doc__ or type(self).__name__).partition("\n")[0].rstrip(".")

    def __str__(self) -> str:
        return f"{self.headline}: {self.detail}" if self.detail else self.headline


class Transient(PenstockError):
    """A passing failure."""

    exit_code = EXIT_TRY_LATER
    default_hint = "Run the same command again: it goes on where it stopped."


class Throttled(Transient):
    """The other side asked us to slow down."""

    def __init__(self, detail: str = "", *, delay_s: float, hint: str = "") -> None:
        super().__init__(detail, hint=hint)
        self.delay_s = delay_s


class Refused(PenstockError):
    """One record cannot be stored."""


class Fatal(PenstockError):
    """The run cannot go on."""


class Misconfigured(Fatal):
    """The configuration is not usable."""

    exit_code = EXIT_USAGE


class TryLater(Fatal):
    """Not now."""

    exit_code = EXIT_TRY_LATER
