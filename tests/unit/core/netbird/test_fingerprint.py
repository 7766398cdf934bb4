"""The stability of digests between versions: a change would send everything to NetBird again."""

import json
from typing import Final

import pytest

from netbird_streaming.api.types import NetBirdConnection, TokenType
from netbird_streaming.core.netbird import compare
from netbird_streaming.core.netbird.endpoints import credential_digest, endpoint_digest
from netbird_streaming.core.netbird.fingerprint import FingerprintKey
from netbird_streaming.core.netbird.types import Endpoint, Integration
from tests.harness.cases import KEY, URL, integration, payload_of

CONFIG: Final = {"url": URL, "headers": json.dumps({"X-Key": "one", "X-Team": "a"}), "body_template": ""}
SHOWN: Final = Integration(id=1, platform="generic_http", config={**CONFIG, "url": "https://other.example"})


def connection() -> NetBirdConnection:
    raw = {
        "metadata": {"name": "n", "uid": "u", "resourceVersion": "7", "creationTimestamp": "2026-05-01T10:00:00Z"},
        "spec": {"url": "https://api.netbird.io", "tokenSecretRef": {"name": "netbird", "key": "token"}},
    }
    return NetBirdConnection.model_validate(raw)


def test_digests_of_an_earlier_version_are_known() -> None:
    assert FingerprintKey(bytes(range(32))).id == "75298059"
    assert KEY.digest("one", "other") == "763002964ea1a7866d71133f0eaca978"
    assert payload_of(integration()).fingerprint == "4d264497e89a93f88db5a2983213e127"
    assert compare.signature("generic_http", CONFIG, KEY)["headers"] == "5a67fb0713e8b6ad536207a8e4eb8586"
    assert compare.differences("generic_http", CONFIG, SHOWN, KEY) == {"url": "37b322a4c41efe04fdaf777cbca2cc09"}


@pytest.mark.parametrize(
    ("tenant_id", "account", "way"),
    [
        ("tenant", "6f9d1ab9b02390447fb3ca5cab0cc7c0", "56091f30a1525bbdd3820f12f80e821f"),
        (None, "7154565c3ac6fbce60a4e39244a99abd", "2402f4cac2853a7eb57cb4a9dcec1ea9"),
    ],
)
def test_endpoint_digests_of_an_earlier_version_are_known(tenant_id: str | None, account: str, way: str) -> None:
    token = Endpoint("https://api.netbird.io", "token", TokenType.OAUTH2, tenant_id)
    assert credential_digest(token, connection(), KEY) == account
    assert endpoint_digest(connection(), tenant_id, KEY) == way


def test_boundaries_between_parts_count() -> None:
    assert len({KEY.digest("ab", "c"), KEY.digest("a", "bc"), KEY.digest("abc"), KEY.digest("abc", "")}) == 4


@pytest.mark.parametrize("length", [0, 31, 33])
def test_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match=f"a fingerprint key has 32 bytes, not {length}"):
        FingerprintKey(bytes(length))


def test_equal_secrets_of_two_objects_give_different_digests_of_one_key() -> None:
    first, second = KEY.of("uid-1"), KEY.of("uid-2")
    assert len({key.digest("secret") for key in (KEY, first, second)}) == 3
    assert first.digest("secret") == KEY.of("uid-1").digest("secret")
    assert first.id == second.id == KEY.id
