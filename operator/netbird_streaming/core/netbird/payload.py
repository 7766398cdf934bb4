"""From a spec and the Secrets that it references to the request that NetBird is sent.

The configuration keys are those that NetBird's dashboard sends (`netbirdio/dashboard`,
`src/modules/integrations/event-streaming`); the published OpenAPI document's example names others for S3.
"""

import base64
import json
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
from netbird_streaming.core import values
from netbird_streaming.core.netbird import compare
from netbird_streaming.core.netbird.fingerprint import FingerprintKey
from netbird_streaming.core.netbird.types import IntegrationRequest
from netbird_streaming.errors import EditError, WaitError
from netbird_streaming.reasons import Reason

SecretData = Mapping[str, bytes]
MAX_URL: Final = 2048
MAX_CONFIGURATION: Final = 64 * 1024
"""Bytes of all values of a resource, with those of its Secrets: more than anything that has a use."""
_TOO_MUCH: Final = f"have more than {MAX_CONFIGURATION // 1024} KiB together; shorten them"


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
    def is_plain_http(self) -> bool:
        """Return whether events are sent in plain text."""
        return any(is_plain_http(self.request.config.get(key, "")) for key in ("url", "api_url"))

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
    return {key: data[key][: values.MAX_VALUE + 1] for key in keys if key in data}


def resolve(
    spec: IntegrationSpec,
    secrets: Mapping[str, SecretData | None],
    key: FingerprintKey,
    *,
    allow_plain_http: bool = False,
) -> Payload:
    """The payload for `spec`; `secrets` holds each of `secret_names`, None where it does not exist.

    Raises WaitError when a Secret or a key is missing or its value is unusable, EditError when the spec is (which the
    CRD's schema refuses, except for objects older than it).
    """
    block = _block(spec)
    if block is None:
        msg = f"spec: the block of platform {spec.platform} is missing; add it"
        raise EditError(Reason.RESOURCE_UNREADABLE, msg)
    config = _config(block, _Reader(secrets, MAX_CONFIGURATION - _plain_size(block), allow_plain_http))
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
                "api_url": secrets.own_url("spec.datadog.apiURL", block.api_url or intake),
                "api_key": secrets.value(block.api_key_secret_ref, values.datadog_key_fault),
            }
        case S3():
            return {"bucket_name": block.bucket_name, "region": block.region, **_aws_keys(block, secrets)}
        case Firehose():
            return {"stream_name": block.stream_name, "region": block.region, **_aws_keys(block, secrets)}
        case GenericHTTP():
            ref = None if block.url else block.url_secret_ref
            return {
                "url": secrets.own_url("spec.genericHTTP.url", block.url or "") if ref is None else secrets.url(ref),
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


def _aws_keys(block: S3 | Firehose, secrets: "_Reader") -> dict[str, str]:
    return {
        "access_key": secrets.value(block.access_key_id_secret_ref, values.access_key_id_fault),
        "secret_key": secrets.value(block.secret_access_key_secret_ref, values.secret_access_key_fault),
    }


def _headers(block: GenericHTTP, secrets: "_Reader") -> dict[str, str]:
    headers = {
        each.name: each.value or ""
        if each.value_from is None
        else secrets.value(each.value_from.secret_key_ref, values.header_fault)
        for each in block.headers
    }
    if block.auth is not None:
        headers |= _auth_header(block.auth, secrets)
    return headers


def _auth_header(auth: Auth, secrets: "_Reader") -> dict[str, str]:
    if auth.bearer is not None:
        return {"Authorization": f"Bearer {secrets.value(auth.bearer.token_secret_ref, values.bearer_fault)}"}
    if auth.basic is not None:
        user = secrets.value(auth.basic.username_secret_ref, values.user_fault)
        pair = f"{user}:{secrets.value(auth.basic.password_secret_ref, values.password_fault)}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    if auth.header is not None:
        return {auth.header.name: secrets.value(auth.header.value_secret_ref, values.header_fault)}
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
    allow_plain_http: bool

    def value(self, ref: KeyReference, check: values.Check = values.value_fault) -> str:
        """Return the value of a key that passes the check."""
        data = self.secrets.get(ref.name)
        if data is None:
            msg = f"Secret {ref.name} does not exist in the resource's namespace; create it"
            raise WaitError(Reason.SECRET_NOT_FOUND, msg)
        if ref.key not in data:
            msg = f"Secret {ref.name} has no key {ref.key}; add it, or correct the reference"
            raise WaitError(Reason.SECRET_KEY_NOT_FOUND, msg)
        fault = check(data[ref.key])
        if fault is not None:
            raise WaitError(Reason.SECRET_VALUE_INVALID, f"Secret {ref.name}, key {ref.key}: the value {fault}")
        self.room -= len(data[ref.key])
        if self.room < 0:
            msg = f"Secret {ref.name}, key {ref.key}: this value and all others of the resource {_TOO_MUCH}"
            raise WaitError(Reason.SECRET_VALUE_INVALID, msg)
        return data[ref.key].decode()

    def url(self, ref: KeyReference) -> str:
        """Return the value of a key that is a URL which events may be sent to."""
        url, where = self.value(ref), f"Secret {ref.name}, key {ref.key}"
        fault = url_fault(url)
        if fault is not None:
            raise WaitError(Reason.SECRET_VALUE_INVALID, f"{where}: the URL {fault}")
        return self._allowed(url, where)

    def own_url(self, field: str, url: str) -> str:
        """Return the URL of a field; the API server accepts some URLs that cannot be called."""
        fault = url_fault(url)
        if fault is not None:
            raise EditError(Reason.RESOURCE_UNREADABLE, f"{field}: the URL {fault}")
        return self._allowed(url, field)

    def _allowed(self, url: str, where: str) -> str:
        if is_plain_http(url) and not self.allow_plain_http:
            message = f"{where}: the URL begins with http://, so events and credentials would be sent in plain text. "
            raise WaitError(Reason.PLAIN_HTTP_NOT_ALLOWED, message + Reason.PLAIN_HTTP_NOT_ALLOWED.remedy)
        return url


def is_plain_http(url: str) -> bool:
    """Return whether everybody on the network path can read what is sent to a URL."""
    return urlsplit(url).scheme == "http"


def url_fault(url: str) -> str | None:
    """What is wrong with a destination's URL and how to mend it, or None."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "can't be read as one; write https://host/path"
    checks = (
        (len(url) > MAX_URL, f"is longer than {MAX_URL} characters; shorten it"),
        (parts.scheme not in ("https", "http"), "must begin with https://"),
        (not parts.hostname, "has no host; write https://host/path"),
        ("@" in parts.netloc, "holds a user or password; use auth.basic instead"),
        ("#" in url, "has a fragment; remove it, servers never see it"),
        (" " in url, "holds a space; encode it as %20"),
    )
    return next((fault for broken, fault in checks if broken), None)
