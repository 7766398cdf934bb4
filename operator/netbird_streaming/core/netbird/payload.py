"""From a spec and the Secrets that it references to the request that NetBird is sent.

The configuration keys are those that NetBird's dashboard sends (`netbirdio/dashboard`,
`src/modules/integrations/event-streaming`); the published OpenAPI document's example names others for S3.
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from netbird_streaming.api.status import MAX_PUBLIC
from netbird_streaming.api.types import (
    S3,
    Auth,
    Datadog,
    Firehose,
    GenericHTTP,
    IntegrationSpec,
    KeyReference,
    Platform,
)
from netbird_streaming.core.netbird import compare
from netbird_streaming.core.netbird.fingerprint import FingerprintKey
from netbird_streaming.core.netbird.types import IntegrationRequest
from netbird_streaming.errors import EditError, WaitError
from netbird_streaming.reasons import Reason

SecretData = Mapping[str, bytes]
MAX_URL: Final = 2048
MAX_VALUE: Final = 8 * 1024
"""Bytes of a Secret's value: the longest tokens have half of that, and servers refuse longer headers."""
MAX_CONFIGURATION: Final = 64 * 1024
"""Bytes of all values of a resource, with those of its Secrets: more than anything that has a use."""
_TOO_MUCH: Final = f"have more than {MAX_CONFIGURATION // 1024} KiB together; shorten them"
_CONTROL: Final = re.compile(rb"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Payload:
    """What NetBird should hold: the whole request, and what may be said of it.

    `fingerprint` changes with any value, `signature` with those that tell integrations apart. The request holds
    secrets: it has no repr of its own to leak them.
    """

    spec: IntegrationSpec = field(repr=False)
    request: IntegrationRequest
    fingerprint: str
    signature: Mapping[str, str]
    key_id: str

    @property
    def public(self) -> Mapping[str, str]:
        """What of the configuration is fit for a status; asked for only where something is written."""
        return _public(self.spec, self.request.config)


def secret_names(spec: IntegrationSpec) -> frozenset[str]:
    """The Secrets of the resource's namespace that the chosen platform's block references."""
    return frozenset(secret_keys(spec))


def secret_keys(spec: IntegrationSpec) -> Mapping[str, frozenset[str]]:
    """Return the keys that the chosen platform's block references, by the name of their Secret."""
    block = _block(spec)
    keys: dict[str, set[str]] = {}
    for ref in _references(block) if block is not None else ():
        keys.setdefault(ref.name, set()).add(ref.key)
    return {name: frozenset(keys[name]) for name in sorted(keys)}


def referenced(data: SecretData, keys: frozenset[str]) -> SecretData:
    """Return what of a Secret's data is needed: no other key, and of a value that is too long only enough to see it."""
    return {key: data[key][: MAX_VALUE + 1] for key in keys if key in data}


def resolve(spec: IntegrationSpec, secrets: Mapping[str, SecretData | None], key: FingerprintKey) -> Payload:
    """The payload for `spec`; `secrets` holds each of `secret_names`, None where it does not exist.

    Raises WaitError when a Secret or a key is missing or its value is unusable, EditError when the spec is (which the
    CRD's schema refuses, except for objects older than it).
    """
    block = _block(spec)
    if block is None:
        msg = f"spec: the block of platform {spec.platform} is missing; add it"
        raise EditError(Reason.RESOURCE_UNREADABLE, msg)
    config = _config(block, _Reader(secrets, MAX_CONFIGURATION - _plain_size(block)))
    platform = spec.platform.value
    return Payload(
        spec=spec,
        request=IntegrationRequest(platform=platform, config=config, enabled=spec.enabled),
        fingerprint=key.digest("request", platform, str(spec.enabled), json.dumps(config, sort_keys=True)),
        signature=compare.signature(platform, config, key),
        key_id=key.id,
    )


Block = Datadog | S3 | Firehose | GenericHTTP


def _block(spec: IntegrationSpec) -> Block | None:
    match spec.platform:
        case Platform.DATADOG:
            return spec.datadog
        case Platform.S3:
            return spec.s3
        case Platform.FIREHOSE:
            return spec.firehose
        case Platform.GENERIC_HTTP:
            return spec.generic_http


def _references(block: Block) -> Iterator[KeyReference]:
    match block:
        case Datadog():
            yield block.api_key_secret_ref
        case S3() | Firehose():
            yield block.access_key_id_secret_ref
            yield block.secret_access_key_secret_ref
        case GenericHTTP():
            yield from _http_references(block)


def _http_references(block: GenericHTTP) -> Iterator[KeyReference]:
    if block.url_secret_ref is not None:
        yield block.url_secret_ref
    yield from (each.value_from.secret_key_ref for each in block.headers if each.value_from is not None)
    if block.auth is None:
        return
    if block.auth.bearer is not None:
        yield block.auth.bearer.token_secret_ref
    if block.auth.basic is not None:
        yield block.auth.basic.username_secret_ref
        yield block.auth.basic.password_secret_ref
    if block.auth.header is not None:
        yield block.auth.header.value_secret_ref


def _config(block: Block, secrets: "_Reader") -> dict[str, str]:
    """All keys of the platform, what is not set as an empty value: the server may merge what a PUT brings."""
    match block:
        case Datadog():
            intake = f"https://http-intake.logs.{block.site}/api/v2/logs"
            return {
                "api_url": _url("spec.datadog.apiURL", block.api_url or intake),
                "api_key": secrets.value(block.api_key_secret_ref),
            }
        case S3():
            return {"bucket_name": block.bucket_name, "region": block.region, **_aws_keys(block, secrets)}
        case Firehose():
            return {"stream_name": block.stream_name, "region": block.region, **_aws_keys(block, secrets)}
        case GenericHTTP():
            ref = None if block.url else block.url_secret_ref
            return {
                "url": _url("spec.genericHTTP.url", block.url or "") if ref is None else secrets.url(ref),
                "headers": json.dumps(_headers(block, secrets), sort_keys=True),
                "body_template": block.body_template or "",
            }


def _plain_size(block: Block) -> int:
    """Return the bytes of the values that the resource itself holds; raises EditError where they are too many."""
    if not isinstance(block, GenericHTTP):
        return 0
    texts = (block.body_template, *(text for each in block.headers for text in (each.name, each.value)))
    size = sum(len(text.encode()) for text in texts if text is not None)
    if size > MAX_CONFIGURATION:
        raise EditError(Reason.RESOURCE_UNREADABLE, f"spec.genericHTTP: headers and bodyTemplate {_TOO_MUCH}")
    return size


def _url(field: str, url: str) -> str:
    """The URL of a field: the API server reads URLs by other rules than we, and takes some that nobody can call."""
    fault = url_fault(url)
    if fault is not None:
        raise EditError(Reason.RESOURCE_UNREADABLE, f"{field}: the URL {fault}")
    return url


def _aws_keys(block: S3 | Firehose, secrets: "_Reader") -> dict[str, str]:
    return {
        "access_key": secrets.value(block.access_key_id_secret_ref),
        "secret_key": secrets.value(block.secret_access_key_secret_ref),
    }


def _headers(block: GenericHTTP, secrets: "_Reader") -> dict[str, str]:
    headers = {
        each.name: secrets.value(each.value_from.secret_key_ref) if each.value_from is not None else each.value or ""
        for each in block.headers
    }
    if block.auth is not None:
        headers |= _auth_header(block.auth, secrets)
    return headers


def _auth_header(auth: Auth, secrets: "_Reader") -> dict[str, str]:
    if auth.bearer is not None:
        return {"Authorization": f"Bearer {secrets.value(auth.bearer.token_secret_ref)}"}
    if auth.basic is not None:
        user = secrets.value(auth.basic.username_secret_ref)
        if ":" in user:
            ref = auth.basic.username_secret_ref
            msg = f"Secret {ref.name}, key {ref.key}: a user name can't hold a colon (RFC 7617); use one without"
            raise WaitError(Reason.SECRET_VALUE_INVALID, msg)
        pair = f"{user}:{secrets.value(auth.basic.password_secret_ref)}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    if auth.header is not None:
        return {auth.header.name: secrets.value(auth.header.value_secret_ref)}
    return {}


def _public(spec: IntegrationSpec, config: Mapping[str, str]) -> dict[str, str]:
    """What of the configuration is known to be public: never a query, nor a URL that came from a Secret."""
    if spec.generic_http is None or spec.platform is not Platform.GENERIC_HTTP:
        names = compare.COMPARABLE[spec.platform]
        return {name: _without_query(config[name]) if name == "api_url" else config[name] for name in names}
    public = {"headers": _shortened(list(json.loads(config["headers"])))}
    if spec.generic_http.url is not None:
        public["url"] = _without_query(config["url"])
    return {name: value for name, value in public.items() if value}


def _shortened(names: list[str]) -> str:
    """As many of the names as a status holds, and how many more there are."""
    shown, room = 0, MAX_PUBLIC - len(f", and {len(names)} more")
    for name in names:
        room -= len(name) + len(", ")
        shown += room >= 0
    rest = len(names) - shown
    return ", ".join(names[:shown]) + (f", and {rest} more" if rest else "")


def _without_query(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))


