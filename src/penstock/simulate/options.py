"""The options of `penstock simulate datasync`, light enough for `--help`."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import get_args

from penstock.simulate.faults import PROFILES
from penstock.simulate.profiles import LIMITS, PUBLISHED_LATENCY_PER_INFLIGHT_S, PUBLISHED_LATENCY_S
from penstock.simulate.settings import (
    UNDECODABLE,
    DataSyncSettings,
    PageShape,
    RateLimit,
    ResetNotation,
    RetryAfter,
    Stream,
    StreamPool,
    TieRule,
    Timestamps,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add every option of the simulated API to `parser`."""
    _server(parser.add_argument_group("the server"))
    _data(parser.add_argument_group("the data"))
    _answers(parser.add_argument_group("the answers"))
    _limits(parser.add_argument_group("limits and pace"))
    _stream_options(parser.add_argument_group("the stream endpoint, and submissions"))
    _troubles(parser.add_argument_group("troubles"))


def settings_from(arguments: argparse.Namespace) -> DataSyncSettings:
    """The settings that parsed `arguments` describe.

    Raises:
        Misconfigured: when they contradict each other or lie out of range.
    """
    faults = PROFILES[arguments.faults]
    return DataSyncSettings(
        events=arguments.events,
        seed=arguments.seed,
        days=arguments.days,
        ties=arguments.ties,
        tie_burst=arguments.tie_burst,
        skew=arguments.skew,
        tie_rule=arguments.tie_rule,
        timestamps=arguments.timestamps,
        undecodable=arguments.undecodable,
        undecodable_kinds=tuple(arguments.undecodable_kind or UNDECODABLE),
        key=arguments.api_key,
        page_shape=arguments.page_shape,
        omit_cursor=arguments.omit_cursor,
        cursor_ttl_s=arguments.cursor_ttl,
        rate_limit=_rate_limit(arguments),
        stream=_stream(arguments),
        submissions=arguments.submissions,
        submissions_failing=arguments.submissions_failing,
        latency_s=PUBLISHED_LATENCY_S if arguments.published_latency else arguments.latency,
        latency_per_inflight_s=PUBLISHED_LATENCY_PER_INFLIGHT_S if arguments.published_latency else arguments.latency_per_inflight,
        faults=faults if arguments.max_faults_in_a_row is None else replace(faults, max_in_a_row=arguments.max_faults_in_a_row),
        live_per_s=arguments.live,
        live_limit=arguments.live_limit,
        shrink_after_requests=arguments.shrink_after,
        shrink_by=arguments.shrink_by,
        cache_bytes=arguments.cache_mb * 1024 * 1024,
        warm=arguments.warm,
    )


