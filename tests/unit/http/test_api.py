"""How an API is asked, and what its refusals mean: one clear error each, without secrets."""

from __future__ import annotations

import base64
import logging
import traceback
from dataclasses import replace
from pathlib import Path

import pytest

from penstock.model.errors import PenstockError
from penstock.model.metrics import Counters
from penstock.ports.ends import Surroundings
from penstock.simulate.shop.serve import running
from penstock.simulate.shop.settings import ShopSettings
from penstock.stores.http import SOURCE
from penstock.stores.http.api import AccessDenied, Api, ApiRefuses, ElsewhereNow, NotThere
from penstock.stores.http.body import UnusableBody
from penstock.stores.http.client import NotReached, UnusableAnswers
from penstock.stores.http.paging import Ask
from penstock.stores.http.settings import Auth, CursorPaging, HttpSettings
from penstock.stores.memory import MemoryCheckpoints
from tests.unit.extract.answering import Answer

from .reading import answering, at, of, read, told

SECRET = "top-secret-0815"


@pytest.mark.parametrize(
    ("auth", "name", "value"),
    [
        (Auth(bearer=SECRET), "Authorization", f"Bearer {SECRET}"),
        (Auth(header="X-Key", value=SECRET), "X-Key", SECRET),
        (Auth(user="me", password=SECRET), "Authorization", "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()),
    ],
)
async def test_who_asks(auth: Auth, name: str, value: str) -> None:
    """Each way to show who asks is a header; further headers go along."""
    async with answering([told(1)], auth=auth, headers={"X-Team": "blue"}) as (server, settings):
        await read(settings)

    assert {(request.headers[name], request.headers["X-Team"]) for request in server.requests} == {(value, "blue")}
    assert not any(SECRET in str(request.url) for request in server.requests)


async def test_the_parameters_of_the_address_stay() -> None:
    """What stands in the address is sent with every page; what the paging sends takes the place of the same name."""
    pages = [told(1, next="a b&c"), told(1, next="a b&c"), told(2)]
    async with answering(pages, cursor=CursorPaging("next", "cursor")) as (server, settings):
        await read(at(settings, "/rows?limit=5&cursor=none"))

    assert [dict(request.query) for request in server.requests] == [
        {"limit": "5", "cursor": "none"},
        {"limit": "5", "cursor": "none"},
        {"limit": "5", "cursor": "a b&c"},
    ]


@pytest.mark.parametrize(
    ("answer", "error", "exit_code"),
    [
        (Answer(401, f"the key {SECRET} is wrong".encode()), AccessDenied, 2),
        (Answer(403, SECRET.encode()), AccessDenied, 2),
        (Answer(404, b"no"), NotThere, 2),
        (Answer(405, b"no"), NotThere, 2),
        (Answer(302, headers={"Location": f"https://login.example/?key={SECRET}"}), ElsewhereNow, 2),
        (Answer(308, headers={}), ElsewhereNow, 2),
        (Answer(400, f"there is no parameter {SECRET}".encode()), ApiRefuses, 1),
        (Answer(422, b"no"), ApiRefuses, 1),
        (Answer(200, b"<html>log in</html>", {"Content-Type": "text/html"}), UnusableAnswers, 1),
        (Answer(200, b'{"items": []}'), UnusableAnswers, 1),
    ],
)
async def test_refused(answer: Answer, error: type[PenstockError], exit_code: int, caplog: pytest.LogCaptureFixture) -> None:
    """Every refusal of the first page has its error, its exit code and a hint, and shows no secret."""
    caplog.set_level(logging.DEBUG)
    async with answering([answer], auth=Auth(bearer=SECRET), headers={"X-Other": SECRET}) as (_, settings):
        with pytest.raises(error) as caught:
            await read(settings)

    assert caught.value.exit_code == exit_code
    assert caught.value.hint
    assert SECRET not in "".join(traceback.format_exception(caught.value)) + caplog.text


async def test_settings_that_do_not_describe_the_page() -> None:
    """Where the first page is not what the settings say, the error has what there is, and names the settings."""
    async with answering([told(1)], rows="items") as (_, settings):
        with pytest.raises(UnusableAnswers) as caught:
            await read(settings)

    assert caught.value.detail == "there is nothing at `items`; there are data; 5 times, for the first page"
    assert "`rows`" in caught.value.hint


async def test_a_wrong_key() -> None:
    """The shop quotes the key that it does not take; we do not."""
    async with running(ShopSettings(orders=3)) as server:
        with pytest.raises(AccessDenied) as caught:
            await read(replace(of(server, "page"), auth=Auth(bearer=SECRET)))

    assert SECRET not in str(caught.value)


async def test_a_wrong_host() -> None:
    """Where nobody answers, the error says what to check."""
    with pytest.raises(NotReached) as caught:
        await read(HttpSettings(url="http://127.0.0.1:9/rows"))

    assert caught.value.exit_code == 75
    assert "`url` in [source]" in caught.value.hint


@pytest.mark.parametrize("address", ["https://elsewhere.example/rows?page=2", "http://127.0.0.1:1/rows", "http://[bad/rows"])
async def test_a_next_page_elsewhere(address: str) -> None:
    """To another host no key goes: such a next page is not asked for."""
    async with answering([told(1, next=address)], cursor=CursorPaging("next"), auth=Auth(bearer=SECRET)) as (server, settings):
        with pytest.raises(UnusableAnswers, match="next page"):
            await read(settings)

    assert {request.path for request in server.requests} == {"/rows"}


async def test_our_scheme_stays() -> None:
    """An API behind a proxy that writes http:// into its addresses is still asked over https://."""
    settings = HttpSettings(url="https://api.example/v1/rows?limit=5")
    async with Api.connected(settings, Counters.zero()) as api:
        targets = [str(api.target(Ask(url), {"since": "x"})) for url in ("http://api.example/v1/rows?page=2", "?page=2", "/v2/rows")]
        with pytest.raises(UnusableBody):
            api.target(Ask("http://api.example:8080/v1/rows"), {})

    assert targets == ["https://api.example/v1/rows?page=2", "https://api.example/v1/rows?page=2", "https://api.example/v2/rows"]


async def test_the_kind(tmp_path: Path) -> None:
    """A pipeline file finds the source by its type; opening it looks at the first page and moves nothing."""
    around = Surroundings("orders", tmp_path, MemoryCheckpoints(), Counters.zero())
    async with answering([told(1)]) as (server, settings):
        async with SOURCE.open(settings, around) as source:
            assert source.schema.names == ["id"]

        assert len(server.requests) == 1
        assert SOURCE.identity(settings, around) == settings.identity
