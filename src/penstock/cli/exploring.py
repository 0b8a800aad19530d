"""Exploring an API from the command line: what it found, as a table for people or as one object."""

from __future__ import annotations

import asyncio
import json
import shutil
import textwrap
from collections.abc import Iterator
from contextlib import AsyncExitStack

from penstock.cli import answer, tell
from penstock.cli.children import chosen_api
from penstock.extract.explore import exploring
from penstock.extract.findings import CursorFacts, EndpointFacts, Exploration, LatencyFacts, StreamFacts
from penstock.extract.settings import ExtractSettings
from penstock.model.redaction import redacted

NARROWEST = 40


def explore(settings: ExtractSettings, simulator: str, *, as_json: bool) -> int:
    """Explore, and print what was found; the exit code."""
    found = asyncio.run(_explore(settings, simulator))
    if as_json:
        answer(json.dumps(found.as_json()) + "\n")
    else:
        width = max(NARROWEST, min(100, shutil.get_terminal_size().columns))
        answer("\n".join(redacted(line) for text in lines(found) for line in _wrapped(text, width)) + "\n")
    return 0


async def _explore(settings: ExtractSettings, simulator: str) -> Exploration:
    async with AsyncExitStack() as children:
        address = await chosen_api(settings, simulator, children)
        tell(f"exploring {address.origin} with at most {settings.explore_requests} requests")
        async with exploring(address, settings.explore_requests) as explorer:
            return await explorer.explore()


def lines(found: Exploration) -> Iterator[str]:
    """The findings in words, a paragraph a line."""
    yield f"{found.origin}: {found.requests} of at most {found.most} requests, {found.seconds:.1f} s"
    yield from ("", "Endpoints")
    for endpoint in found.endpoints:
        yield f"  {endpoint.status}  {endpoint.path}"
        yield from (f"       {fact}" for fact in _stated(endpoint))
    yield from ("", "Cursor", *(f"  {fact}" for fact in _cursor(found.cursor)))
    yield from ("", "Stream", *(f"  {fact}" for fact in _stream(found.stream)))
    yield from ("", "Latency of a full page", *(f"  {fact}" for fact in _latency(found.latency)))
    if found.notes:
        yield from ("", "Also", *(f"  {note}" for note in found.notes))


def _stated(endpoint: EndpointFacts) -> Iterator[str]:
    if endpoint.limit is not None:
        resets = "" if endpoint.reset_s is None else f", resets in {endpoint.reset_s:.0f} s"
        yield f"limit {endpoint.limit:,} requests, {endpoint.remaining} left{resets}"
    if endpoint.total is not None:
        yield f"{endpoint.total:,} in all" + (f", {endpoint.largest_page:,} a page at the most" if endpoint.largest_page else "")
    if endpoint.timestamps:
        yield f"times in {', '.join(endpoint.timestamps)}"
    if endpoint.headers:
        yield f"headers {', '.join(endpoint.headers)}"


def _cursor(facts: CursorFacts) -> Iterator[str]:
    if facts.version is None:
        yield "none was seen"
        return
    yield f"base64url of JSON with {', '.join(facts.members)}; version {facts.version}; lives {facts.ttl_s} s"
    if facts.expiry_checked is not None:
        yield "its expiry is checked" if facts.expiry_checked else "its expiry is not checked"
    if facts.can_be_made is not None:
        yield "a client can make its own for any time" if facts.can_be_made else "one that a client made is not followed"
    if facts.tie_order:
        yield f"ids are {facts.tie_order} within a millisecond; a cursor with the smallest id stands {facts.smallest_id}"
    else:
        yield "no two events of one millisecond were seen: how ids run there is not known"


def _stream(facts: StreamFacts) -> Iterator[str]:
    if not facts.open:
        yield "not asked" if facts.open is None else f"not open: {facts.closed_because}"
        return
    yield f"open at {facts.path}; a token lives {facts.token_life_s} s"
    yield "no limit is stated" if facts.limit is None else f"limit {facts.limit:,} requests"
    if facts.honours_since is not None:
        yield "`since` is honoured" if facts.honours_since else "`since` is not honoured"
    if facts.shares_events_limit is not None:
        yield (
            "its requests count in the limit of /events"
            if facts.shares_events_limit
            else "its requests do not count in the limit of /events"
        )
    if facts.refused_after is not None:
        pause = "" if facts.pause_s is None else f", and asked to wait {facts.pause_s:.0f} s"
        yield f"refused after {facts.refused_after:,} requests in a row{pause}"
        yield "limits are counted by token: STREAM_TOKENS=2 or more helps" if facts.by_token else "another token was refused, too"
    else:
        yield "whether limits are counted by token was not found out: --explore-requests 300 asks until it is refused"


def _latency(facts: LatencyFacts) -> Iterator[str]:
    for together in sorted({together for together, _ in facts.measured}):
        seconds = sorted(second for number, second in facts.measured if number == together)
        yield f"{together} in flight: " + ", ".join(f"{second:.2f}" for second in seconds) + " s"
    if facts.base_s is not None and facts.per_request_s is not None:
        yield f"about {facts.base_s:.2f} + {facts.per_request_s:.2f} n seconds with n in flight"
    if not facts.measured:
        yield "not measured"


def _wrapped(text: str, width: int) -> list[str]:
    indent = len(text) - len(text.lstrip())
    return textwrap.wrap(text, width, subsequent_indent=" " * (indent + 2), break_long_words=False, break_on_hyphens=False) or [""]
