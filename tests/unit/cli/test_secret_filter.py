"""The secret filter removes a secret in every form, and nothing else."""

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netbird_streaming.cli.secret_filter import REDACTED, SHORTEST, SecretFilter

SECRETS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=SHORTEST, max_size=40)


@settings(max_examples=40)
@given(SECRETS, st.text(), st.text())
def test_value_is_removed_in_every_form(value: str, before: str, after: str) -> None:
    secrets = SecretFilter()
    secrets.add(value)
    forms = (value, json.dumps(value)[1:-1], quote(value, safe=""), base64.b64encode(value.encode()).decode())
    for form in forms:
        assert form not in secrets.clean(f"{before} {form} {after}").replace(REDACTED, "")


def test_each_line_of_a_value_is_removed() -> None:
    secrets = SecretFilter()
    secrets.add(b"first-line\nsecond-line\n")
    assert secrets.clean("x second-line y first-line") == f"x {REDACTED} y {REDACTED}"


def test_value_that_is_part_of_another_does_not_reveal_it() -> None:
    secrets = SecretFilter()
    secrets.add("abcdef", "abcdef-ghi")
    assert secrets.clean("abcdef-ghi") == REDACTED


@pytest.mark.parametrize(
    "text",
    [
        "nbp_0123456789abcdefghij0123456789abcdef",
        "Authorization: Bearer abcdefghij0123456789",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "AKIAIOSFODNN7EXAMPLE",
        "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nMHcCAQEE",
        "http://user:hunter2@proxy:3128",
    ],
)
def test_text_in_the_format_of_a_secret_is_removed(text: str) -> None:
    secrets = SecretFilter()
    assert secrets.contains(text)
    cleaned = secrets.clean(text)
    assert REDACTED in cleaned
    assert not any(part in cleaned for part in ("nbp_", "0123456789", "MHcCAQEE", "hunter2", "c2lnbmF0", "AKIA"))


@pytest.mark.parametrize(
    "text",
    [
        "Secret team-a/netbird, key token: does not exist",
        "https://api.netbird.io:443/api/integrations/event-streaming",
        "the token of connection default is valid; basic authentication is used",
        "7e0e1f2a-5b1c-4f0e-9c39-1d4c7b0f5a52",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert SecretFilter().clean(text) == text


def test_short_value_is_no_secret() -> None:
    secrets = SecretFilter()
    secrets.add("true", b"")
    assert secrets.clean("enabled: true") == "enabled: true"
