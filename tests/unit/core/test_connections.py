"""Which way leads to which account, by digests that tell nothing of it."""

from dataclasses import replace
from typing import Any, Final

from netbird_streaming.core.connections import endpoint_digest, proof
from netbird_streaming.core.remote import Endpoint, PathFamily
from netbird_streaming.core.resources import NetBirdConnection, TokenType
from tests.support.cases import KEY

ENDPOINT: Final = Endpoint("https://api.netbird.io", "token-1", TokenType.PERSONAL_ACCESS_TOKEN)


def connection(uid: str = "uid-1", **spec: Any) -> NetBirdConnection:
    raw = {
        "metadata": {"name": "n", "uid": uid, "resourceVersion": "7", "creationTimestamp": "2026-05-01T10:00:00Z"},
        "spec": {"tokenSecretRef": {"name": "netbird", "key": "token"}, **spec},
    }
    return NetBirdConnection.model_validate(raw)


def test_another_url_token_or_tenant_may_be_another_account() -> None:
    others = (replace(ENDPOINT, url="https://b"), replace(ENDPOINT, token="2"), replace(ENDPOINT, tenant_id="t"))
    assert len({proof(each, KEY) for each in (ENDPOINT, *others)}) == 4


def test_how_it_is_asked_does_not_decide_which_account_answers() -> None:
    other = replace(ENDPOINT, ca_bundle="PEM", path_family=PathFamily.PLAIN)
    assert proof(other, KEY) == proof(ENDPOINT, KEY)


def test_another_connection_url_or_tenant_is_another_way() -> None:
    ways = [
        endpoint_digest(connection(), None, KEY),
        endpoint_digest(connection(), "t", KEY),
        endpoint_digest(connection(uid="uid-2"), None, KEY),
        endpoint_digest(connection(url="https://b.example"), None, KEY),
    ]
    assert len(set(ways)) == 4


def test_another_token_goes_the_same_way() -> None:
    other = connection(tokenSecretRef={"name": "rotated", "key": "token"})
    assert endpoint_digest(other, None, KEY) == endpoint_digest(connection(), None, KEY)


def test_a_digest_tells_nothing_of_what_it_was_made_of() -> None:
    for digest in (proof(ENDPOINT, KEY), endpoint_digest(connection(), "token-1", KEY)):
        assert "token-1" not in digest
        assert len(digest) == 32
