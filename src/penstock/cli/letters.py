"""Dead letters of an ingestion queue, for `penstock dead`."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.cli import answer
from penstock.cli.asking import agreed
from penstock.cli.queue import as_json, at, opened, shown
from penstock.model.counts import counted
from penstock.model.errors import Misconfigured
from penstock.queue.ingestion import NotAQueue, is_queue

if TYPE_CHECKING:
    from penstock.queue.ingestion import IngestionQueue, QueueItem

EVERY = sys.maxsize


class NoSuchLetter(Misconfigured):
    """The queue has no such dead letter."""

    default_hint = "`penstock dead list FOLDER` shows those it has."


def run(folder: Path, ids: Collection[str], arguments: argparse.Namespace) -> None:
    """Do what `penstock dead` was told, with the queue in a folder.

    Raises:
        NotAQueue: it is kept somewhere else.
        NoSuchLetter: an id is none of its dead letters.
    """
    if not is_queue(folder):
        raise NotAQueue(str(folder))
    with opened(folder) as queue:
        {"list": _list, "show": _show, "retry": _retry, "clear": _clear}[arguments.action](queue, ids, arguments)


def _list(queue: IngestionQueue, _: Collection[str], arguments: argparse.Namespace) -> None:
    if arguments.json:
        answer("".join(f"{as_json(letter)}\n" for letter in queue.get_dead_letter_items(arguments.limit)))
    else:
        answer("".join(_lines(queue.get_dead_letter_items(EVERY), arguments)))


def _lines(letters: Sequence[QueueItem], arguments: argparse.Namespace) -> Iterator[str]:
    if not letters:
        yield f"There are no dead letters in {arguments.folder}.\n"
        return
    for error, number in Counter(letter.error for letter in letters).most_common():
        yield f"{number:>9,}  {error}\n"
    yield f"\nThe newest; `penstock dead show ID {arguments.folder}` prints one whole:\n"
    for letter in letters[: arguments.limit]:
        yield f"{letter.id}  {letter.error}\n  {shown(letter.data)}\n"


def _show(queue: IngestionQueue, ids: Collection[str], _: argparse.Namespace) -> None:
    (letter,) = _chosen(queue, ids)
    tried = counted(letter.attempts, "attempt")
    sys.stderr.write(f"{letter.source}, {letter.priority.name}, enqueued {at(letter.enqueued_us)}, {tried}\n{letter.error}\n")
    sys.stderr.flush()
    if isinstance(letter.data, bytes):
        sys.stdout.buffer.write(letter.data)
        sys.stdout.buffer.flush()
    else:
        answer(f"{json.dumps(letter.data, default=str)}\n")


def _retry(queue: IngestionQueue, ids: Collection[str], arguments: argparse.Namespace) -> None:
    letters = _chosen(queue, ids, arguments.reason)
    again = sum(queue.retry_dead_letter(letter.id) for letter in reversed(letters))
    answer(f"{counted(again, 'dead letter')} put back into the queue.\n")


def _clear(queue: IngestionQueue, ids: Collection[str], arguments: argparse.Namespace) -> None:
    letters = _chosen(queue, ids, arguments.reason)
    if agreed(f"Delete these {counted(len(letters), 'dead letter')} for good?", yes=arguments.yes):
        answer(f"{counted(queue.clear_dead_letter({letter.id for letter in letters}), 'dead letter')} cleared.\n")
    else:
        answer("Nothing was changed.\n")


def _chosen(queue: IngestionQueue, ids: Collection[str], reason: str | None = None) -> Sequence[QueueItem]:
    letters = queue.get_dead_letter_items(EVERY)
    missing = set(ids) - {letter.id for letter in letters}
    if missing:
        raise NoSuchLetter(", ".join(sorted(missing)))
    return [letter for letter in letters if (not ids or letter.id in ids) and reason in (None, letter.error)]
