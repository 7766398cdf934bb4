"""The manifests that adopt integrations: pure functions of what NetBird lists."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from netbird_streaming.api.http_auth import is_credential
from netbird_streaming.api.types import GROUP, Platform
from netbird_streaming.core.netbird.compare import has_masked_part, is_masked, parse_headers
from netbird_streaming.core.netbird.types import UNKNOWN_ID, Integration

API_VERSION: Final = f"{GROUP}/v1alpha1"
_INTAKE: Final = re.compile(
    r"https://http-intake\.logs\.((?:[a-z]{2}[0-9]\.)?(?:datadoghq\.(?:com|eu)|ddog-gov\.com))/api/v2/logs"
)
_TOKEN_LIKE: Final = re.compile(r"(?=[^/]*[0-9])(?=[^/]*[A-Za-z])[^/.]{16,}|[^/.]{32,}")
"""A part of a URL's path that may be a token, as in the webhook URLs of chat services."""
_KEY: Final = re.compile(r"[^a-z0-9-]+")

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Namespace of the manifests of one account, and the connection that they refer to."""

    namespace: str
    connection_kind: str
    connection_name: str
    tenant_id: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """Document with the comments in front of it."""

    name: str
    document: Document
    comments: tuple[str, ...] = ()


@dataclass(slots=True)
class _Stub:
    """The Secret of one resource: keys without values, and what NetBird does not show."""

    name: str
    keys: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)

    def reference(self, key: str, what: str) -> dict[str, str]:
        """Add a key, and return a reference to it."""
        self.keys.append(key)
        self.comments.append(f"NetBird does not show {what}. Put it into Secret {self.name}, key {key}.")
        return {"name": self.name, "key": key}


def unsupported(item: Integration) -> str | None:
    """Return why an integration can't be exported, or None."""
    if item.unreadable is not None:
        named = "An integration without a readable id" if item.id == UNKNOWN_ID else f"Integration {item.id}"
        return f"{named} can't be read: {item.unreadable}."
    if item.platform not in {each.value for each in Platform}:
        return f"Integration {item.id} has the platform {item.platform or 'unknown'}, which the operator can't manage."
    if item.config is None:
        return f"Integration {item.id} is listed without its configuration."
    return None


def manifests(item: Integration, place: Place) -> tuple[Manifest, ...]:
    """Return the resource that adopts an integration, and the Secret that it needs, if any.

    A value that NetBird does not show is a reference to an empty key. The operator refuses an empty value, so nothing
    is adopted, and nothing is written to NetBird, before it is filled in.
    """
    platform = Platform(item.platform or "")
    name = f"{platform.value.replace('_', '-')}-{item.id}"
    stub = _Stub(name)
    block_name, block = _block(platform, item.config or {}, stub)
    spec = {
        "connectionRef": {"kind": place.connection_kind, "name": place.connection_name},
        "platform": platform.value,
        "enabled": item.enabled is not False,
        block_name: block,
        "adoption": {"policy": "Match", "id": item.id},
        "deletionPolicy": "Orphan",
    }
    account = "" if item.account_id is None else f" of account {item.account_id}"
    comments = (
        f"Integration {item.id}{account} in NetBird.",
        *stub.comments,
        "With Orphan the integration stays in NetBird when this resource is deleted.",
    )
    resource = Manifest(
        name, _document("EventStreamingIntegration", name, place, API_VERSION, {"spec": spec}), comments
    )
    if not stub.keys:
        return (resource,)
    data = dict.fromkeys(stub.keys, "")
    secret = _document("Secret", name, place, "v1", {"type": "Opaque", "stringData": data})
    return resource, Manifest(f"{name}-secret", secret, ("Fill in the values. Do not commit them in plain text.",))


def kustomization(resources: Iterable[str], comments: Sequence[str]) -> Manifest:
    """Return the kustomization of a directory."""
    document = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": list(resources),
    }
    return Manifest("kustomization", document, tuple(comments))


