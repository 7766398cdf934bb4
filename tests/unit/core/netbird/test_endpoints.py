"""The account behind an endpoint, by digests that reveal nothing."""

from dataclasses import replace
from typing import Any, Final

import pytest

from netbird_streaming.api.types import ClusterNetBirdConnection, NetBirdConnection, TokenType
from netbird_streaming.core.netbird.endpoints import authority_of, credential_digest, endpoint_digest, policy_fault
from netbird_streaming.core.netbird.types import Endpoint, PathFamily
from tests.harness.cases import KEY

ENDPOINT: Final = Endpoint("https://api.netbird.io", "token-1", TokenType.PERSONAL_ACCESS_TOKEN)


def connection(uid: str = "uid-1", namespace: str | None = None, **spec: Any) -> NetBirdConnection:
    raw = {
        "metadata": {
            "name": "n",
            "namespace": namespace,
            "uid": uid,
            "resourceVersion": "7",
            "creationTimestamp": "2026-05-01T10:00:00Z",
        },
        "spec": {"tokenSecretRef": {"name": "netbird", "key": "token"}, **spec},
    }
    return NetBirdConnection.model_validate(raw)


def test_another_url_token_or_tenant_may_be_another_account() -> None:
    others = (replace(ENDPOINT, url="https://b"), replace(ENDPOINT, token="2"), replace(ENDPOINT, tenant_id="t"))
    assert len({credential_digest(each, connection(), KEY) for each in (ENDPOINT, *others)}) == 4


def test_client_settings_do_not_change_the_account() -> None:
    other = replace(ENDPOINT, ca_bundle="PEM", path_family=PathFamily.PLAIN)
    assert credential_digest(other, connection(), KEY) == credential_digest(ENDPOINT, connection(), KEY)


def test_another_connection_url_or_tenant_is_another_target() -> None:
    ways = [
        endpoint_digest(connection(), None, KEY),
        endpoint_digest(connection(), "t", KEY),
        endpoint_digest(connection(uid="uid-2"), None, KEY),
        endpoint_digest(connection(url="https://b.example"), None, KEY),
    ]
    assert len(set(ways)) == 4


def test_another_token_is_the_same_target() -> None:
    other = connection(tokenSecretRef={"name": "rotated", "key": "token"})
    assert endpoint_digest(other, None, KEY) == endpoint_digest(connection(), None, KEY)


def test_digest_reveals_nothing_of_its_input() -> None:
    for digest in (credential_digest(ENDPOINT, connection(), KEY), endpoint_digest(connection(), "token-1", KEY)):
        assert "token-1" not in digest
        assert len(digest) == 32


def test_authority_is_the_url_and_the_controller_of_trust() -> None:
    ref = {"name": "ca", "key": "ca.crt"}
    cluster = ClusterNetBirdConnection.model_validate(connection().model_dump(by_alias=True))
    trusting = ClusterNetBirdConnection.model_validate(connection(caBundleConfigMapRef=ref).model_dump(by_alias=True))
    own = connection(namespace="team-a", caBundleConfigMapRef=ref)
    administrators = {authority_of(each) for each in (cluster, trusting, connection(namespace="team-a"))}
    assert len(administrators) == 1
    others = (own, connection(namespace="team-b", caBundleConfigMapRef=ref), connection(url="https://b.example"))
    assert len(administrators | {authority_of(each) for each in others}) == 4


@pytest.mark.parametrize(
    "url",
    [
        "https://API.netbird.io",
        "HTTPS://api.netbird.io:443",
        "https://api.netbird.io:0443",
        "https://api.netbird.io/",
        "https://api.netbird.io.",
        "https://api.netbird.io.:443//",
    ],
)
def test_another_form_of_a_url_and_another_certificate_are_the_same_authority(url: str) -> None:
    first = connection(namespace="team-a", caBundleConfigMapRef={"name": "ca", "key": "2026"})
    rotated = connection(namespace="team-a", url=url, caBundleConfigMapRef={"name": "other", "key": "2027"})
    assert authority_of(rotated) == authority_of(first)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://api.netbird.io", "http://api.netbird.io"),
        ("https://api.netbird.io", "https://api.netbird.io:8443"),
        ("https://api.netbird.io", "https://api%2Enetbird.io"),
        ("https://api.netbird.io", "https://%61pi.netbird.io"),
        ("https://api.netbird.io", "https://api.netbird.io.."),
        ("https://gateway.example/netbird", "https://gateway.example/team-a"),
        ("https://gateway.example/netbird", "https://gateway.example/%6Eetbird"),
        ("https://gateway.example/netbird", "https://gateway.example/team-a/../netbird"),
        ("https://gateway.example/a/b", "https://gateway.example/a%2Fb"),
        ("https://gateway.example/a", "https://gateway.example/A"),
        ("https://[fd00::1]:8443", "https://[fd00::1:8443]"),
        ("https://192.0.2.1", "https://192.0.2.10"),
    ],
)
def test_urls_of_two_servers_are_two_authorities(one: str, other: str) -> None:
    assert authority_of(connection(url=one)) != authority_of(connection(url=other))
    fault = policy_fault(connection(namespace="team-a", url=other), allowed_urls=(one,), namespaced=True)
    assert fault is not None


@pytest.mark.parametrize(
    ("url", "allowed", "accepted"),
    [
        ("https://api.netbird.io", (), True),
        ("https://api.netbird.io", ("https://API.netbird.io:443/",), True),
        ("https://evil.example", ("https://api.netbird.io", "https://nb.example"), False),
        ("https://api.netbird.io.evil.example", ("https://api.netbird.io",), False),
        ("https://api.netbird.io@evil.example", ("https://api.netbird.io",), False),
    ],
)
def test_administrator_lists_the_urls_that_namespaces_may_use(
    url: str,
    allowed: tuple[str, ...],
    accepted: bool,  # noqa: FBT001 # pytest passes it
) -> None:
    fault = policy_fault(connection(namespace="team-a", url=url), allowed_urls=allowed, namespaced=True)
    assert (fault is None) is accepted
    assert fault is None or allowed[0] in fault
    cluster = ClusterNetBirdConnection.model_validate(connection(url=url).model_dump(by_alias=True))
    assert policy_fault(cluster, allowed_urls=allowed, namespaced=True) is None


def test_administrator_disables_connections_of_namespaces() -> None:
    fault = policy_fault(connection(namespace="team-a"), allowed_urls=(), namespaced=False)
    assert "ClusterNetBirdConnection" in (fault or "")
    cluster = ClusterNetBirdConnection.model_validate(connection().model_dump(by_alias=True))
    assert policy_fault(cluster, allowed_urls=(), namespaced=False) is None
