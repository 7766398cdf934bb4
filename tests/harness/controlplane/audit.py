"""The API server's audit log: the user, verb and object of each request, independent of the clients' own counts."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

GROUP: Final = "integrations.netbird.io"

# Bodies are recorded only for objects without secrets: the operator's kinds and its other writes. For a Secret not even
# the length of a response is recorded.
POLICY: Final[dict[str, Any]] = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "users": ["system:apiserver"]},
        {"level": "None", "nonResourceURLs": ["/readyz*", "/livez*", "/healthz*"]},
        {
            "level": "Request",
            "verbs": ["create", "update", "patch", "delete", "deletecollection"],
            "resources": [{"group": GROUP}, {"group": "events.k8s.io"}, {"group": "coordination.k8s.io"}],
        },
        {"level": "Metadata"},
    ],
}


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """A request that the API server answered, or one watch that it started."""

    user: str
    verb: str
    group: str
    """Empty for the core group, and for a URL without a resource."""
    resource: str
    subresource: str
    namespace: str
    name: str
    uri: str
    status: int
    time: str
    """The arrival of the request, RFC 3339 with microseconds."""
    body: Any
    """The decoded body of writes to the operator's kinds, Events and Leases; else None."""


def read(log: Path, position: int = 0) -> Iterator[AuditEvent]:
    """Return each request once, in the order of the log, from a byte position that is the start of a line.

    The server writes the line after its response, so the last request may appear a moment later.
    """
    if not log.exists():
        return
    seen: set[str] = set()
    with log.open("rb") as lines:
        lines.seek(position)
        for line in lines:
            if not line.endswith(b"\n"):
                return  # the server is still writing it
            entry = json.loads(line)
            # A watch is logged at its start and again at its end.
            if entry["auditID"] not in seen:
                seen.add(entry["auditID"])
                yield _event(entry)


def _event(entry: dict[str, Any]) -> AuditEvent:
    about = entry.get("objectRef", {})
    return AuditEvent(
        user=entry["user"].get("username", ""),
        verb=entry["verb"],
        group=about.get("apiGroup", ""),
        resource=about.get("resource", ""),
        subresource=about.get("subresource", ""),
        namespace=about.get("namespace", ""),
        name=about.get("name", ""),
        uri=entry["requestURI"],
        status=entry.get("responseStatus", {}).get("code", 0),
        time=entry["requestReceivedTimestamp"],
        body=entry.get("requestObject"),
    )
