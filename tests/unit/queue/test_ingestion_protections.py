"""Every protection of the queue is seen to be needed: without it, the test that is there for it fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from penstock.queue.ingestion import recovery, room
from penstock.queue.ingestion.custody import Custody
from penstock.queue.ingestion.journal import Leased
from penstock.queue.ingestion.lane import Lane
from penstock.queue.ingestion.leasing import Leasing
from penstock.queue.ingestion.store import Store, Writing
from tests.unit.queue import test_ingestion_failures as failures
from tests.unit.queue import test_ingestion_queue as promises
from tests.unit.queue.bench import Bench


@dataclass(frozen=True, slots=True)
class Protection:
    """Its name, what to do to be without it, and the test that fails then."""

    name: str
    take_out: Callable[[pytest.MonkeyPatch], None]
    test: Callable[..., None]


def _replacing_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(recovery, "_replace", lambda *_: None)


def _nothing_is_void(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Store, "void", lambda *_: None)


def _leases_are_not_noted(patch: pytest.MonkeyPatch) -> None:
    real = Store.note
    patch.setattr(Store, "note", lambda self, record: None if isinstance(record, Leased) else real(self, record))


def _suspects_in_company(patch: pytest.MonkeyPatch) -> None:
    def pick(self: Custody, limit: int, *_: Any, **__: Any) -> Any:  # noqa: ANN401
        return [stretch for lane in self.by_turns for whole in lane.oldest(limit) for stretch in [lane._taken(whole.start, whole.end)]]

    patch.setattr(Custody, "pick", pick)


def _no_last_chance(patch: pytest.MonkeyPatch) -> None:
    real = Custody.blame

    def blame(self: Custody, left: Any) -> None:  # noqa: ANN401
        left = list(left)
        real(self, left)
        for lane, start, end in left:
            for offset in range(start, end):
                tried = self.lanes[lane].tried[offset]
                self.lanes[lane].suspect(offset, tried._replace(proven=True))

    patch.setattr(Custody, "blame", blame)


def _last_chance_in_company(patch: pytest.MonkeyPatch) -> None:
    real = Leasing._find

    def find(self: Leasing, limit: int, now_us: int) -> Any:  # noqa: ANN401
        found = real(self, limit, now_us)
        self._store.state.custody.last_chance = None
        return found

    patch.setattr(Leasing, "_find", find)


def _records_may_be_missing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Store, "_owes", lambda _: False)


def _states_claim_to_have_seen_everything(patch: pytest.MonkeyPatch) -> None:
    real = Store._whole

    def whole(self: Store) -> Writing:
        self._marking, kept = {}, self._marking
        try:
            return real(self)
        finally:
            self._marking = kept

    patch.setattr(Store, "_whole", whole)


def _acks_do_not_wait(patch: pytest.MonkeyPatch) -> None:
    def end(*_: object) -> Any:  # noqa: ANN401
        yield from ()

    patch.setattr(Store, "_end", end)


def _everything_is_released(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Store, "floors", lambda self, lanes: [self.log.at(number, lane.end) for number, lane in self._lanes(lanes)])
    patch.setattr(Store, "_lanes", lambda self, lanes: enumerate(self.state.custody.lanes[:lanes]), raising=False)


def _offsets_stay_settled(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Lane, "cut", lambda _: None)


def _the_highest_is_shed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(room, "reversed", lambda lanes: lanes, raising=False)
    patch.setattr(room, "DELIVERED", 5)
    real = room.Room._shed_for
    patch.setattr(room.Room, "_shed_for", lambda self, _, number: real(self, 0, number))


PROTECTIONS = [
    Protection("an entry settles the one it replaces", _replacing_is_forgotten, promises.test_a_dead_letter_is_tried_again),
    Protection(
        "what nobody was told of is void",
        _nothing_is_void,
        failures.test_a_nack_that_nobody_knows_of_does_not_bring_an_acked_item_back,
    ),
    Protection("leases are noted", _leases_are_not_noted, promises.test_the_item_that_kills_the_process_reaches_the_dead_letters),
    Protection(
        "suspects are handed out alone",
        _suspects_in_company,
        promises.test_the_item_that_kills_the_process_reaches_the_dead_letters,
    ),
    Protection("blame is proven", _no_last_chance, promises.test_one_that_was_only_beside_it_is_not_blamed),
    Protection("a last chance is taken alone", _last_chance_in_company, promises.test_a_last_chance_waits_until_nobody_has_anything),
    Protection(
        "a record that is lost is made up for",
        _records_may_be_missing,
        failures.test_an_ack_is_not_answered_before_a_record_that_was_lost_is_made_up_for,
    ),
    Protection(
        "a state knows what it has not seen",
        _states_claim_to_have_seen_everything,
        failures.test_a_state_does_not_claim_to_have_seen_what_is_on_its_way,
    ),
    Protection("an ack waits for the disk", _acks_do_not_wait, failures.test_an_ack_waits_for_the_disk),
    Protection("only what is settled is released", _everything_is_released, failures.test_what_somebody_still_needs_is_not_released),
    Protection("new entries are not settled", _offsets_stay_settled, failures.test_a_lane_that_lost_its_end_loses_no_more),
    Protection("the lowest goes", _the_highest_is_shed, promises.test_shedding_takes_the_lowest_priority_and_never_a_higher_one),
]


def tried(protection: Protection) -> None:
    """Run its test."""
    named = protection.test.__annotations__
    if "power_cut" in named:
        protection.test(Bench(), power_cut=True)
    elif "monkeypatch" in named:
        with pytest.MonkeyPatch.context() as patch:
            protection.test(Bench(), patch)
    elif "bench" in named:
        protection.test(Bench())
    else:
        protection.test()


@pytest.mark.parametrize("protection", PROTECTIONS, ids=lambda protection: str(protection.name))
def test_a_test_fails_without_its_protection(protection: Protection, monkeypatch: pytest.MonkeyPatch) -> None:
    """With it the same test passes."""
    tried(protection)
    protection.take_out(monkeypatch)

    with pytest.raises((AssertionError, LookupError)):
        tried(protection)
