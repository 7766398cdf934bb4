"""Errors of the owner of a connection, and the message of `kubectl apply`."""

from collections.abc import Mapping
from typing import Any, Final

import pytest

from tests.harness.controlplane import ControlPlane
from tests.harness.manifests import ABSENT, Manifest, changed, cluster_connection, connection, reference
from tests.harness.schema_errors import PASTED, apply, install_crds, refusals

NOT_CHECKED: Final = (
    "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the"
    " existing errors to complete validation"
)
TENANT: Final = "Invalid value: must be the id of a tenant: letters, digits, '-', '_' and '.'; not its name or domain"
NAMESPACES: Final = (
    "spec.access[0].namespaces: Invalid value: must be names of namespaces: lower-case letters, digits and '-'; no"
    " patterns, use namespaceSelector"
)
NO_NAMESPACES: Final = (
    "spec.access[0].namespaces: Required value: name the namespaces that may use the connection, or select them by"
    " namespaceSelector ({} is all)"
)
SCHEME: Final = "must begin with https:// (http:// only to loopback, unless the operator allows it)"
DURATION: Final = "must be a duration in whole hours, minutes and seconds, such as 5m, 90s or 1h30m"
INTERVAL: Final = "must be at least 1m and at most 24h"
WITHOUT_API: Final = "must be the server's address without /api, such as https://api.netbird.io"

URLS: Final = {
    f"ftp://{PASTED}.example": SCHEME,
    f"https://user:{PASTED}@netbird.example": "must not hold a user or a password; remove everything up to the @",
    f"https://netbird.example/#{PASTED}": "must not have a fragment; remove the # and the text after it",
    f"https://netbird.example/?account={PASTED}": "must not have a query; set a tenant in tenantID",
    f"https://netbird.example/{PASTED}\t": (
        "must not hold spaces, control characters or characters outside ASCII; encode them, such as %20"
    ),
    "https://api.netbird.io/api": WITHOUT_API,
    "https://api.netbird.io/api/": WITHOUT_API,
    "https://gw.corp.example/api/netbird/api": WITHOUT_API,
    "https://api.netbird.io/api/integrations/event-streaming": WITHOUT_API,
    "https://gw.corp.example/api/netbird/api/event-streaming/7": WITHOUT_API,
    "api.netbird.io": "must be a URL, such as https://host/path",
    PASTED: "must be a URL, such as https://host/path",
}
INTERVALS: Final = {
    "": DURATION,
    "5": DURATION,
    "five minutes": DURATION,
    "1.5h": DURATION,
    "-5m": DURATION,
    "1d": DURATION,
    "59s": INTERVAL,
    "0m": INTERVAL,
    "24h1s": INTERVAL,
}


def access(**entry: Any) -> Manifest:
    return cluster_connection(access=[entry])


def label(**requirement: Any) -> Manifest:
    return access(namespaceSelector={"matchExpressions": [{"key": "team", **requirement}]})


