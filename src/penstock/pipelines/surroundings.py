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
    """The surroundings of a run. Nothing is made yet."""
    return _surroundings(definition, counters, positions(definition))


def positions(definition: Definition) -> Database:
    """Where positions are kept for sinks that keep none: a file of the state folder, one for each pipeline and place.

    So a pipeline that is sent to another place begins there from nothing, instead of taking what another place holds for stored.
    """
    sink, home = definition.sink, locate_home()
    place = f"{sink.type} {sink.kind.place(sink.settings, _surroundings(definition, Counters.zero(), Database(home)))}"
    return Database(home / "pipelines" / f"{definition.name}-{hashlib.sha256(place.encode()).hexdigest()[:12]}.sqlite")


def _surroundings(definition: Definition, counters: Counters, database: Database) -> Surroundings:
    lease = LeaseSettings(ttl_s=definition.limits.lease_seconds, beat_s=definition.limits.lease_seconds / 6)
    return Surroundings(definition.name, definition.folder, SqliteCheckpoints(database, lease), counters, lease.ttl_s)