@dataclass(slots=True, repr=False)
class _Reader:
    """Reads values from Secrets; every complaint names the Secret and the key, and never the value.

    `room` is how many bytes may be read yet. It is checked before anything is made of a value.
    """

    secrets: Mapping[str, SecretData | None]
    room: int

    def value(self, ref: KeyReference) -> str:
        """The value of a key: printable ASCII, as HTTP header fields and cloud credentials are."""
        data = self.secrets.get(ref.name)
        if data is None:
            msg = f"Secret {ref.name} does not exist in the resource's namespace; create it"
            raise WaitError(Reason.SECRET_NOT_FOUND, msg)
        if ref.key not in data:
            msg = f"Secret {ref.name} has no key {ref.key}; add it, or correct the reference"
            raise WaitError(Reason.SECRET_KEY_NOT_FOUND, msg)
        fault = value_fault(data[ref.key])
        if fault is not None:
            raise WaitError(Reason.SECRET_VALUE_INVALID, f"Secret {ref.name}, key {ref.key}: the value {fault}")
        self.room -= len(data[ref.key])
        if self.room < 0:
            msg = f"Secret {ref.name}, key {ref.key}: this value and all others of the resource {_TOO_MUCH}"
            raise WaitError(Reason.SECRET_VALUE_INVALID, msg)
        return data[ref.key].decode()

    def url(self, ref: KeyReference) -> str:
        """The value of a key that must be an https URL."""
        value = self.value(ref)
        fault = url_fault(value)
        if fault is not None:
            raise WaitError(Reason.SECRET_VALUE_INVALID, f"Secret {ref.name}, key {ref.key}: the URL {fault}")
        return value


