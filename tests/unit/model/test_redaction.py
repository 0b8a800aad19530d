"""Passwords out of messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.redaction import redacted

signs = st.characters(exclude_categories=["Z", "C"])
names = st.text(st.characters(exclude_categories=["Z", "C"], exclude_characters="/@:"))
passwords = st.text(st.sampled_from("/@:%") | signs, min_size=1)


@given(user=names, password=passwords)
def test_no_password_of_a_url_is_left(user: str, password: str) -> None:
    """Whatever a password is made of, encoded or not, the rest of the message is left and it is not."""
    message = f"lost postgresql://{user}:{password}@db.example:5432/events: closed"

    assert redacted(message) == "lost postgresql://***@db.example:5432/events: closed"


@given(token=names.filter(bool))
def test_no_token_of_a_url_is_left(token: str) -> None:
    """A user without a password may be a secret too."""
    assert redacted(f"GET https://{token}@api.example/v1") == "GET https://***@api.example/v1"


def test_every_url_of_a_message_is_redacted() -> None:
    """The second one as well."""
    assert redacted("from http://a:1@x to http://b:2@y") == "from http://***@x to http://***@y"


@pytest.mark.parametrize(
    "message", ["", "no answer from http://127.0.0.1:8080/health", "ask somebody@example.org", "http://[::1]:8080/a?b=c"]
)
def test_what_is_no_secret_stays(message: str) -> None:
    """Addresses without user information are what a person needs to see."""
    assert redacted(message) == message
