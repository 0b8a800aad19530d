"""What the ends of a pipeline get from the run they are part of."""

from __future__ import annotations

import hashlib

from penstock.engine.lease import LeaseSettings
from penstock.model.metrics import Counters
from penstock.pipelines.definition import Definition
from penstock.ports.ends import Surroundings
from penstock.stores.home import locate_home
from penstock.stores.sqlite.checkpoints import SqliteCheckpoints
from penstock.stores.sqlite.database import Database


def surroundings(definition: Definition, counters: Counters) -> Surroundings:
    """The surroundings of a run. Nothing is made yet.

    Positions for sinks that keep none are in a file of the state folder, one for each pipeline and place: a pipeline that is sent to
    another place begins there from nothing, instead of taking what another place holds for stored.
    """
    lease = LeaseSettings(ttl_s=definition.limits.lease_seconds, beat_s=definition.limits.lease_seconds / 6)
    unplaced = Surroundings(definition.name, definition.folder, SqliteCheckpoints(Database(locate_home()), lease), counters, lease.ttl_s)
    place = f"{definition.sink.type} {definition.sink.kind.place(definition.sink.settings, unplaced)}"
    file = locate_home() / "pipelines" / f"{definition.name}-{hashlib.sha256(place.encode()).hexdigest()[:12]}.sqlite"
    return Surroundings(definition.name, definition.folder, SqliteCheckpoints(Database(file), lease), counters, lease.ttl_s)
