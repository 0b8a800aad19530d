"""What an extraction can be told, and which of it contradicts itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from penstock.engine import configuration
from penstock.extract.settings import ExtractSettings, IncompleteApi, InventedIntoReal, NoRepository, TwoSources, identity
from penstock.model.errors import Misconfigured
from penstock.reliability.climb import ClimbSettings

KEY = "top-secret-0815"
REAL = ExtractSettings(api_base_url="https://api.example", target_api_key=KEY)


@pytest.mark.parametrize(
    ("given", "missing"),
    [(ExtractSettings(api_base_url="https://api.example"), "TARGET_API_KEY"), (ExtractSettings(target_api_key=KEY), "API_BASE_URL")],
)
def test_half_an_api(given: ExtractSettings, missing: str) -> None:
    """An address without a key, or a key without an address, is an error that names what is missing, whatever else is said."""
    for simulate in (True, False):
        with pytest.raises(IncompleteApi, match=f"{missing} is missing") as caught:
            given.check(simulate=simulate)

        assert (caught.value.exit_code, bool(caught.value.hint), KEY in str(caught.value)) == (2, True, False)


def test_invented_into_real() -> None:
    """Invented events go into a database that was named only when that is said."""
    settings = ExtractSettings(database_url="postgresql://real")

    with pytest.raises(InventedIntoReal) as caught:
        settings.check(simulate=False)
    settings.check(simulate=True)

    assert (caught.value.exit_code, "--simulate" in caught.value.hint) == (2, True)


def test_two_sources() -> None:
    """A real API and the simulated one are one too many."""
    with pytest.raises(TwoSources) as caught:
        REAL.check(simulate=True)
    REAL.check(simulate=False)

    assert caught.value.exit_code == 2


@pytest.mark.parametrize("url", [None, "", "example.org/repository"])
def test_no_repository(url: str | None) -> None:
    """What is to be submitted needs the address of a repository; what is not, does not."""
    settings = replace(REAL, auto_submit=True, repository_url=url)

    with pytest.raises(NoRepository) as caught:
        settings.check(simulate=False)
    replace(settings, auto_submit=False).check(simulate=False)
    replace(settings, repository_url="https://example.org/repository").check(simulate=False)

    assert caught.value.exit_code == 2


def test_nothing_given() -> None:
    """Without any settings the simulated API goes into the embedded database; saying so is allowed."""
    settings = ExtractSettings()

    settings.check(simulate=False)
    settings.check(simulate=True)

    assert (settings.real_api, REAL.real_api) == (False, True)
    assert (settings.partition_count, settings.batch_size, settings.pg_sync_commit) == (8, 5_000, "off")


@pytest.mark.parametrize(
    ("given", "base_url"),
    [
        ("https://api.example", "https://api.example"),
        ("http://127.0.0.1:8000/api/v1", "http://127.0.0.1:8000/api/v1"),
        ("api.example", "https://api.example"),
        ("api.example:8443/api/v1", "https://api.example:8443/api/v1"),
    ],
)
def test_forms_of_the_address(given: str, base_url: str) -> None:
    """A host alone is taken to speak HTTPS; what names its scheme is left as it is."""
    assert ExtractSettings(api_base_url=given, target_api_key=KEY).base_url == base_url


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", "5001"),
        ("batch_size", "0"),
        ("partition_count", "0"),
        ("pg_sync_commit", "local"),
        ("max_refused_percent", "101"),
        ("events", "0"),
    ],
)
def test_out_of_bounds(name: str, value: str) -> None:
    """A value out of its bounds, such as a batch of more than the API serves, is a mistake of usage."""
    with pytest.raises(Misconfigured, match=name.replace("_", "-")) as caught:
        configuration.settings(ExtractSettings, {name: configuration.Given(value, f"--{name.replace('_', '-')}")})

    assert caught.value.exit_code == 2


def test_secrets_are_not_shown() -> None:
    """Neither the key nor the URL of the database, which holds a password, stands in the representation."""
    settings = ExtractSettings(api_base_url="https://api.example", target_api_key=KEY, database_url="postgresql://me:hush@real")

    assert (KEY in repr(settings), "hush" in repr(settings)) == (False, False)


def test_identity() -> None:
    """The source is its host and a fingerprint of the key: another port or scheme is the same source, another host or key is not."""
    here = identity("https://api.example", KEY)

    assert {identity(url, KEY) for url in ("http://api.example:8000/api/v1", "https://API.example/", "https://me:pw@api.example")} == {here}
    assert len({here, identity("https://api.example", "other"), identity("https://other.example", KEY)}) == 3
    assert here.startswith("api.example ")
    assert (KEY in here, "pw" in here) == (False, False)


def test_identity_of_something_odd() -> None:
    """What names no host is its own name."""
    assert identity("odd", KEY).startswith("odd ")


@pytest.mark.parametrize(
    ("given", "workers", "in_flight"),
    [
        (ExtractSettings(), 40, ClimbSettings(start=8, most=40)),
        (ExtractSettings(partition_count=100, max_workers=10), 10, ClimbSettings(start=10, most=10)),
        (ExtractSettings(partition_count=20, fixed=True), 20, ClimbSettings.pinned(20)),
    ],
)
def test_requests_at_once_climb_unless_they_are_fixed(given: ExtractSettings, workers: int, in_flight: ClimbSettings) -> None:
    """It begins at PARTITION_COUNT and goes up to MAX_WORKERS; --fixed stays at PARTITION_COUNT."""
    assert (given.workers, given.in_flight) == (workers, in_flight)
