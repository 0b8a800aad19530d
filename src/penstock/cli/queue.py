"""Queues on disk: what one has done and what it holds, and what waits in it.

FOLDER is `persist_path` of an ingestion queue, or the folder of a pipeline's queue. It is only looked at, so a process may have it open.
`penstock dead` shows the dead letters of an ingestion queue.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.cli.limit import add_limit
from penstock.model.counts import counted
from penstock.model.errors import Misconfigured

if TYPE_CHECKING:
    from penstock.model.gaps import Gap
    from penstock.queue.durable.looking import StillLog
    from penstock.queue.ingestion import QueueItem, QueueStats
    from penstock.queue.ingestion.looking import StillQueue
    from penstock.queue.log import Entries, Kept

WIDTH = 100
"""Characters of an item that a list shows."""


class NoSuchQueue(Misconfigured):
    """There is no queue in this folder."""

    default_hint = "Name the folder that a queue was given as its path; a pipeline's own is in `queues` of the state folder."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`stats` and `list`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="stats|list")
    stats = actions.add_parser("stats", help="what a queue has done, and what it holds")
    listing = actions.add_parser("list", help="what waits in a queue, the highest priority first; it is not taken")
    add_limit(listing, "how many to show")
    for action in (stats, listing):
        action.add_argument("folder", type=Path, metavar="FOLDER", help="where the queue is kept")
    stats.add_argument("--json", action="store_true", help="one JSON object")
    listing.add_argument("--json", action="store_true", help="one JSON object a line, for each item")


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    from penstock.cli import answer  # noqa: PLC0415
    from penstock.queue.durable import looking as logs  # noqa: PLC0415 - a queue is more than its help
    from penstock.queue.ingestion import looking as queues  # noqa: PLC0415

    folder: Path = arguments.folder
    listing = arguments.action == "list"
    if holds_items(folder):
        answer(queues.look(folder, lambda queue: (_items if listing else _stats)(queue, arguments)))
    else:
        answer(logs.look(folder, lambda log: (_entries if listing else _kept)(log, arguments)))
    return 0


def holds_items(folder: Path) -> bool:
    """Whether the queue in a folder is one of items, and not that of a pipeline.

    Raises:
        NoSuchQueue: there is none.
        LogNotAccessible: this user may not look.
    """
    from penstock.queue.durable.disklog import naming  # noqa: PLC0415 - as above
    from penstock.queue.durable.documents import IDENTITY  # noqa: PLC0415
    from penstock.queue.ingestion import is_queue  # noqa: PLC0415

    with naming(folder):
        if not (folder / IDENTITY).exists():
            raise NoSuchQueue(str(folder))
        return is_queue(folder)


def _stats(queue: StillQueue, arguments: argparse.Namespace) -> str:
    stats, gaps, holder = queue.get_stats(), queue.gaps(1), queue.log.holder
    if not arguments.json:
        return "".join(f"{line}\n" for line in _told(f"{arguments.folder}{_by(holder)}", stats, gaps))
    members = {name: getattr(stats, name) for name in stats.__slots__ if name != "items_by_priority"}
    waiting = {priority.name.lower(): number for priority, number in stats.items_by_priority.items()}
    facts = {"items_by_priority": waiting, "drop_rate_percent": stats.drop_rate_percent, "in_use_by": holder}
    return json.dumps(members | facts) + "\n"


def _by(holder: int | None) -> str:
    return "" if holder is None else f", in use by process {holder}"


def _told(where: str, stats: QueueStats, gaps: Sequence[Gap]) -> Iterator[str]:
    parts = [f"{number:,} {priority.name.lower()}" for priority, number in stats.items_by_priority.items() if number]
    yield where
    yield f"  waiting       {stats.current_size:,}{': ' if parts else ''}{', '.join(parts)}"
    if stats.leased:
        yield f"  of these      {stats.leased:,} leased"
    yield f"  dead letters  {stats.dead_letters:,}"
    lost = f", {stats.total_lost:,} lost" if stats.total_lost else ""
    done = f"{stats.total_processed:,} processed, {stats.total_failed:,} failed, {stats.total_dropped:,} dropped{lost}"
    yield f"  enqueued      {stats.total_enqueued:,}: {done}"
    yield f"  tried again   {stats.total_attempts_failed:,}, and {counted(stats.total_retried, 'dead letter')}"
    for gap in gaps:
        yield f"  newest gap    {_gap(gap)}{_when(gap.until or gap.since)}"


def _items(queue: StillQueue, arguments: argparse.Namespace) -> str:
    items = queue.peek(arguments.limit)
    if arguments.json:
        return "".join(f"{as_json(item)}\n" for item in items)
    stats = queue.get_stats()
    left = stats.current_size - stats.leased - len(items)
    rest = f"and {left:,} more\n" if left else ""
    return "".join(f"{item.id}  {item.priority.name}  {item.source}\n  {shown(item.data)}\n" for item in items) + rest or "Nothing waits.\n"


def as_json(item: QueueItem) -> str:
    """The documented object of --json."""
    facts = {"id": item.id, "priority": item.priority.name, "source": item.source, "attempts": item.attempts, "error": item.error}
    return json.dumps(facts | {"enqueued_at": at(item.enqueued_us), "data": item.data}, default=_text)


def shown(data: Any) -> str:  # noqa: ANN401 - any data
    """The beginning of an item, on one line."""
    text = json.dumps(data, default=_text)
    return text if len(text) <= WIDTH else f"{text[:WIDTH]}…"


def at(microseconds: int) -> str:
    """A time since 1970, as people write it."""
    return datetime.fromtimestamp(microseconds / 1e6, UTC).isoformat(timespec="milliseconds")


def _when(microseconds: int | None) -> str:
    return "" if microseconds is None else f", {at(microseconds)}"


def _text(data: object) -> str:
    return data.decode(errors="backslashreplace") if isinstance(data, bytes) else str(data)


def _kept(log: StillLog, arguments: argparse.Namespace) -> str:
    lanes = [_lane(number, kept) for number, kept in enumerate(log.kept())]
    if arguments.json:
        return json.dumps({"lanes": lanes, "in_use_by": log.holder}) + "\n"
    lines = [f"  lane {one['lane']}  {one['entries']:,} entries from offset {one['first']:,} on, {one['bytes']:,} bytes" for one in lanes]
    return "".join(f"{line}\n" for line in [f"{arguments.folder}, the queue of a pipeline{_by(log.holder)}", *lines])


def _lane(number: int, kept: Kept) -> dict[str, int]:
    return {"lane": number, "first": kept.first.offset, "entries": kept.end.offset - kept.first.offset, "bytes": kept.size_bytes}


def _entries(log: StillLog, arguments: argparse.Namespace) -> str:
    lines = [_line(*one, as_json=arguments.json) for one in islice(_each(log), arguments.limit)]
    return "".join(lines) or ("" if arguments.json else "Nothing is kept.\n")


def _each(log: StillLog) -> Iterator[tuple[Entries, int, bytes | Gap]]:
    """Entries and gaps, each with its stretch and its offset."""
    for stretch in _stretches(log):
        entries: Sequence[bytes | Gap] = stretch.bodies if stretch.gap is None else [stretch.gap]
        yield from ((stretch, offset, entry) for offset, entry in enumerate(entries, stretch.first.offset))


def _stretches(log: StillLog) -> Iterator[Entries]:
    for kept in log.kept():
        place = kept.first
        while found := log.read(place, 1 << 16):
            yield from found
            place = found[-1].end


def _line(stretch: Entries, offset: int, entry: bytes | Gap, *, as_json: bool) -> str:
    lane, when = stretch.first.lane, at(stretch.appended_us)
    if not as_json:
        return f"{lane}-{offset}  {when}\n  {shown(entry) if isinstance(entry, bytes) else f'a gap: {_gap(entry)}'}\n"
    told = {"data": _text(entry)} if isinstance(entry, bytes) else {"gap": asdict(entry)}
    return json.dumps({"lane": lane, "offset": offset, "received_at": when} | told) + "\n"


def _gap(gap: Gap) -> str:
    return f"{gap.cause}{'' if gap.count is None else f': {gap.count:,}'}"
