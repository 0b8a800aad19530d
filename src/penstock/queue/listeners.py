"""Those who want to be told that something has changed."""

from __future__ import annotations

from collections.abc import Callable


class Listeners:
    """Functions to be called, from whichever thread. They must neither block nor raise."""

    def __init__(self) -> None:
        self._wakes: dict[object, Callable[[], None]] = {}

    def add(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` from now on, until the answer is called."""
        key = object()
        self._wakes[key] = wake

        def remove() -> None:
            self._wakes.pop(key, None)

        return remove

    def wake(self) -> None:
        """Something has changed."""
        for wake in list(self._wakes.values()):
            wake()
