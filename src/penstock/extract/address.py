"""Where the API is, and the key that it takes."""

from __future__ import annotations

from dataclasses import dataclass, field

from yarl import URL

from penstock.model.errors import Misconfigured

PATH = "/api/v1"


class NoSuchApi(Misconfigured):
    """There is no such API at this address."""

    default_hint = "Check API_BASE_URL: the address of the host, or the same ending in /api/v1."


class UnusableKey(Misconfigured):
    """The key holds characters that cannot be sent in a header."""

    default_hint = "Check TARGET_API_KEY for a line break, as a file that it was read from may end with."


@dataclass(frozen=True, slots=True)
class Address:
    """Where the API is, and the key it takes. The key is never shown.

    Raises:
        NoSuchApi: `base_url` is no address of a host.
        UnusableKey: no API can take such a key.
    """

    base_url: str
    key: str = field(repr=False)

    def __post_init__(self) -> None:
        if not self.key.isprintable():
            raise UnusableKey
        try:
            scheme, host = self.events.scheme, (self.events.host or "").encode("idna")
        except ValueError as error:
            raise NoSuchApi(str(error)) from None
        if scheme not in ("http", "https") or not host:
            raise NoSuchApi(f"{scheme or 'nothing'}:// is no way to it" if host else "no host is named")

    @property
    def origin(self) -> URL:
        """The host."""
        return self.events.origin()

    @property
    def events(self) -> URL:
        """The list endpoint."""
        return self.at(f"{PATH}/events")

    def at(self, path: str) -> URL:
        """Any endpoint of the host, or of the folder on it, that the API is in."""
        return URL(self.base_url.rstrip("/").removesuffix(PATH) + path)
