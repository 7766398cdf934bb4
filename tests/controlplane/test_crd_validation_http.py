"""Errors of a user in the headers and the authentication of a generic HTTP destination."""

from collections.abc import Mapping
from typing import Any, Final

import pytest

from tests.harness.controlplane import ControlPlane
from tests.harness.manifests import ABSENT, Manifest, changed, integration, reference
from tests.harness.schema_errors import PASTED, apply, install_crds, refusals

HTTP: Final = changed(integration("generic_http"), {"genericHTTP.headers": ABSENT, "genericHTTP.auth": ABSENT})
SECRET: Final = {"secretKeyRef": reference("siem", "extra")}
HEADER: Final = "spec.genericHTTP.headers[0]"

HEADER_NAME: Final = (
    "Invalid value: must be only the name of a header (letters, digits and '-'), without colon and value"
)
SET_BY_HTTP: Final = (
    "Invalid value: must not be a header that HTTP itself sets (Host, Content-Length, Connection, ...); remove it"
)
FROM_SECRET: Final = (
    f"{HEADER}.value: Forbidden: must not be in plain text: put it into a Secret, and refer to that in"
    " valueFrom.secretKeyRef"
)
ONE_LINE: Final = (
    f"{HEADER}.value: Forbidden: must be one line of plain ASCII: remove the newline, control character or other"
    " character"
)
BLANK: Final = (
    f"{HEADER}.value: Forbidden: must not be empty, nor begin or end with a space; remove the space, or the header"
)
TWICE: Final = (
    "spec.genericHTTP.headers: Invalid value: must name each header only once; upper and lower case make no difference"
)
TWO_WAYS: Final = "spec.genericHTTP.auth: Forbidden: must have only one method: keep one of bearer, basic and header"
BESIDE_AUTH: Final = (
    "spec.genericHTTP.headers: Forbidden: must not hold Authorization, or the header of auth.header, beside auth:"
    " remove it or auth"
)

BEARER: Final = {"bearer": {"tokenSecretRef": reference("siem", "token")}}
BASIC: Final = {
    "basic": {"usernameSecretRef": reference("siem", "user"), "passwordSecretRef": reference("siem", "password")}
}


def own(name: str) -> Manifest:
    return {"header": {"name": name, "valueSecretRef": reference("siem", "token")}}


def with_headers(*headers: Manifest, auth: Any = ABSENT) -> Manifest:
    manifest = changed(HTTP, {"genericHTTP.headers": list(headers)})
    return manifest if auth is ABSENT else changed(manifest, {"genericHTTP.auth": auth})


