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
from penstock.cli.queue import as_json, at, holds_items, shown
from penstock.model.counts import counted
from penstock.model.errors import Misconfigured
from penstock.queue.ingestion import IngestionQueue, NotAQueue, QueueSettings
from penstock.queue.ingestion.looking import look

if TYPE_CHECKING:
    from penstock.queue.ingestion import QueueItem
    from penstock.queue.ingestion.looking import StillQueue

EVERY = sys.maxsize

OF_A_PIPELINE = "What a pipeline could not store is kept with its state: `penstock dead list FILE`."


class NoSuchLetter(Misconfigured):
    """The queue has no such dead letter."""

    default_hint = "`penstock dead list FOLDER` shows those it has."


def run(folder: Path, ids: Collection[str], arguments: argparse.Namespace) -> None:
    """Do what `penstock dead` was told, with the queue in a folder. To look at it, nobody has to stop.

    Raises:
        NoSuchQueue, NotAQueue: there is none, or that of a pipeline.
        NoSuchLetter: an id is none of its dead letters.
        LogLocked: a process has the queue that is to be changed.
    """
    if not holds_items(folder):
        raise NotAQueue(f"{folder} is the queue of a pipeline", hint=OF_A_PIPELINE)
    if arguments.action == "list":
        answer(look(folder, lambda queue: _listed(queue, arguments)))
    elif arguments.action == "show":
        _show(*look(folder, lambda queue: _chosen(queue.get_dead_letter_items(), ids)))
    else:
        with IngestionQueue(QueueSettings(persist_to_disk=True, persist_path=folder)) as queue:
            letters = _chosen(queue.get_dead_letter_items(EVERY), ids, arguments.reason)
            (_retry if arguments.action == "retry" else _clear)(queue, letters, arguments)


def _listed(queue: StillQueue, arguments: argparse.Namespace) -> str:
    if arguments.json:
        return "".join(f"{as_json(letter)}\n" for letter in queue.get_dead_letter_items(arguments.limit))
    return "".join(_lines(queue.get_dead_letter_items(), arguments))


def _lines(letters: Sequence[QueueItem], arguments: argparse.Namespace) -> Iterator[str]:
    if not letters:
        yield f"There are no dead letters in {arguments.folder}.\n"
        return
    for error, number in Counter(letter.error for letter in letters).most_common():
        yield f"{number:>9,}  {error}\n"
    yield f"\nThe newest; `penstock dead show ID {arguments.folder}` prints one whole:\n"
    for letter in letters[: arguments.limit]:
        yield f"{letter.id}  {letter.error}\n  {shown(letter.data)}\n"


def _show(letter: QueueItem) -> None:
    tried = counted(letter.attempts, "attempt")
    sys.stderr.write(f"{letter.source}, {letter.priority.name}, enqueued {at(letter.enqueued_us)}, {tried}\n{letter.error}\n")
    sys.stderr.flush()
    if isinstance(letter.data, bytes):
        sys.stdout.buffer.write(letter.data)
        sys.stdout.buffer.flush()
    else:
        answer(f"{json.dumps(letter.data, default=str)}\n")


def _retry(queue: IngestionQueue, letters: Sequence[QueueItem], _: argparse.Namespace) -> None:
    again = sum(queue.retry_dead_letter(letter.id) for letter in reversed(letters))
    answer(f"{counted(again, 'dead letter')} put back into the queue.\n")


def _clear(queue: IngestionQueue, letters: Sequence[QueueItem], arguments: argparse.Namespace) -> None:
    if agreed(f"Delete these {counted(len(letters), 'dead letter')} for good?", yes=arguments.yes):
        answer(f"{counted(queue.clear_dead_letter({letter.id for letter in letters}), 'dead letter')} cleared.\n")
    else:
        answer("Nothing was changed.\n")


def _chosen(letters: Sequence[QueueItem], ids: Collection[str], reason: str | None = None) -> Sequence[QueueItem]:
    missing = set(ids) - {letter.id for letter in letters}
    if missing:
        raise NoSuchLetter(", ".join(sorted(missing)))
    return [letter for letter in letters if (not ids or letter.id in ids) and reason in (None, letter.error)]
