"""What protects the guarantees, each with the way to take it out and the check that has to notice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from operator import eq
from typing import Any

import numpy as np
import pytest

from penstock.engine import ledger, run
from penstock.extract import api, head, job, proof, shares, source, stream, stretch
from penstock.reliability.headers import RateFacts
from penstock.stores.http import client
from penstock.stores.postgres import census, checkpoints, loading, submissions
from tests.faults import checks

Check = Callable[[str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Protection:
    """Its name, what to do to be without it, and the check that then fails."""

    name: str
    take_out: Callable[[pytest.MonkeyPatch], None]
    check: Check


def _position_apart(patch: pytest.MonkeyPatch) -> None:
    real = checkpoints.PostgresCheckpoints.save_within

    async def apart(self: Any, connection: Any, *arguments: Any) -> None:  # noqa: ANN401
        del connection
        async with self.connections.transaction("off") as another:
            await real(self, another, *arguments)

    patch.setattr(checkpoints.PostgresCheckpoints, "save_within", apart)


def _coverage_not_read_back(patch: pytest.MonkeyPatch) -> None:
    real = run.Transfer._read_back
    first: list[Any] = []

    async def once(self: Any) -> Any:  # noqa: ANN401
        if not first:
            first.append(await real(self))
        return first[0]

    patch.setattr(run.Transfer, "_read_back", once)


def _no_fence(patch: pytest.MonkeyPatch) -> None:
    for name in ("SAVE_FIRST", "SAVE_NEXT"):
        patch.setattr(checkpoints, name, getattr(checkpoints, name).replace("fence = $2", "fence >= $2"))


def _any_lease_is_stale(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(checkpoints, "judge", lambda *_: "stale")


def _settle_does_not_wait(patch: pytest.MonkeyPatch) -> None:
    async def settle(self: Any, run: Any) -> None:  # noqa: ANN401
        del self, run

    patch.setattr(checkpoints.PostgresCheckpoints, "settle", settle)


def _differences_overlooked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(loading.Loader, "_differ_sql", lambda *_: "select 0 as penstock_row where 0 = any($1) and false")


def _newest_millisecond_at_once(patch: pytest.MonkeyPatch) -> None:
    real = head.Head.scope
    patch.setattr(head.Head, "scope", lambda self, epoch, bound, oldest: real(self, epoch, max(bound, self.newest), oldest))


def _everything_on_a_page_is_mine(patch: pytest.MonkeyPatch) -> None:
    real = stretch.share

    def all_of_it(*arguments: Any) -> stretch.Share:  # noqa: ANN401
        part = real(*arguments)
        return replace(part, mine=np.ones_like(part.mine))

    patch.setattr(stretch, "share", all_of_it)


def _no_doubts(patch: pytest.MonkeyPatch) -> None:
    async def sure(self: Any, *arguments: Any) -> stretch.Share:  # noqa: ANN401
        del self
        return stretch.share(*arguments[:4])

    patch.setattr(source.EventSource, "share", sure)


def _pages_not_checked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(stretch, "check", lambda *_: None)


def _one_body_only(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(client, "BODY_ATTEMPTS", 1)


def _limits_not_read(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(client, "parse_rate_headers", lambda *_: RateFacts())


def _no_expiry_of_our_own(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(api, "LIFETIME_MS", -1)


def _table_not_counted(patch: pytest.MonkeyPatch) -> None:
    real = proof._part

    def believed(*arguments: Any) -> proof.Part:  # noqa: ANN401
        part = real(*arguments)
        return replace(part, in_table=part.stored)

    patch.setattr(proof, "_part", believed)


def _dead_letters_not_counted(patch: pytest.MonkeyPatch) -> None:
    async def believed(self: census.Census, pipeline: str) -> int:
        async with self.connections.take() as connection:
            return int(await connection.fetchval("select sum(refused) from penstock.coverage where pipeline = $1", pipeline))

    patch.setattr(census.Census, "dead_letters", believed)


def _seams_not_probed(patch: pytest.MonkeyPatch) -> None:
    async def none(self: Any, *_: Any) -> tuple[proof.Seam, ...]:  # noqa: ANN401
        del self
        return ()

    patch.setattr(proof._Probe, "seams", none)


def _total_not_compared(patch: pytest.MonkeyPatch) -> None:
    real = proof.Proof

    def without(*arguments: Any) -> proof.Proof:  # noqa: ANN401
        found = real(*arguments)
        return replace(found, total=found.sums.stored + found.sums.refused)

    patch.setattr(proof, "Proof", without)


def _cuts_reach_into_pages(patch: pytest.MonkeyPatch) -> None:
    real, ends = shares.Reading.claim, dict[int, Any]()

    def claim(self: Any, *arguments: Any) -> Any:  # noqa: ANN401
        real(self, *arguments)
        return ends.setdefault(id(self), self.end)

    patch.setattr(shares.Reading, "claim", claim)


def _no_limit(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ledger.Ledger, "_judge", lambda *_: None)


def _a_token_for_each_request(patch: pytest.MonkeyPatch) -> None:
    async def fresh(self: Any, access: Any) -> Any:  # noqa: ANN401
        self._token = await access.fetch()
        return self._token

    patch.setattr(stream.Ticket, "token", fresh)


def _submissions_not_remembered(patch: pytest.MonkeyPatch) -> None:
    async def none(self: Any) -> None:  # noqa: ANN401
        del self

    patch.setattr(submissions.Attempts, "latest", none)


def _words_are_compared(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(job, "alike", eq)


def _one_identity_for_all(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(job, "identity", lambda *_: "the API")


PROTECTIONS = [
    Protection("rows and position commit in one transaction", _position_apart, checks.cut_links_change_nothing),
    Protection("coverage is read back after a reconnect", _coverage_not_read_back, checks.cut_links_change_nothing),
    Protection("each write checks its fencing token", _no_fence, checks.a_replaced_run_cannot_write),
    Protection("a fresh heartbeat keeps the lease", _any_lease_is_stale, checks.a_live_run_keeps_its_lease),
    Protection("settling waits for the disk", _settle_does_not_wait, checks.settled_means_on_disk),
    Protection("a row under a stored key is compared", _differences_overlooked, checks.another_event_under_a_stored_id_is_kept),
    Protection("a scope ends below a millisecond that may grow", _newest_millisecond_at_once, checks.live_events_are_exact),
    Protection("a page is cut at the seams", _everything_on_a_page_is_mine, checks.seams_lose_and_double_nothing),
    Protection("a page on its way ends where its partition was cut meanwhile", _cuts_reach_into_pages, checks.shared_out_work_is_exact),
    Protection("the API says where events of unreadable time belong", _no_doubts, checks.unreadable_times_lose_and_double_nothing),
    Protection("each page is held against the one before", _pages_not_checked, checks.misleading_pages_are_seen),
    Protection("an unusable body is asked for again", _one_body_only, checks.damaged_bodies_are_asked_for_again),
    Protection("the gate knows the stated limits", _limits_not_read, checks.a_stated_limit_is_never_overrun),
    Protection("cursors get an expiry of our own", _no_expiry_of_our_own, checks.expired_cursors_are_made_again),
    Protection("the proof counts the table", _table_not_counted, checks.a_missing_row_voids_the_proof),
    Protection("the proof counts the dead letters", _dead_letters_not_counted, checks.missing_dead_letters_void_the_proof),
    Protection("the proof probes the seams", _seams_not_probed, checks.a_swapped_row_at_a_seam_voids_the_proof),
    Protection("the proof compares with the stated total", _total_not_compared, checks.a_stated_total_must_be_reached),
    Protection("refused records have a limit", _no_limit, checks.too_many_refused_stop_the_run),
    Protection("all workers share a stream token", _a_token_for_each_request, checks.one_token_serves_all_workers),
    Protection("a submission that was answered is not made again", _submissions_not_remembered, checks.a_status_ends_submitting),
    Protection("an event is known in the words of either endpoint", _words_are_compared, checks.endpoints_write_the_same_events),
    Protection("a table has one source", _one_identity_for_all, checks.sources_are_not_mixed),
]
