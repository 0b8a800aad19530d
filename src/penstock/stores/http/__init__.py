"""HTTP servers: one way to send a request, and any paginated JSON API as a source."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from penstock.ports.ends import SourceKind, Surroundings
from penstock.stores.http.settings import HttpSettings

if TYPE_CHECKING:
    from penstock.ports.source import Source


def _identity(settings: HttpSettings, surroundings: Surroundings) -> str:
    del surroundings
    return settings.identity


def _open(settings: HttpSettings, surroundings: Surroundings) -> AbstractAsyncContextManager[Source]:
    from penstock.stores.http.source import opened  # noqa: PLC0415 - heavy

    return opened(settings, surroundings.counters)


CLAIM = "Rows are counted page by page, as the API gave them: it has no order in which a missing one would show."

SOURCE = SourceKind(HttpSettings, _identity, _open, CLAIM)
