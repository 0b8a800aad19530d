"""Stop a server: politely, then at once, always by process id."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from penstock.stores.postgres.embedded.errors import StopFailed
from penstock.stores.postgres.embedded.locks import POLL_S, is_free
from penstock.stores.postgres.embedded.log import tail
from penstock.stores.postgres.embedded.postmaster import living, send

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.stores.postgres.embedded.cluster import Cluster
    from penstock.stores.postgres.embedded.launch import Patience


def end(kill: Callable[[signal.Signals], object], gone: Callable[[], bool], cluster: Cluster, patience: Patience) -> None:
    """Fast shutdown (sessions end, a checkpoint is written); past the deadline an immediate one, after which the next start recovers.

    Raises `StopFailed` when the server outlives that too.
    """
    for number, timeout_s in ((signal.SIGINT, patience.stop_s), (signal.SIGQUIT, patience.immediate_s)):
        kill(number)
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if gone():
                return
            time.sleep(POLL_S)
    raise StopFailed(f"{cluster.data}\n{tail(cluster.log)}")


def end_living(cluster: Cluster, patience: Patience) -> bool:
    """End the server that lives on the cluster; False when there is none."""
    postmaster = living(cluster.data)
    if postmaster is None:
        return False

    def gone() -> bool:
        return living(cluster.data) is None and is_free(cluster.lifeline)

    end(lambda number: send(number, postmaster, cluster.data), gone, cluster, patience)
    return True
