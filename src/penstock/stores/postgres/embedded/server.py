"""A PostgreSQL server of our own: no installation, no root, no port to choose."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from penstock.stores.home import prepare_home
from penstock.stores.postgres.embedded.account import choose_account
from penstock.stores.postgres.embedded.binaries import locate
from penstock.stores.postgres.embedded.cluster import Cluster, clear_unfinished, create, require_way
from penstock.stores.postgres.embedded.disk import require_free_space
from penstock.stores.postgres.embedded.errors import KeepsDying, NotRunning
from penstock.stores.postgres.embedded.launch import Lifetime, Patience, Site, Started, adopt, adopt_or_launch
from penstock.stores.postgres.embedded.locks import exclusive
from penstock.stores.postgres.embedded.log import tail
from penstock.stores.postgres.embedded.postmaster import living
from penstock.stores.postgres.embedded.reachable import reachable
from penstock.stores.postgres.embedded.stop import end, end_living

if TYPE_CHECKING:
    from penstock.stores.postgres.embedded.account import Account
    from penstock.stores.postgres.embedded.binaries import Installation
    from penstock.stores.postgres.embedded.psql import Address
    from penstock.stores.postgres.embedded.settings import EmbeddedSettings

MAX_RESTARTS = 3


class EmbeddedServer:
    """The server of one home folder, on loopback, under a password of its own.

    A server that we start ends with our process, even when that is killed. One that another process has started is shared: we connect
    to it and leave it running (`owned` is False). Any number of processes may start at once; one server comes of it.

    Methods block, the first start for about a second. From asyncio call them with `asyncio.to_thread`; any thread will do.
    """

    def __init__(self, settings: EmbeddedSettings, patience: Patience = Patience()) -> None:  # noqa: B008 - frozen
        self._settings = settings
        self._patience = patience
        self._cluster = Cluster(settings.home)
        self._started: Started | None = None
        self._guard = threading.RLock()  # every worker that lost its connection may call at the same moment
        self.restarts = 0

    def __repr__(self) -> str:
        return f"EmbeddedServer({str(self._settings.home)!r}, {self.redacted_url if self._started else 'not started'})"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def owned(self) -> bool:
        """Whether the server is ours to stop: we started it, and not to be left running."""
        return self._started is not None and self._started.child is not None and self._started.lifetime is Lifetime.RUN

    @property
    def lifetime(self) -> Lifetime:
        """How long the server lives, whoever started it. Raises `NotRunning`."""
        return self._running.lifetime

    @property
    def alive(self) -> bool:
        """Whether the server we started or connected to still lives and is not on its way down."""
        if self._started is None:
            return False
        postmaster = living(self._cluster.data)
        return postmaster is not None and postmaster.pid == self._started.pid and postmaster.status != "stopping"

    @property
    def url(self) -> str:
        """For clients, with the password; never print it, except as the answer to `penstock db url`. Raises `NotRunning`."""
        return self.address.url

    @property
    def redacted_url(self) -> str:
        """For people and logs. Raises `NotRunning`."""
        return self.address.redacted_url

    @property
    def address(self) -> Address:
        """Where it listens; another port may be the only one free after a restart. Raises `NotRunning`."""
        return self._running.address

    @property
    def installation(self) -> Installation:
        """The programs it runs from. Raises `BinariesMissing`, `BinariesUnusable`."""
        return locate(self._settings.binaries)

    def start(self, lifetime: Lifetime = Lifetime.RUN) -> None:
        """Return once the server answers: a running one, or a new one, made first if need be.

        Raises one of `Misconfigured` (no programs, no account, a folder that cannot be used), `DiskTooFull`, `ServerBusy`,
        `InitFailed`, `StartFailed`.
        """
        with self._guard:
            if self.alive:
                return
            prepare_home(self._settings.home)
            with exclusive(self._cluster.start_lock, 2 * self._patience.others_s):
                self._started = self._adopted() or self._launched(lifetime)

    def attach(self) -> bool:
        """Connect to a running server, starting and making nothing; False when there is none."""
        with self._guard:
            if self._settings.home.exists():
                prepare_home(self._settings.home)
                self._started = self._adopted()
            return self._started is not None

    def stop(self) -> None:
        """Stop the server if it is `owned`: sessions are ended, what is committed is flushed. Raises `StopFailed`."""
        with self._guard:
            child = self._started.child if self._started is not None and self.owned else None
            self._started = None
            if child is not None:
                end(child.signal, lambda: not child.alive, self._cluster, self._patience)

    def shut_down(self) -> bool:
        """Stop whatever server runs on this home, whoever started it; False when there was none. Raises `StopFailed`, `ServerBusy`."""
        with self._guard:
            self._started = None
            if not self._settings.home.exists():
                return False
            prepare_home(self._settings.home)
            self._account()
            with exclusive(self._cluster.start_lock, 2 * self._patience.others_s):
                return end_living(self._cluster, self._patience)

    def restart_if_dead(self) -> bool:
        """Start the server again if it died; True when that was needed. The port may be another one then.

        Raises `KeepsDying` when it was needed more than three times, and what `start` raises.
        """
        with self._guard:
            if self.alive:
                return False
            if self.restarts == MAX_RESTARTS:
                raise KeepsDying(f"{self.restarts} restarts in one run\n{tail(self._cluster.log)}")
            self.restarts += 1
            self.start(self._started.lifetime if self._started else Lifetime.RUN)
            return True

    @property
    def _running(self) -> Started:
        if self._started is None:
            raise NotRunning(str(self._cluster.data))
        return self._started

    def _adopted(self) -> Started | None:
        if not self._cluster.exists:
            return None
        account = self._account()
        installation = self.installation
        self._cluster.check(installation, account)
        return adopt(Site(self._cluster, installation, account))

    def _account(self) -> Account:
        return choose_account(self._settings.account, self._cluster.data if self._cluster.exists else None)

    def _launched(self, lifetime: Lifetime) -> Started:
        require_free_space(self._cluster.home, self._settings.free_bytes)
        account = self._account()
        require_way(self._cluster.home, account)
        clear_unfinished(self._cluster)
        installation = reachable(self.installation, account, self._cluster.home)
        if not self._cluster.exists:
            create(self._cluster, installation, account)
        return adopt_or_launch(Site(self._cluster, installation, account), lifetime, self._patience)
