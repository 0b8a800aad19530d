"""The command's options."""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import replace

import pytest

from penstock.simulate.faults import PROFILES
from penstock.simulate.options import add_arguments, settings_from
from penstock.simulate.profiles import LIMITS
from penstock.simulate.settings import DataSyncSettings, RateLimit, Stream


def parsed(*words: str) -> argparse.Namespace:
    """A command line, parsed."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)


def test_defaults() -> None:
    """Without options the settings are the defaults, on a free port of the loopback interface."""
    arguments = parsed()

    assert settings_from(arguments) == DataSyncSettings()
    assert (arguments.host, arguments.port, arguments.die_with_parent) == ("127.0.0.1", 0, False)


def test_everything() -> None:
    """Every setting can be reached."""
    words = (
        "--events 9 --seed 8 --days 7 --ties 0.6 --tie-burst 5 --skew 0.4 --tie-rule asc --timestamps all --undecodable 0.3 "
        "--undecodable-kind utf8 --undecodable-kind id_type --api-key secret --page-shape flat --omit-cursor 0.2 --cursor-ttl 10 "
        "--rate-limit 10/60 --query-rate-limit 5 --reset-notation date --retry-after date --latency 0.1 --latency-per-inflight 0.2 "
        "--faults rough --max-faults-in-a-row 1 --live 3 --live-limit 4 --shrink-after 6 --shrink-by 2 --cache-mb 1 --warm "
        "--stream-refused 401 --stream-token-ttl 30 --stream-budget 7/8 --stream-pool token --submissions 2 --submissions-failing 1"
    )

    settings = settings_from(parsed(*words.split()))

    assert settings == DataSyncSettings(
        events=9,
        seed=8,
        days=7,
        ties=0.6,
        tie_burst=5,
        skew=0.4,
        tie_rule="asc",
        timestamps="all",
        undecodable=0.3,
        undecodable_kinds=("utf8", "id_type"),
        key="secret",
        page_shape="flat",
        omit_cursor=0.2,
        cursor_ttl_s=10,
        rate_limit=RateLimit(requests=10, window_s=60, query_requests=5, reset_notation="date", retry_after="date"),
        latency_s=0.1,
        latency_per_inflight_s=0.2,
        faults=replace(PROFILES["rough"], max_in_a_row=1),
        live_per_s=3,
        live_limit=4,
        shrink_after_requests=6,
        shrink_by=2,
        cache_bytes=1024 * 1024,
        warm=True,
        stream=Stream(refused=401, token_ttl_s=30, requests=7, window_s=8, pool="token"),
        submissions=2,
        submissions_failing=1,
    )


@pytest.mark.parametrize("name", LIMITS)
def test_limits(name: str) -> None:
    """Limits that clients reported go by a name; each can be overridden, the published latency is one word."""
    named = settings_from(parsed("--limits", name, "--published-latency"))
    changed = settings_from(parsed("--limits", name, "--rate-limit", "3/4"))

    assert (named.rate_limit, named.stream) == LIMITS[name]
    assert (named.latency_s, named.latency_per_inflight_s) == (5, 0.95)
    assert (changed.rate_limit, changed.stream) == (RateLimit(requests=3, window_s=4), LIMITS[name][1])


def test_bad_rate(capsys: pytest.CaptureFixture[str]) -> None:
    """A rate that is none is a usage error which shows a good one."""
    with pytest.raises(SystemExit) as stopped:
        parsed("--rate-limit", "10")

    assert stopped.value.code == 2
    assert "10/60" in capsys.readouterr().err


def test_light() -> None:
    """Asking for help loads neither columns nor servers."""
    program = (
        "import argparse, sys; from penstock.simulate.options import add_arguments; add_arguments(argparse.ArgumentParser());"
        "print(sorted({'numpy', 'pyarrow', 'starlette', 'uvicorn', 'isal'} & set(sys.modules)))"
    )

    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert loaded == "[]\n"
