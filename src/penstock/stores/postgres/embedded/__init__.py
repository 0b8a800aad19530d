"""An embedded PostgreSQL server: made, started, shared, restarted and stopped without anybody's help."""

from __future__ import annotations

from penstock.stores.postgres.embedded.disk import require_free_space
from penstock.stores.postgres.embedded.launch import Lifetime
from penstock.stores.postgres.embedded.server import EmbeddedServer
from penstock.stores.postgres.embedded.settings import EmbeddedSettings

__all__ = ["EmbeddedServer", "EmbeddedSettings", "Lifetime", "require_free_space"]
