"""Inputs from a fuzzer's bytes: mostly changes of a valid object, because the first check refuses noise."""

import json
from typing import Any, Final

Json = dict[str, Any]

INTEGRATION: Final[Json] = {
    "apiVersion": "integrations.netbird.io/v1alpha1",
    "kind": "EventStreamingIntegration",
    "metadata": {
        "name": "web",
        "namespace": "team-a",
        "uid": "uid-1",
        "resourceVersion": "7",
        "generation": 1,
        "creationTimestamp": "2026-05-01T10:00:00Z",
        "finalizers": ["integrations.netbird.io/event-streaming"],
    },
    "spec": {"platform": "generic_http", "genericHTTP": {"url": "https://siem.example/in"}},
}
CONNECTION: Final[Json] = {
    "apiVersion": "integrations.netbird.io/v1alpha1",
    "kind": "ClusterNetBirdConnection",
    "metadata": {
        "name": "default",
        "uid": "uid-2",
        "resourceVersion": "7",
        "generation": 1,
        "creationTimestamp": "2026-05-01T10:00:00Z",
    },
    "spec": {
        "url": "https://api.netbird.io",
        "tokenSecretRef": {"name": "netbird", "key": "token"},
        "access": [{"namespaces": ["team-b"]}, {"namespaceSelector": {"matchLabels": {"team": "a"}}}],
    },
}
SHOWN: Final[Json] = {
    "id": 5,
    "account_id": "acc-1",
    "platform": "generic_http",
    "enabled": True,
    "config": {"url": "https://siem.example/in", "headers": "{}", "body_template": ""},
    "created_at": "2026-05-01T11:00:00.000001Z",
    "updated_at": "2026-05-01T11:00:00.000001Z",
}
LEASE: Final[Json] = {
    "metadata": {"name": "lease", "resourceVersion": "7"},
    "spec": {
        "holderIdentity": "other",
        "leaseDurationSeconds": 15,
        "leaseTransitions": 3,
        "acquireTime": "2026-05-01T10:00:00.000000Z",
    },
}
SECRET: Final[Json] = {
    "metadata": {"name": "s", "namespace": "team-a", "resourceVersion": "7"},
    "data": {"key": "dmFs"},
}


def decoded(data: bytes) -> Any:
    """Parse the bytes as JSON; return None if they are invalid."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def changed(valid: Any, change: Any) -> Any:
    """Apply a JSON merge patch (RFC 7396) as an API server does: any part can become anything."""
    if not isinstance(change, dict):
        return change
    result = dict(valid) if isinstance(valid, dict) else {}
    for name, value in change.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = changed(result.get(name), value)
    return result


def like(valid: Json, data: bytes) -> Json:
    """Return a valid object with the changes of the bytes, or unchanged if they are no JSON object."""
    change = decoded(data)
    result = changed(valid, change if isinstance(change, dict) else {})
    assert isinstance(result, dict)
    return result
