"""What the API server's audit log says: who asked for what, counted where no client can flatter itself."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

GROUP: Final = "integrations.netbird.io"

# Bodies are kept only of what holds no secret by design: our own kinds, and what else the operator writes; of a Secret
# not even an answer's length is.
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
    """One request that the API server answered, or one watch that it began."""

    user: str
    verb: str
    group: str
    """Empty for the core group, and for a URL that is no resource."""
    resource: str
    subresource: str
    namespace: str
    name: str
    uri: str
    status: int
    time: str
    """When the request arrived, RFC 3339 with microseconds."""
    body: Any
    """The request's decoded body, for writes to our own kinds, Events and Leases; else None."""


def read(log: Path, position: int = 0) -> Iterator[AuditEvent]:
    """Answer each request once, in the order of the log, from a byte position that is the beginning of a line.

    The server writes a line when it has answered, so the last request may follow a moment after its answer.
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
            # A watch is logged as it begins and again as it ends.
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
