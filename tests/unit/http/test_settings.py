"""What can be said of an API, and what contradicts itself."""

from __future__ import annotations

import pytest

from penstock.engine.configuration import checked
from penstock.stores.http.settings import Auth, CursorPaging, HttpSettings, TimeFilter, UnfitSettings

URL = "https://api.example/rows?key=0815-secret"


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "api.example/rows"},
        {"url": "ftp://api.example/rows"},
        {"url": "https://"},
        {"url": "https://[::1/rows"},
        {"url": "https://api.example:port/rows"},
        {"url": "https://user:secret@api.example/rows"},
        {"link": True, "page": {}},
        {"more": "more"},
        {"link": True, "more": "more", "done": "done"},
        {"again": True, "time": {"column": "at", "since": "since"}},
        {"headers": {"X-Key": "a\nb"}},
        {"auth": {}},
        {"auth": {"bearer": "a", "user": "b"}},
        {"auth": {"header": "X-Key"}},
        {"auth": {"bearer": "a", "value": "b"}},
        {"auth": {"bearer": "a", "password": "b"}},
        {"auth": {"bearer": "a\n"}},
        {"time": {"column": "at", "since": "since", "start": "soon"}},
        {"time": {"column": "at", "since": "since", "lag_s": -1}},
        {"time": {"column": "at", "since": "since", "format": "unix"}},
    ],
)
def test_faults(settings: dict[str, object]) -> None:
    """What does not fit together is told before anything is asked, and without secrets."""
    wrong = checked(HttpSettings, {"url": URL} | settings)

    assert isinstance(wrong, list)
    assert len(wrong) == 1
    assert "secret" not in wrong[0].message.replace("a secret holds", "")


def test_a_fault_in_python() -> None:
    """In Python, too, a fault is an error of ours, with what to do."""
    with pytest.raises(UnfitSettings) as caught:
        HttpSettings(url="nowhere")

    assert caught.value.exit_code == 2
    assert "http.md" in caught.value.hint


def test_nothing_secret_is_shown() -> None:
    """Neither the settings as text nor their identity show a key, also where it is part of the address."""
    auth = Auth(query="key", value="hush-hush")
    settings = HttpSettings(url="https://api.example/rows?token=4711", headers={"X-Key": "psst-psst"}, auth=auth)

    assert not any(secret in f"{settings.auth} {settings.identity}" for secret in ("hush-hush", "4711", "psst-psst"))
    assert "psst-psst" not in repr(settings)
    assert auth.secrets == {"hush-hush"}


def test_an_identity_tells_sources_apart() -> None:
    """Other rows have another identity; other credentials and types have not."""
    one = HttpSettings(url="https://api.example/rows?status=any", cursor=CursorPaging("next"))
    others = [
        HttpSettings(url="https://api.example/rows?status=void", cursor=CursorPaging("next")),
        HttpSettings(url="https://api.example/rows?status=any", cursor=CursorPaging("next"), rows="data"),
        HttpSettings(url="https://api.example/rows?status=any", link=True),
        HttpSettings(url="https://api.example/rows?status=any", cursor=CursorPaging("next"), time=TimeFilter("at", "since")),
    ]
    same = HttpSettings(url=one.url, cursor=one.cursor, auth=Auth(bearer="another"), columns={"id": "string"})

    assert one.identity not in {other.identity for other in others}
    assert same.identity == one.identity
    assert one.identity.startswith("https://api.example/rows (")
