"""Every protection of the log is seen to be needed: without it, a voyage through failures and power cuts loses or doubles something."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import msgspec
import pytest

from penstock.model.errors import PenstockError
from penstock.queue.durable import documents, keeper, passages, reader, scanning, store, survey, writing
from penstock.queue.durable.lane import Lane
from penstock.queue.durable.segment import Segment
from penstock.queue.log import Place
from tests.faults.disk import SimulatedDisk, SimulatedFile
from tests.faults.queue_voyage import sail, sail_roughly
from tests.faults.test_queue_damage import salvage

MOST_VOYAGES = 600


@dataclass(frozen=True, slots=True)
class Protection:
    """Its name, what to do to be without it, and what then goes wrong."""

    name: str
    take_out: Callable[[pytest.MonkeyPatch], None]
    voyage: Callable[[Random], None] = sail


def _not_synced(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Segment, "sync", lambda _: None)


def _names_not_synced(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SimulatedDisk, "sync_folder", lambda *_: None)


def _read_at_once(patch: pytest.MonkeyPatch) -> None:
    real = writing.LaneWriter._write

    def write(self: Any, *arguments: Any) -> Any:  # noqa: ANN401
        failure = real(self, *arguments)
        if self._segment and (extent := self._segment.publish(self.lane.tail)):
            self.lane.add(extent)
        self.lane.end = Place(self.lane.number, arguments[1], self._next)
        return failure

    patch.setattr(writing.LaneWriter, "_write", write)


def _a_failed_sync_is_tried_again(patch: pytest.MonkeyPatch) -> None:
    real = Segment.sync

    def sync(self: Any) -> None:  # noqa: ANN401
        try:
            real(self)
        except OSError:
            real(self)

    patch.setattr(Segment, "sync", sync)


def _one_epoch(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(store, "next_epoch", lambda *_: b"\1" * 10)


def _not_written_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SimulatedDisk, "settle", lambda self, path: self.sync_node(path, self._node(path)))


def _bodies_not_checked(patch: pytest.MonkeyPatch) -> None:
    for module in (scanning, passages):
        patch.setattr(module, "is_whole", lambda header, body: len(body) == header.length)


def _earlier_segments_win(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(survey, "cut", lambda extents, *_: extents)


def _a_half_written_block_stays(patch: pytest.MonkeyPatch) -> None:
    real = Segment._write

    def write(self: Any, *arguments: Any) -> Any:  # noqa: ANN401
        try:
            return real(self, *arguments)
        except OSError:
            self.file.size_bytes = len(self._file.node.seen.rstrip(b"\0"))
            raise

    patch.setattr(Segment, "_write", write)
    patch.setattr(SimulatedFile, "truncate", lambda *_: None)


def _removing_needs_room(patch: pytest.MonkeyPatch) -> None:
    def collect(self: Any, worth_bytes: int) -> None:  # noqa: ANN401
        self._leave_spent(worth_bytes)
        files = self._drop()
        if self._save():
            self._remove(files)

    patch.setattr(keeper.Keeper, "_collect", collect)


def _everything_that_was_begun_is_removed(patch: pytest.MonkeyPatch) -> None:
    real = Lane.drop

    def drop(self: Any, least: Place, **named: Any) -> Sequence[Any]:  # noqa: ANN401
        return [*real(self, least, **named), *(extent.file for extent in self.extents[:1] if extent.first_place < least)]

    patch.setattr(Lane, "drop", drop)


def _any_log_is_ours(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(survey.Found, "is_foreign", lambda *_: False)


def _names_are_believed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(scanning, "_contradicts", lambda *_: False)


def _no_looking_behind_damage(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(scanning, "MAGIC", b"nowhere at all")


def _cursors_not_checked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(documents, "checked", lambda content: content.partition(b"\n")[0])


def _seals_are_believed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reader.Reader, "_ends_there", lambda *_: True)


PROTECTIONS = [
    Protection("an append is synced before it is answered", _not_synced),
    Protection("the name of a segment is synced before its entries", _names_not_synced),
    Protection("only what is durable is read", _read_at_once),
    Protection("a segment whose syncing failed is left alone", _a_failed_sync_is_tried_again, sail_roughly),
    Protection("each opening has an epoch of its own", _one_epoch),
    Protection("what a dead process wrote is written once more", _not_written_again, sail_roughly),
    Protection("bodies are checked", _bodies_not_checked, sail_roughly),
    Protection("a later segment wins at its offsets", _earlier_segments_win, sail_roughly),
    Protection("the next block takes the place of one that is half written", _a_half_written_block_stays, sail_roughly),
    Protection("removing needs no room", _removing_needs_room),
    Protection("a segment goes as a whole", _everything_that_was_begun_is_removed),
    Protection("segments name their log", _any_log_is_ours, salvage),
    Protection("segments are what their names say", _names_are_believed, salvage),
    Protection("blocks are looked for behind damage", _no_looking_behind_damage, salvage),
    Protection("cursors are checked", _cursors_not_checked, salvage),
    Protection("what follows a gap is read before the gap is told", _seals_are_believed, salvage),
]


@pytest.mark.parametrize("protection", PROTECTIONS, ids=lambda protection: protection.name)
def test_a_voyage_fails_without_its_protection(protection: Protection, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one protection taken out, one of some hundred voyages ends badly, so it can, and the protection is needed."""
    protection.take_out(monkeypatch)

    with pytest.raises((AssertionError, PenstockError, msgspec.MsgspecError)):
        _sail_all(protection.voyage)


def _sail_all(voyage: Callable[[Random], None]) -> None:
    for number in range(MOST_VOYAGES):
        voyage(Random(number))