EXPRESSION: Final = "spec.access[0].namespaceSelector.matchExpressions[0]"
CASES: Final[dict[str, tuple[Manifest, str]]] = {
    "no token": (
        changed(connection(), {"tokenSecretRef": ABSENT}),
        f"[spec.tokenSecretRef: Required value, {NOT_CHECKED}]",
    ),
    **{f"url {url!r}": (connection(url=url), f"spec.url: Invalid value: {sentence}") for url, sentence in URLS.items()},
    "url of a cluster's": (
        cluster_connection(url=PASTED),
        "spec.url: Invalid value: must be a URL, such as https://host/path",
    ),
    **{
        f"interval {interval!r}": (
            connection(resyncInterval=interval),
            f"spec.resyncInterval: Invalid value: {sentence}",
        )
        for interval, sentence in INTERVALS.items()
    },
    "interval of a cluster's": (
        cluster_connection(resyncInterval="25h"),
        f"spec.resyncInterval: Invalid value: {INTERVAL}",
    ),
    "no requests": (
        connection(rateLimit={"requestsPerMinute": 0}),
        (
            "spec.rateLimit.requestsPerMinute: Invalid value: 0: spec.rateLimit.requestsPerMinute in body should be"
            " greater than or equal to 1"
        ),
    ),
    "too many requests": (
        connection(rateLimit={"requestsPerMinute": 60_001}),
        (
            "spec.rateLimit.requestsPerMinute: Invalid value: 60001: spec.rateLimit.requestsPerMinute in body should"
            " be less than or equal to 60000"
        ),
    ),
    "no burst": (
        cluster_connection(rateLimit={"burst": 0}),
        "spec.rateLimit.burst: Invalid value: 0: spec.rateLimit.burst in body should be greater than or equal to 1",
    ),
    "too large a burst": (
        connection(rateLimit={"burst": 100_001}),
        (
            "spec.rateLimit.burst: Invalid value: 100001: spec.rateLimit.burst in body should be less than or equal to"
            " 100000"
        ),
    ),
    "unknown token type": (
        connection(tokenType="PAT"),
        f'[spec.tokenType: Unsupported value: "PAT": supported values: "PersonalAccessToken", "OAuth2", {NOT_CHECKED}]',
    ),
    "token reference with a bad key": (
        connection(tokenSecretRef=reference("netbird", f"nbp_{PASTED}=")),
        (
            "spec.tokenSecretRef.key: Invalid value: must be the name of a key: letters, digits, '-', '_' and '.', at"
            " most 253; not its value"
        ),
    ),
    "authorities with a bad name": (
        connection(caBundleConfigMapRef=reference("CA", "ca.crt")),
        (
            "spec.caBundleConfigMapRef.name: Invalid value: must be the name of an object: lower-case letters, digits,"
            " '-' and '.', at most 253; not its contents"
        ),
    ),
    **{
        f"tenant {tenant!r}": (connection(tenantID=tenant), f"spec.tenantID: {TENANT}")
        for tenant in ("", "a b", "a&b=c")
    },
    "tenant that is too long": (
        connection(tenantID="t" * 129),
        f"[spec.tenantID: Too long: may not be more than 128 bytes, {NOT_CHECKED}]",
    ),
    "tenant of an entry": (access(namespaces=["a"], tenantID="tenant a"), f"spec.access[0].tenantID: {TENANT}"),
    "entry without namespaces": (access(tenantID="t1"), NO_NAMESPACES),
    "entry with an empty list": (access(namespaces=[]), NO_NAMESPACES),
    "namespaces and selector": (
        access(namespaces=["a"], namespaceSelector={}),
        (
            "spec.access[0].namespaceSelector: Forbidden: must be removed, or namespaces: an entry names namespaces or"
            " selects them; write two entries for both"
        ),
    ),
    **{
        f"namespace {name!r}": (access(namespaces=["a", name]), NAMESPACES)
        for name in ("", "*", "team-*", "Team", "a.b")
    },
    "In without values": (
        label(operator="In"),
        f"{EXPRESSION}.values: Required value: operators In and NotIn need at least one value",
    ),
    "Exists with values": (
        label(operator="Exists", values=["a"]),
        f"{EXPRESSION}.values: Forbidden: must be removed: operators Exists and DoesNotExist take no values",
    ),
    "bad key of an expression": (
        label(operator="Exists", key="a team"),
        f"{EXPRESSION}.key: Invalid value: must be the key of a label, such as team or example.com/team",
    ),
    "bad label": (
        access(namespaceSelector={"matchLabels": {"team": "a team"}}),
        (
            "spec.access[0].namespaceSelector.matchLabels: Invalid value: must be labels: keys such as"
            " example.com/team, values of at most 63 letters, digits, '-', '_' and '.'"
        ),
    ),
}
ACCEPTED: Final = {
    "a gateway's path with a segment api": connection(url="https://gw.corp.example/api/netbird"),
    "a deeper path with a segment api": connection(url="https://gw.corp.example/api/v1/netbird/"),
    "plain HTTP for destinations": connection(allowPlainHTTPDestinations=True),
    "loopback without TLS": connection(url="http://127.0.0.1:8080"),
    "without TLS, which the operator judges": connection(url="http://netbird.internal"),
    "a path before /api": connection(url="https://example.com/netbird/"),
    "a host that is called api": connection(url="https://api:8443"),
    "the shortest interval": connection(resyncInterval="60s"),
    "the longest interval": connection(resyncInterval="23h59m60s"),
    "a tenant, authorities and another type": connection(
        tenantID="ch8i4ug6lnn4g9hqv7m0", caBundleConfigMapRef=reference("company-ca", "ca.crt"), tokenType="OAuth2"
    ),
    "no access": cluster_connection(),
    "everybody": access(namespaceSelector={}),
    "as many entries as allowed": cluster_connection(
        access=[{"namespaces": [f"team-{entry}-{place}" for place in range(16)]} for entry in range(500)]
    ),
    "labels": access(
        namespaceSelector={
            "matchLabels": {"example.com/team": "a"},
            "matchExpressions": [{"key": "stage", "operator": "NotIn", "values": ["test"]}],
        },
        tenantID="t1",
        allowAdoption=True,
    ),
}


@pytest.fixture(scope="module")
def said(control_plane: ControlPlane) -> Mapping[str, str]:
    install_crds(control_plane)
    return refusals(control_plane, "default", {name: manifest for name, (manifest, _) in CASES.items()})


@pytest.mark.parametrize("case", CASES)
def test_mistake_is_refused_in_a_sentence(said: Mapping[str, str], case: str) -> None:
    assert said.get(case) == CASES[case][1]


@pytest.mark.parametrize("case", ACCEPTED)
def test_valid_variant_is_accepted(control_plane: ControlPlane, said: Mapping[str, str], case: str) -> None:
    apply(control_plane, "default", ACCEPTED[case])


def test_no_refusal_repeats_a_pasted_value(said: Mapping[str, str]) -> None:
    assert [case for case, sentence in said.items() if PASTED in sentence] == []
