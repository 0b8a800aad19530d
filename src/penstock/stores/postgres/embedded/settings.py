"""What can be set about the embedded server."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from penstock.model.errors import Misconfigured
from penstock.stores.home import locate_home

if TYPE_CHECKING:
    from collections.abc import Mapping

MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class EmbeddedSettings:
    """Where the server keeps its data, what it runs, and as whom.

    `binaries` and `account` None: look for them. `free_bytes` is what the disk must have free before a server starts.
    """

    home: Path
    binaries: Path | None = None
    account: str | None = None
    free_bytes: int = 512 * MEBIBYTE

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read `PENSTOCK_HOME`, `PENSTOCK_PG_BIN`, `PENSTOCK_PG_USER` and `PENSTOCK_PG_FREE_MB`; empty counts as unset."""
        return cls(
            home=locate_home(environ),
            binaries=Path(chosen) if (chosen := environ.get("PENSTOCK_PG_BIN")) else None,
            account=environ.get("PENSTOCK_PG_USER") or None,
            free_bytes=_mebibytes(environ.get("PENSTOCK_PG_FREE_MB") or "512") * MEBIBYTE,
        )


def _mebibytes(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise Misconfigured(f"PENSTOCK_PG_FREE_MB is {text!r}", hint="Set it to a whole number of megabytes, for example 512.")
    return int(text)