def value_fault(value: bytes) -> str | None:
    """What is wrong with a Secret's value and how to mend it, or None."""
    checks = (
        (not value, "is empty; put the credential into it"),
        (len(value) > MAX_VALUE, f"has more than {MAX_VALUE // 1024} KiB; put the credential alone into it"),
        (
            not value.strip(b"*"),
            "has nothing but asterisks, which is how NetBird shows a secret; put the credential itself into it",
        ),
        (
            value.endswith((b"\n", b"\r")),
            "ends with a newline; write it without one (printf instead of echo, or kubectl --from-literal)",
        ),
        (_CONTROL.search(value), "holds a control character; write it as one line of plain text"),
        (not value.isascii(), "holds a character outside ASCII; write the credential as its issuer gave it"),
        (value != value.strip(), "begins or ends with a space; write it without"),
    )
    return next((fault for broken, fault in checks if broken), None)


def url_fault(url: str) -> str | None:
    """What is wrong with a destination's URL and how to mend it, or None."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "can't be read as one; write https://host/path"
    checks = (
        (len(url) > MAX_URL, f"is longer than {MAX_URL} characters; shorten it"),
        (parts.scheme != "https", "must begin with https://"),
        (not parts.hostname, "has no host; write https://host/path"),
        ("@" in parts.netloc, "holds a user or password; use auth.basic instead"),
        ("#" in url, "has a fragment; remove it, servers never see it"),
        (" " in url, "holds a space; encode it as %20"),
    )
    return next((fault for broken, fault in checks if broken), None)
