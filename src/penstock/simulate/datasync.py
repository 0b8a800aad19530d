"""`penstock simulate datasync`: the simulated DataSync API as a process, and inside a test's event loop."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.simulate.api import DataSyncApi
from penstock.simulate.dataset import Dataset
from penstock.simulate.listing import Clock
from penstock.simulate.loopback import LOOPBACK, listening, serving, until_stopped
from penstock.simulate.settings import DataSyncSettings

if TYPE_CHECKING:
    from penstock.simulate.audit import Audit

__all__ = ["Clock", "DataSyncSettings", "Server", "running", "serve"]


@dataclass(frozen=True, slots=True)
class Server:
    """A simulated API that answers at `url`."""

    url: str
    settings: DataSyncSettings
    dataset: Dataset
    api: DataSyncApi

    @property
    def api_key(self) -> str:
        """The key clients have to send."""
        return self.settings.api_key

    @property
    def audit(self) -> Audit:
        """What has been served."""
        return self.api.audit

    @property
    def inserted(self) -> int:
        """Live events that exist by now."""
        return self.dataset.reserve - self.api.listing.visible.first


@contextlib.asynccontextmanager
async def running(settings: DataSyncSettings, *, host: str = LOOPBACK, port: int = 0, clock: Clock | None = None) -> AsyncIterator[Server]:
    """A simulated API in this event loop, until the block is left; port 0 takes any free one.

    Raises:
        Misconfigured: when `host` is not a loopback address, or the port is taken.
    """
    with listening(host, port) as listener:
        dataset = Dataset(settings)
        api = DataSyncApi(settings, dataset, clock or Clock())
        if settings.warm:
            api.listing.warm()
        async with serving(api, listener) as url:
            yield Server(url, settings, dataset, api)


def serve(settings: DataSyncSettings, *, host: str = LOOPBACK, port: int = 0, die_with_parent: bool = False) -> int:
    """Serve until SIGTERM or SIGINT; one line of JSON on stdout says when it is ready and where. Returns the exit code, 143 or 130.

    Raises:
        Misconfigured: as `running`.
    """
    return until_stopped(_ready(settings, host, port), die_with_parent=die_with_parent)


@contextlib.asynccontextmanager
async def _ready(settings: DataSyncSettings, host: str, port: int) -> AsyncIterator[dict[str, object]]:
    async with running(settings, host=host, port=port) as server:
        yield {"url": server.url, "api_key": server.api_key, "events": settings.events, "seed": settings.seed}
