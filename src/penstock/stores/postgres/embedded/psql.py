"""Talk to a server through the psql of its installation: the password goes through the environment, never the command line."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from penstock.stores.postgres.embedded.process import environment, run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.stores.postgres.embedded.binaries import Installation

ROLE = DATABASE = "penstock"
HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens and the password of its role; the password is not in the `repr`."""

    port: int
    password: str = field(repr=False)

    @property
    def url(self) -> str:
        """For clients."""
        return f"postgresql://{ROLE}:{self.password}@{HOST}:{self.port}/{DATABASE}"

    @property
    def redacted_url(self) -> str:
        """For people and logs."""
        return f"postgresql://{ROLE}:***@{HOST}:{self.port}/{DATABASE}"

    @property
    def variables(self) -> dict[str, str]:
        """For libpq."""
        where = {"PGHOST": HOST, "PGPORT": str(self.port), "PGUSER": ROLE, "PGDATABASE": DATABASE, "PGPASSWORD": self.password}
        return where | {"PGSSLMODE": "disable", "PGGSSENCMODE": "disable"}


def ask(installation: Installation, address: Address, sql: str) -> str | None:
    """The answer to one query, or None while the server does not give one."""
    command = [installation.program("psql"), "-X", "-w", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql]
    try:
        answer = run(command, env=environment(**address.variables, PGCONNECT_TIMEOUT="5"), timeout_s=15)
    except subprocess.TimeoutExpired:
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def shell_environment(address: Address, caller: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The caller's terminal, pager and editor, with our server in place of its own PG* variables."""
    return {name: value for name, value in caller.items() if not name.startswith("PG")} | address.variables
