"""An API that gives pages: how a page is asked for, and what its answers mean."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from yarl import URL

from penstock.model.errors import Fatal, Misconfigured
from penstock.model.metrics import Counters
from penstock.ports.source import PositionLost
from penstock.stores.http.body import UnusableBody
from penstock.stores.http.client import Answer, Client, Request, UnusableAnswers
from penstock.stores.http.lane import Lane
from penstock.stores.http.page import Page, page
from penstock.stores.http.paging import Ask
from penstock.stores.http.settings import Auth, HttpSettings

SETTING = "`url` in [source]"
SHOWN_SECRETS = 8
"""A header's value of fewer characters is no secret: taking it out of what an API says would leave nothing to read."""

T = TypeVar("T")


class AccessDenied(Misconfigured):
    """The API does not accept who asks."""

    default_hint = "Check `auth` and `headers` in [source]."


class NotThere(Misconfigured):
    """The API has nothing at this address."""

    default_hint = f"Check {SETTING}."


class ElsewhereNow(Misconfigured):
    """The API sends us to another address."""

    default_hint = f"If that is right, make it {SETTING}: the key is not sent to where an answer points."


class ApiRefuses(Fatal):
    """The API refuses the request."""

    default_hint = "Check the parameters of `url`, and those of the paging and of `time` in [source]."


class PageRefused(PositionLost):
    """The API no longer gives the page that comes next."""

    default_hint = f"Its cursor may have expired. {PositionLost.default_hint}"


@dataclass(frozen=True, slots=True)
class Api:
    """The listing of an API, one page at a time."""

    settings: HttpSettings
    client: Client
    lane: Lane = field(default_factory=Lane)

    @classmethod
    @asynccontextmanager
    async def connected(cls, settings: HttpSettings, counters: Counters) -> AsyncIterator[Api]:
        """A keep-alive connection to the API."""
        headers = {"Accept": "application/json", **settings.headers, **_authorization(settings.auth)}
        async with Client.connected(URL(settings.url).origin(), counters, 1, headers, SETTING) as client:
            client.secrets.update(value for value in settings.headers.values() if len(value) >= SHOWN_SECRETS)
            client.secrets.update(settings.auth.secrets if settings.auth else ())
            yield cls(settings, client)

    async def page(self, ask: Ask, parameters: Mapping[str, str], read: Callable[[Page], T], *, first: bool) -> T:
        """What `read` makes of a page; it may raise `UnusableBody` to have the page asked for again.

        Raises:
            AccessDenied, NotThere, ElsewhereNow, ApiRefuses: trying again would not help.
            PageRefused: it was not the `first` page, and was asked for twice.
            Failing, NotReached, Untrusted, UnusableAnswers: as `Client.send`.
        """
        request = Request(self.target(ask, parameters))

        async def make() -> Request:
            return request

        def answered(answer: Answer) -> T:
            if answer.status not in (200, 203, 204):
                raise self._refusal(answer, first=first)
            made = read(page(answer, self.settings.rows))
            self.client.counters.add("pages_received_total")
            return made

        what = "for the first page" if first else f"for the page at {shown(ask)}"
        try:
            return await self.client.send(self.lane, make, answered, what)
        except PageRefused:
            return await self.client.send(self.lane, make, answered, what)
        except UnusableAnswers as error:
            if first:
                error.hint = "Check `rows`, `total` and the paging in [source] against what the API answers."
            raise

    def target(self, ask: Ask, parameters: Mapping[str, str]) -> URL:
        """The address of a page, with the key where that is a parameter."""
        auth = self.settings.auth
        key = {auth.query: auth.value} if auth and auth.query else {}
        if not ask.url:
            return URL(self.settings.url).update_query({**parameters, **ask.query, **key})
        target = self._resolved(ask.url)
        return target.update_query(key) if key else target

    def kept(self, ask: Ask) -> Ask:
        """What is kept of an address that the API gave: nothing of our key.

        Raises:
            UnusableBody: it leads to another host, to which no key of ours goes, or nowhere.
        """
        if not ask.url:
            return ask
        target, auth = self._resolved(ask.url), self.settings.auth
        return Ask(url=str(target.without_query_params(auth.query) if auth and auth.query in target.query else target))

    def _resolved(self, address: str) -> URL:
        """An address that the API gave, over our scheme: behind a proxy, APIs often believe that they are spoken to without TLS."""
        ours = URL(self.settings.url)
        try:
            target = ours.join(URL(address, encoded=True))
            if (target.host, target.explicit_port) != (ours.host, ours.explicit_port):
                raise UnusableBody(f"the next page is said to be at {target.origin()}, which is not the API's host")
            return target.with_scheme(ours.scheme)
        except ValueError:
            raise UnusableBody("the address of the next page is none") from None

    def _refusal(self, answer: Answer, *, first: bool) -> Exception:
        """The error for an answer that is no page."""
        said = f"HTTP {answer.status} {self.client.said(answer)}".strip()
        if answer.status in (401, 403):
            return AccessDenied(said)
        if 300 <= answer.status < 400:
            return ElsewhereNow(f"HTTP {answer.status}, to {_shown_address(answer.headers.get('Location', ''))}")
        if not first and answer.status in (400, 404, 410, 422):
            return PageRefused(said)
        return NotThere(said) if answer.status in (404, 405) else ApiRefuses(said)


def shown(ask: Ask) -> str:
    """A page for people; of an address only its path, because of what may stand in its parameters."""
    if ask.url:
        return URL(ask.url, encoded=True).path
    return ", ".join(f"{name}={value[:40]}" for name, value in ask.query.items()) or "the beginning"


def _authorization(auth: Auth | None) -> dict[str, str]:
    if auth is None or auth.query:
        return {}
    if auth.header:
        return {auth.header: auth.value}
    if auth.bearer:
        return {"Authorization": f"Bearer {auth.bearer}"}
    return {"Authorization": f"Basic {base64.b64encode(f'{auth.user}:{auth.password}'.encode()).decode()}"}


def _shown_address(location: str) -> str:
    return location.partition("?")[0][:200] or "nowhere"