def place_comments(place: Place) -> tuple[str, ...]:
    """Return what a cluster connection has to allow before the manifests work."""
    if place.connection_kind != "ClusterNetBirdConnection":
        return ()
    tenant = "" if place.tenant_id is None else f", tenantID: {place.tenant_id}"
    return (
        f"ClusterNetBirdConnection {place.connection_name} must have this entry in spec.access:",
        f"  {{namespaces: [{place.namespace}]{tenant}, allowAdoption: true}}",
    )


def _document(kind: str, name: str, place: Place, api_version: str, more: Document) -> Document:
    metadata = {"name": name, "namespace": place.namespace}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **more}


def _block(platform: Platform, config: Mapping[str, str], stub: _Stub) -> tuple[str, Document]:
    match platform:
        case Platform.DATADOG:
            return "datadog", _datadog(config, stub)
        case Platform.S3:
            return "s3", {"bucketName": config.get("bucket_name", ""), **_aws(config, stub)}
        case Platform.FIREHOSE:
            return "firehose", {"streamName": config.get("stream_name", ""), **_aws(config, stub)}
        case Platform.GENERIC_HTTP:
            return "genericHTTP", _generic_http(config, stub)


def _datadog(config: Mapping[str, str], stub: _Stub) -> Document:
    url = config.get("api_url", "")
    known = _INTAKE.fullmatch(url)
    target = {"apiURL": url} if known is None else {"site": known[1]}
    if known is None and _may_hold_secret(url):
        stub.comments.append("NetBird does not show the whole intake URL, or it may hold a key. Fill in apiURL.")
        target = {"apiURL": ""}
    return {**target, "apiKeySecretRef": stub.reference("api-key", "the API key")}


def _aws(config: Mapping[str, str], stub: _Stub) -> Document:
    return {
        "region": config.get("region", ""),
        "accessKeyIDSecretRef": stub.reference("access-key", "the access key ID"),
        "secretAccessKeySecretRef": stub.reference("secret-key", "the secret access key"),
    }


def _generic_http(config: Mapping[str, str], stub: _Stub) -> Document:
    url, template = config.get("url", ""), config.get("body_template", "")
    block: dict[str, Any] = {"url": url}
    if not url or _may_hold_secret(url):
        stub.keys.append("url")
        stub.comments.append(
            f"The URL is masked, or may hold a token. Put it into Secret {stub.name}, key url, or write it into url."
        )
        block = {"urlSecretRef": {"name": stub.name, "key": "url"}}
    headers = _headers(config.get("headers", ""), stub)
    if headers:
        block["headers"] = headers
    if template:
        block["bodyTemplate"] = template
    return block


def _headers(shown: str, stub: _Stub) -> list[Document]:
    if is_masked(shown) or parse_headers(shown) is None:
        stub.keys.append("header")
        stub.comments.append(
            "NetBird does not show the headers. Write their names, and put their values into Secret "
            f"{stub.name}; or remove headers if there are none."
        )
        return [{"name": "", "valueFrom": {"secretKeyRef": {"name": stub.name, "key": "header"}}}]
    headers: dict[str, str] = json.loads(shown or "{}")
    return [_header(name, value, stub) for name, value in headers.items()]


def _header(name: str, value: str, stub: _Stub) -> Document:
    if value and not has_masked_part(value) and not is_credential(name, value):
        return {"name": name, "value": value}
    key = _KEY.sub("-", name.lower()).strip("-") or "header"
    while key in stub.keys:
        key += "-2"
    return {"name": name, "valueFrom": {"secretKeyRef": stub.reference(key, f"the value of header {name}")}}


def _may_hold_secret(url: str) -> bool:
    """Return whether a URL has a masked part, a password, a query, or a path that may contain a token."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return True
    odd = "@" in parts.netloc or parts.query or parts.fragment or has_masked_part(url)
    return bool(odd) or any(_TOKEN_LIKE.fullmatch(each) for each in parts.path.split("/"))