def _server(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--host", default="127.0.0.1", help="loopback address to listen on (default: %(default)s)")
    group.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes any free one (default: %(default)s)")
    group.add_argument("--die-with-parent", action="store_true", help="end when the process that started this one ends")
    group.add_argument("--api-key", metavar="KEY", help="key that clients have to send (default: one that names the data)")
    group.add_argument("--warm", action="store_true", help="compress all pages before the first answer, for benchmarks")
    group.add_argument("--cache-mb", type=int, default=64, metavar="MB", help="memory for compressed rows (default: %(default)s)")


def _data(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--events", type=int, default=3_000_000, metavar="N", help="number of events (default: %(default)s)")
    group.add_argument("--seed", type=int, default=1, help="the same seed gives the same events everywhere (default: %(default)s)")
    group.add_argument("--days", type=float, default=30.0, help="time that the events span (default: %(default)s)")
    group.add_argument(
        "--ties", type=float, default=0.0, metavar="SHARE", help="share of events with the millisecond of another, 0 to 0.99"
    )
    group.add_argument("--tie-burst", type=int, default=0, metavar="N", help="let one single millisecond hold N events")
    group.add_argument(
        "--skew", type=float, default=0.0, metavar="SIGMA", help="let the volume differ from day to day: sigma of a lognormal"
    )
    group.add_argument(
        "--tie-rule", choices=get_args(TieRule), default="desc", help="order of ids within a millisecond (default: %(default)s)"
    )
    group.add_argument(
        "--timestamps", choices=get_args(Timestamps), default="mixed", help="epoch ms and ISO 8601 mixed, or every notation there is"
    )
    group.add_argument("--undecodable", type=float, default=0.0, metavar="SHARE", help="share of events that no strict reader accepts")
    group.add_argument(
        "--undecodable-kind", action="append", choices=UNDECODABLE, help="in this way only; may be repeated (default: in every way)"
    )


def _answers(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--page-shape", choices=get_args(PageShape), default="nested", help="shape of a page (default: %(default)s)")
    group.add_argument("--cursor-ttl", type=float, default=116.0, metavar="SECONDS", help="life of a cursor (default: %(default)s)")
    group.add_argument("--omit-cursor", type=float, default=0.0, metavar="SHARE", help="share of pages without the cursor they should have")


def _limits(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--limits", choices=list(LIMITS), default="none", help="limits as clients reported them (default: %(default)s)")
    group.add_argument("--rate-limit", type=_rate, metavar="N/SECONDS", help="requests to /events that a window admits, such as 10/60")
    group.add_argument("--query-rate-limit", type=int, metavar="N", help="separate limit, same window, for keys sent as ?api_key=")
    group.add_argument(
        "--reset-notation", choices=get_args(ResetNotation), default="delta", help="how X-RateLimit-Reset tells time (default: %(default)s)"
    )
    group.add_argument(
        "--retry-after", choices=get_args(RetryAfter), default="seconds", help="how Retry-After tells time (default: %(default)s)"
    )
    group.add_argument("--latency", type=float, default=0.0, metavar="SECONDS", help="time every page takes")
    group.add_argument("--latency-per-inflight", type=float, default=0.0, metavar="SECONDS", help="more time for each request in flight")
    group.add_argument("--published-latency", action="store_true", help="5 + 0.95 n seconds a page, n requests in flight, as measured")


def _stream_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--stream-refused", type=int, choices=[401, 403, 404], metavar="STATUS", help="give out no stream tokens: 401, 403 or 404"
    )
    group.add_argument("--stream-token-ttl", type=float, metavar="SECONDS", help="life of a stream token (default: 300)")
    group.add_argument("--stream-budget", type=_rate, metavar="N/SECONDS", help="requests that the stream admits without saying so")
    group.add_argument("--stream-pool", choices=get_args(StreamPool), help="what that budget counts together (default: own)")
    group.add_argument("--submissions", type=int, default=5, metavar="N", help="attempts to submit, failed ones too (default: %(default)s)")
    group.add_argument("--submissions-failing", type=int, default=0, metavar="N", help="answer the first N of them with 500")


def _troubles(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--faults", choices=list(PROFILES), default="none", help="how much goes wrong (default: %(default)s)")
    group.add_argument("--max-faults-in-a-row", type=int, metavar="N", help="faults for one cursor before it is answered well (default: 2)")
    group.add_argument("--live", type=float, default=0.0, metavar="PER_SECOND", help="insert new events while running")
    group.add_argument("--live-limit", type=int, default=100_000, metavar="N", help="stop inserting after N (default: %(default)s)")
    group.add_argument("--shrink-after", type=int, metavar="N", help="let the oldest events disappear after N list requests")
    group.add_argument("--shrink-by", type=int, default=1, metavar="N", help="how many of them (default: %(default)s)")


def _rate(text: str) -> tuple[int, float]:
    requests, _, window_s = text.partition("/")
    try:
        return int(requests), float(window_s)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not requests/seconds, such as 10/60") from error


def _rate_limit(arguments: argparse.Namespace) -> RateLimit:
    rate, _ = LIMITS[arguments.limits]
    rate = replace(
        rate, reset_notation=arguments.reset_notation, retry_after=arguments.retry_after, query_requests=arguments.query_rate_limit
    )
    if arguments.rate_limit is None:
        return rate
    requests, window_s = arguments.rate_limit
    return replace(rate, requests=requests, window_s=window_s)


def _stream(arguments: argparse.Namespace) -> Stream:
    _, stream = LIMITS[arguments.limits]
    requests, window_s = arguments.stream_budget or (stream.requests, stream.window_s)
    return Stream(
        refused=arguments.stream_refused,
        token_ttl_s=arguments.stream_token_ttl or stream.token_ttl_s,
        requests=requests,
        window_s=window_s,
        pool=arguments.stream_pool or stream.pool,
    )
