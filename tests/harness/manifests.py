"""Manifests as users write them: a working one for each platform and kind of connection, and changes to them."""

from copy import deepcopy
from typing import Any, Final

import yaml

from netbird_streaming.api.types import GROUP, VERSION

Manifest = dict[str, Any]
API_VERSION: Final = f"{GROUP}/{VERSION}"
ABSENT: Final = object()
"""For `changed`: remove the field."""


def reference(name: str, key: str) -> Manifest:
    """A reference to a key of a Secret or ConfigMap."""
    return {"name": name, "key": key}


_AWS_KEYS: Final = {
    "accessKeyIDSecretRef": reference("aws", "access-key"),
    "secretAccessKeySecretRef": reference("aws", "secret-key"),
}
BLOCKS: Final[dict[str, Manifest]] = {
    "datadog": {"datadog": {"site": "datadoghq.eu", "apiKeySecretRef": reference("datadog", "api-key")}},
    "s3": {"s3": {"bucketName": "company-netbird-events", "region": "eu-central-1", **_AWS_KEYS}},
    "firehose": {"firehose": {"streamName": "netbird-events", "region": "us-gov-west-1", **_AWS_KEYS}},
    "generic_http": {
        "genericHTTP": {
            "url": "https://siem.example.com/ingest",
            "headers": [
                {"name": "X-Tenant", "value": "blue"},
                {"name": "X-Extra", "valueFrom": {"secretKeyRef": reference("siem", "extra")}},
            ],
            "auth": {"bearer": {"tokenSecretRef": reference("siem", "token")}},
            "bodyTemplate": '{"time": "{{ .Timestamp }}", "event": "{{ .Message }}"}',
        }
    },
}
"""The block of settings for each platform."""


def integration(platform: str = "datadog", name: str = "events", **spec: Any) -> Manifest:
    """An EventStreamingIntegration; `spec` adds fields, or replaces them."""
    return _object("EventStreamingIntegration", name, {"platform": platform, **deepcopy(BLOCKS[platform]), **spec})


def connection(name: str = "netbird", **spec: Any) -> Manifest:
    """A NetBirdConnection."""
    return _object("NetBirdConnection", name, {"tokenSecretRef": reference("netbird", "token"), **spec})


def cluster_connection(name: str = "default", **spec: Any) -> Manifest:
    """A ClusterNetBirdConnection."""
    return _object("ClusterNetBirdConnection", name, {"tokenSecretRef": reference("netbird", "token"), **spec})


def changed(manifest: Manifest, changes: dict[str, Any]) -> Manifest:
    """A copy with other values at the given paths below spec, as `datadog.apiKeySecretRef.name`."""
    copy = deepcopy(manifest)
    for path, value in changes.items():
        *parents, last = path.split(".")
        place: Any = copy["spec"]
        for part in parents:
            place = place.setdefault(part, {})
        if value is ABSENT:
            del place[last]
        else:
            place[last] = value
    return copy


def to_yaml(*manifests: Manifest) -> str:
    """Return the manifests as the documents of one stream."""
    text: str = yaml.safe_dump_all(manifests, sort_keys=False)
    return text


def _object(kind: str, name: str, spec: Manifest) -> Manifest:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}
