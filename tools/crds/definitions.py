"""The three CustomResourceDefinitions."""

from dataclasses import dataclass
from typing import Any, Final

from netbird_streaming.api.types import (
    GROUP,
    VERSION,
    ClusterNetBirdConnection,
    EventStreamingIntegration,
    NetBirdConnection,
    Resource,
)
from netbird_streaming.api.validation.structural import Schema, structural
from netbird_streaming.reasons import Reason

_KEEP: Final = {
    "helm.sh/resource-policy": "keep",
    "argocd.argoproj.io/sync-options": "Prune=false",
    "kustomize.toolkit.fluxcd.io/prune": "disabled",
}
"""Annotations for Helm, Argo CD and Flux, which keep the CRDs when a release is removed.

Removing a CRD removes every object of its kind.
"""

INITIAL_STATUS: Final[Schema] = {
    "conditions": [
        {
            "type": "Ready",
            "status": "Unknown",
            "reason": Reason.PENDING.value,
            "message": f"No operator has looked at it yet. {Reason.PENDING.remedy}",
            "lastTransitionTime": "1970-01-01T00:00:00Z",
        }
    ]
}
"""The API server's default until an operator writes.

kstatus, `helm --wait` and Flux consider an object without conditions ready.
"""

_OBJECT: Final[Schema] = {
    "apiVersion": {
        "type": "string",
        "description": f"The version of this schema: {GROUP}/{VERSION}.",
        "maxLength": 253,
    },
    "kind": {"type": "string", "description": "The kind of this object.", "maxLength": 63},
    "metadata": {"type": "object"},
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`. Priority 1 is shown by `-o wide` only."""

    name: str
    path: str
    description: str
    type: str = "string"
    priority: int = 0

    def to_schema(self) -> Schema:
        """Return the entry of `additionalPrinterColumns`.

        The API server drops a priority of 0, and Argo CD would show that as a difference that no sync removes.
        """
        entry = {"name": self.name, "type": self.type, "jsonPath": self.path, "description": self.description}
        return {**entry, "priority": self.priority} if self.priority else entry


@dataclass(frozen=True, slots=True)
class CrdDefinition:
    """The parts of a CustomResourceDefinition besides its schema. `selectable` are paths for `--field-selector`."""

    model: type[Resource]
    plural: str
    short_name: str
    scope: str
    columns: tuple[Column, ...]
    selectable: tuple[str, ...]

    @property
    def file_name(self) -> str:
        """The name of its file in `crds/`."""
        return f"{self.plural}.yaml"

    def to_object(self) -> dict[str, Any]:
        """Return the object of `apiextensions.k8s.io/v1`."""
        kind = self.model.__name__
        return {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{self.plural}.{GROUP}", "annotations": dict(_KEEP)},
            "spec": {
                "group": GROUP,
                "names": {
                    "kind": kind,
                    "listKind": f"{kind}List",
                    "plural": self.plural,
                    "singular": kind.lower(),
                    "shortNames": [self.short_name],
                    "categories": ["netbird"],
                },
                "scope": self.scope,
                "versions": [self._version()],
            },
        }

    def _version(self) -> Schema:
        return {
            "name": VERSION,
            "served": True,
            "storage": True,
            "subresources": {"status": {}},
            "additionalPrinterColumns": [each.to_schema() for each in self.columns],
            "selectableFields": [{"jsonPath": path} for path in self.selectable],
            "schema": {"openAPIV3Schema": self._schema()},
        }

    def _schema(self) -> Schema:
        whole = structural(self.model)
        inner = whole["properties"]
        status = {**_without_defaults(inner["status"]), "default": INITIAL_STATUS}
        return {
            "description": whole["description"],
            "type": "object",
            "required": ["spec"],
            "properties": {**_OBJECT, "spec": inner["spec"], "status": status},
        }


def _without_defaults(schema: Schema) -> Schema:
    """Return the schema of a status without its fields' defaults, so that the API server adds nothing to it."""
    return {
        name: _without_defaults(each) if isinstance(each, dict) else each
        for name, each in schema.items()
        if name != "default"
    }


def _condition(field: str) -> str:
    return f'.status.conditions[?(@.type=="Ready")].{field}'


_READY: Final = (
    Column("Ready", _condition("status"), "Whether all is as declared."),
    Column("Reason", _condition("reason"), "Why it is ready, or is not."),
)
_AGE: Final = Column("Age", ".metadata.creationTimestamp", "When the resource was created.", "date")
_MESSAGE: Final = Column("Message", _condition("message"), "What to do about it.", priority=1)
_URL: Final = Column("URL", ".spec.url", "The NetBird API.")

DEFINITIONS: Final = (
    CrdDefinition(
        EventStreamingIntegration,
        "eventstreamingintegrations",
        "esi",
        "Namespaced",
        (
            Column("Platform", ".spec.platform", "Where events go."),
            Column("Enabled", ".spec.enabled", "Whether NetBird is to stream.", "boolean"),
            Column("ID", ".status.id", "The integration's id in NetBird.", "integer"),
            *_READY,
            _AGE,
            Column("Account", ".status.accountID", "The integration's account in NetBird.", priority=1),
            _MESSAGE,
        ),
        (".spec.platform", ".spec.connectionRef.kind", ".spec.connectionRef.name", ".status.id", ".status.accountID"),
    ),
    CrdDefinition(
        NetBirdConnection,
        "netbirdconnections",
        "nbc",
        "Namespaced",
        (
            _URL,
            Column("Account", ".status.accounts[0].accountID", "The account that the token acts in."),
            *_READY,
            _AGE,
            _MESSAGE,
        ),
        (".spec.url",),
    ),
    CrdDefinition(
        ClusterNetBirdConnection,
        "clusternetbirdconnections",
        "cnbc",
        "Cluster",
        (_URL, *_READY, _AGE, _MESSAGE),
        (".spec.url",),
    ),
)