CASES: Final[dict[str, tuple[Manifest, str]]] = {
    **{
        f"header name {name!r}": (
            with_headers({"name": name, "valueFrom": SECRET}),
            f"{HEADER}.name: {HEADER_NAME}",
        )
        for name in ("", "X Tenant", f"Authorization: Bearer {PASTED}", "X-Tenant:", "X-Ténant", "X-Tenant\n")
    },
    **{
        f"header {name!r}": (with_headers({"name": name, "valueFrom": SECRET}), f"{HEADER}.name: {SET_BY_HTTP}")
        for name in (
            "Host",
            "content-length",
            "Transfer-Encoding",
            "CONNECTION",
            "Upgrade",
            "TE",
            "Trailer",
            "Keep-Alive",
        )
    },
    **{
        f"{name!r} in plain": (with_headers({"name": name, "value": PASTED}), FROM_SECRET)
        for name in (
            "Authorization",
            "proxy-authorization",
            "Cookie",
            "X-Api-Key",
            "DD-API-KEY",
            "Api_Key",
            "X-Auth-Token",
            "X-Client-Secret",
            "X-Password",
            "X-License-Key",
            "X-Signature",
        )
    },
    "a credential under another name": (with_headers({"name": "X-Forward", "value": f"Bearer {PASTED}"}), FROM_SECRET),
    **{
        f"header value {value!r}": (with_headers({"name": "X-Tenant", "value": value}), sentence)
        for value, sentence in {
            f"{PASTED}\r\nX-Evil: 1": ONE_LINE,
            f"{PASTED}\n": ONE_LINE,
            f"{PASTED}\x00": ONE_LINE,
            f"{PASTED}é": ONE_LINE,
            "": BLANK,
            f" {PASTED}": BLANK,
            f"{PASTED} ": BLANK,
        }.items()
    },
    "header with two values": (
        with_headers({"name": "X-Tenant", "value": "a", "valueFrom": SECRET}),
        f"{HEADER}.valueFrom: Forbidden: must be removed, or value: a header has one value",
    ),
    "header with no value": (
        with_headers({"name": "X-Tenant"}),
        f"{HEADER}.value: Required value: set value, or valueFrom.secretKeyRef for a confidential value",
    ),
    "header twice": (with_headers({"name": "X-A", "value": "a"}, {"name": "X-A", "value": "b"}), TWICE),
    "header twice in other case": (
        with_headers({"name": "X-Tenant", "value": "a"}, {"name": "x-tenant", "valueFrom": SECRET}),
        TWICE,
    ),
    "auth without a way": (
        with_headers(auth={}),
        "spec.genericHTTP.auth: Required value: set one method: bearer, basic or header; or remove auth",
    ),
    "bearer and basic": (with_headers(auth=BEARER | BASIC), TWO_WAYS),
    "bearer and header": (with_headers(auth=BEARER | own("X-Key")), TWO_WAYS),
    "basic and header": (with_headers(auth=BASIC | own("X-Key")), TWO_WAYS),
    "bearer beside Authorization": (
        with_headers({"name": "authorization", "valueFrom": SECRET}, auth=BEARER),
        BESIDE_AUTH,
    ),
    "basic beside Authorization": (
        with_headers({"name": "Authorization", "valueFrom": SECRET}, auth=BASIC),
        BESIDE_AUTH,
    ),
    "own header beside Authorization": (
        with_headers({"name": "Authorization", "valueFrom": SECRET}, auth=own("X-Key")),
        BESIDE_AUTH,
    ),
    "own header beside itself": (with_headers({"name": "x-key", "valueFrom": SECRET}, auth=own("X-Key")), BESIDE_AUTH),
    "auth by a header of HTTP's own": (
        with_headers(auth=own("Host")),
        f"spec.genericHTTP.auth.header.name: {SET_BY_HTTP}",
    ),
    "auth by something that is no name": (
        with_headers(auth=own(f"X-Key: {PASTED}")),
        f"spec.genericHTTP.auth.header.name: {HEADER_NAME}",
    ),
}

ACCEPTED: Final = {
    "Authorization from a Secret": with_headers({"name": "Authorization", "valueFrom": SECRET}),
    "auth by Authorization with another scheme": with_headers(auth=own("Authorization")),
    "basic": with_headers(auth=BASIC),
    "plain headers": with_headers(
        {"name": "X-Author", "value": "a b"}, {"name": "Content-Type", "value": "text/plain"}
    ),
    "all that is allowed": changed(
        with_headers(*({"name": f"{number:03}{'x' * 125}", "value": "v" * 1024} for number in range(32))),
        {"genericHTTP.url": f"https://siem.example/{'u' * 2000}", "genericHTTP.bodyTemplate": "b" * 8192},
    ),
    "url from a Secret": changed(
        HTTP, {"genericHTTP.url": ABSENT, "genericHTTP.urlSecretRef": reference("siem", "url")}
    ),
    "url with port and query": changed(HTTP, {"genericHTTP.url": "https://[2001:db8::1]:8443/in?index=main&x=%20"}),
    "url with the last port": changed(HTTP, {"genericHTTP.url": "https://siem.example:65535"}),
    "url with a port in its path": changed(HTTP, {"genericHTTP.url": "https://siem.example/a:99999/[b]"}),
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
