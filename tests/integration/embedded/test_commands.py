"""`penstock db url|shell|start|stop`: answers on stdout, talk on stderr, exit codes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from penstock.stores.postgres.embedded import EmbeddedServer, EmbeddedSettings, commands
from penstock.stores.postgres.embedded.cluster import Cluster
from penstock.stores.postgres.embedded.errors import NotRunning, RunningForAnother
from penstock.stores.postgres.embedded.postmaster import living
from tests.integration.embedded.places import run

if TYPE_CHECKING:
    from tests.integration.embedded.places import Place


def test_without_a_server_url_says_how_to_start_one_and_makes_nothing(new_settings: EmbeddedSettings) -> None:
    """`url` of a home where nothing runs is an error with the next command in it; not even the folder appears."""
    with pytest.raises(NotRunning) as caught:
        commands.url(new_settings)

    assert "penstock db start" in caught.value.hint
    assert caught.value.exit_code == 1
    assert not new_settings.home.exists()


def test_stop_without_a_server_is_no_error(new_settings: EmbeddedSettings, capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing to stop is done already."""
    assert commands.stop(new_settings) == 0
    assert capfd.readouterr() == ("", "PostgreSQL was not running.\n")


def test_start_url_stop(new_settings: EmbeddedSettings, capfd: pytest.CaptureFixture[str]) -> None:
    """`start` leaves a server running and prints where, `url` prints the address that works, `stop` ends it."""
    assert commands.start(new_settings) == commands.start(new_settings) == 0
    started = capfd.readouterr()
    assert commands.url(new_settings) == 0
    url = capfd.readouterr().out.strip()
    reached = asyncio.run(run(url, "SELECT current_user::text"))
    assert commands.stop(new_settings) == 0

    assert reached == "penstock"
    password = url.split(":")[2].split("@")[0]
    assert started.out == f"{url.replace(password, '***')}\n" * 2
    assert "penstock db stop" in started.err
    assert capfd.readouterr() == ("", "PostgreSQL is stopped.\n")
    assert living(Cluster(new_settings.home).data) is None


def test_start_does_not_promise_what_another_process_ends(server: EmbeddedServer, settings: EmbeddedSettings) -> None:
    """While a server runs that ends with its process, `start` says so instead of printing an address that will go away."""
    with pytest.raises(RunningForAnother, match=r"penstock:\*\*\*@127.0.0.1"):
        commands.start(settings)

    assert server.alive


def test_shell_runs_psql(server: EmbeddedServer, settings: EmbeddedSettings, capfd: pytest.CaptureFixture[str]) -> None:
    """`shell` hands its arguments to psql and returns its exit code; a running server goes on."""
    assert commands.shell(settings, ["-Atc", "SELECT 6 * 7"]) == 0
    assert commands.shell(settings, ["-v", "ON_ERROR_STOP=1", "-c", "SELECT nonsense"]) == 1

    assert capfd.readouterr().out == "42\n"
    assert server.alive


def test_shell_starts_a_server_for_its_duration(settings: EmbeddedSettings, capfd: pytest.CaptureFixture[str]) -> None:
    """Without a server `shell` starts one, and stops it at the end; the password is in the environment, not in the arguments."""
    look = r"\! tr '\\0' ' ' < /proc/$PPID/cmdline; test -n \"$PGPASSWORD\" && echo set"

    assert commands.shell(settings, ["-X", "-c", look]) == 0

    assert capfd.readouterr().out.endswith("set\n")
    assert living(Cluster(settings.home).data) is None


def test_a_stopped_server_is_started_again_by_the_run_that_needs_it(place: Place) -> None:
    """`stop` ends a server that a run has started; the run notices and starts it again."""
    starter = place.starter()
    url = starter.ask("start")["url"]
    settings = EmbeddedSettings(place.home, binaries=place.installation.bin)

    assert commands.stop(settings) == 0

    assert starter.ask("restart") == {"restarted": True, "url": url}
