"""What an extraction can be told."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Annotated, Literal
from urllib.parse import urlsplit

from annotated_types import Ge, Gt, Le

from penstock.model.errors import Misconfigured
from penstock.reliability.climb import ClimbSettings

OURS = {"variable": "PENSTOCK_{}"}
"""Settings that 004 does not name carry our name in the environment, where a PORT or a TABLE may mean something else."""


class IncompleteApi(Misconfigured):
    """Only one of API_BASE_URL and TARGET_API_KEY is set."""

    default_hint = "Set both for a real API, or neither for the simulated one."


class InventedIntoReal(Misconfigured):
    """DATABASE_URL names a database, and no API is set."""

    default_hint = "Set API_BASE_URL and TARGET_API_KEY; or say --simulate to put invented events into that database."


class TwoSources(Misconfigured):
    """A real API is set, and --simulate asks for the simulated one."""

    default_hint = "Leave one of them out."


class NoRepository(Misconfigured):
    """The ids are to be submitted, and REPOSITORY_URL does not name a repository."""

    default_hint = "Set it to the address of your repository, which begins with https://, or leave AUTO_SUBMIT out."


@dataclass(frozen=True, slots=True)
class ExtractSettings:
    """Each field is a flag of `penstock extract`, a variable of the environment and a line of `.env`; the names of 004 come first."""

    mode: Literal["extract", "explore"] = "extract"
    target_api_key: str | None = field(default=None, repr=False)
    api_base_url: str | None = None
    database_url: str | None = field(default=None, repr=False)
    partition_count: Annotated[int, Ge(1), Le(1_000)] = 8
    batch_size: Annotated[int, Ge(1), Le(5_000)] = 5_000
    max_workers: Annotated[int, Ge(1), Le(1_000)] = 40
    stream: Literal["on", "off"] = "on"
    stream_tokens: Annotated[int, Ge(1), Le(100)] = 1
    pg_sync_commit: Literal["off", "on"] = "off"
    auto_submit: bool = False
    repository_url: str | None = None
    submit_again: bool = field(default=False, metadata=OURS)
    explore_requests: Annotated[int, Ge(1), Le(10_000)] = field(default=40, metadata=OURS)
    max_refused_percent: Annotated[float, Ge(0), Le(100)] = field(default=1.0, metadata=OURS)
    fixed: bool = field(default=False, metadata=OURS)
    jsonb: bool = field(default=False, metadata=OURS)
    table: str = field(default="ingested_events", metadata=OURS)
    events: Annotated[int, Ge(1)] = field(default=3_000_000, metadata=OURS)
    port: Annotated[int, Ge(0), Le(65_535)] = field(default=8_080, metadata=OURS)
    stall_minutes: Annotated[float, Gt(0)] = field(default=15.0, metadata=OURS)
    lease_seconds: Annotated[float, Gt(0)] = field(default=30.0, metadata=OURS)

    @property
    def workers(self) -> int:
        """How many read at once, at the most."""
        return self.partition_count if self.fixed else self.max_workers

    @property
    def in_flight(self) -> ClimbSettings:
        """How many requests at once: where that begins, and how far it may go."""
        start = min(self.partition_count, self.workers)
        return ClimbSettings.pinned(start) if self.fixed else ClimbSettings(start=start, most=self.max_workers)

    @property
    def real_api(self) -> bool:
        """Whether an API is named, rather than the simulated one.

        Raises:
            IncompleteApi: where only half of it is.
        """
        if (self.api_base_url is None) != (self.target_api_key is None):
            raise IncompleteApi(f"{'TARGET_API_KEY' if self.target_api_key is None else 'API_BASE_URL'} is missing")
        return self.api_base_url is not None

    @property
    def base_url(self) -> str:
        """Where the API is; a host alone is taken to speak HTTPS."""
        given = self.api_base_url or ""
        return given if "://" in given else f"https://{given}"

    def check(self, *, simulate: bool) -> None:
        """Hold the settings against each other.

        Raises:
            IncompleteApi: only half of the real API is named.
            InventedIntoReal: invented events would go into a database that was named.
            TwoSources: both APIs are asked for.
            NoRepository: what is to be submitted needs one.
        """
        if self.auto_submit and not (self.repository_url or "").startswith(("http://", "https://")):
            raise NoRepository
        real_api = self.real_api
        if simulate and real_api:
            raise TwoSources
        if self.database_url is not None and not real_api and not simulate:
            raise InventedIntoReal


def identity(base_url: str, key: str) -> str:
    """Which source the rows are of: the host and a fingerprint of the key; never the key, never a port."""
    host = urlsplit(base_url).hostname or base_url
    fingerprint = hashlib.sha256(f"{host} {key}".encode()).hexdigest()[:12]
    return f"{host} (key fingerprint {fingerprint})"
