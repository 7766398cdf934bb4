"""The custom resources, parsed once at the boundary.

Field names follow the Kubernetes API conventions (camelCase in YAML); the platforms' own words are NetBird's. The CRDs
in `crds/` are generated from these models, so a description here is what `kubectl explain` prints. Parsing is lenient:
what the schema refuses is not checked again, so that an object that is older than a rule stays readable.
"""

import hashlib
from datetime import datetime
from typing import Annotated, Final, NamedTuple

from pydantic import Field

from netbird_streaming.api.access import Access, LabelSelector, LabelSelectorRequirement
from netbird_streaming.api.connection import (
    ClusterConnectionSpec,
    ConnectionSpec,
    ManagementPolicy,
    RateLimit,
    TokenType,
)
from netbird_streaming.api.connection_status import ConnectionStatus
from netbird_streaming.api.destinations import S3, Datadog, Firehose, GenericHTTP, Platform
from netbird_streaming.api.http_auth import Auth, BasicAuth, BearerAuth, Header, HeaderAuth, HeaderSource
from netbird_streaming.api.integration import (
    Adoption,
    AdoptionPolicy,
    DeletionPolicy,
    DriftPolicy,
    IntegrationSpec,
)
from netbird_streaming.api.model import Model
from netbird_streaming.api.references import ConnectionKind, ConnectionReference, KeyReference
from netbird_streaming.api.status import MAX_REQUEST, Status
from netbird_streaming.api.validation.fields import doc

__all__ = [
    "CONFIRM_ANNOTATION",
    "FINALIZER",
    "GROUP",
    "RECONCILE_ANNOTATION",
    "S3",
    "VERSION",
    "Access",
    "Adoption",
    "AdoptionPolicy",
    "Auth",
    "BasicAuth",
    "BearerAuth",
    "ClusterConnectionSpec",
    "ClusterNetBirdConnection",
    "Connection",
    "ConnectionKind",
    "ConnectionReference",
    "ConnectionSpec",
    "Datadog",
    "DeletionPolicy",
    "DriftPolicy",
    "EventStreamingIntegration",
    "Firehose",
    "GenericHTTP",
    "Header",
    "HeaderAuth",
    "HeaderSource",
    "IntegrationSpec",
    "KeyReference",
    "LabelSelector",
    "LabelSelectorRequirement",
    "ManagementPolicy",
    "Metadata",
    "NetBirdConnection",
    "ObjectKey",
    "Platform",
    "RateLimit",
    "Resource",
    "TokenType",
]

GROUP: Final = "integrations.netbird.io"
VERSION: Final = "v1alpha1"
FINALIZER: Final = f"{GROUP}/event-streaming"
CONFIRM_ANNOTATION: Final = f"{GROUP}/confirm-deletions"
RECONCILE_ANNOTATION: Final = f"{GROUP}/reconcile-requested-at"


class ObjectKey(NamedTuple):
    """A kind and a name: what a queue key and a watch event are about. `namespace` is None for cluster kinds.

    A tuple, since it is looked up in dictionaries all day: its hash is made in C.
    """

    kind: str
    namespace: str | None
    name: str

    @property
    def label(self) -> str:
        """As messages name it: `namespace/name`, or the name alone."""
        return self.name if self.namespace is None else f"{self.namespace}/{self.name}"


class Metadata(Model):
    """What of an object's metadata this operator reads."""

    name: str
    namespace: str | None = None
    uid: str
    resource_version: str
    generation: int = 1
    creation_timestamp: datetime
    deletion_timestamp: datetime | None = None
    finalizers: tuple[str, ...] = ()
    annotations: dict[str, str] = Field(default={})

    @property
    def reconcile_request(self) -> str | None:
        """The value by which a user asked for a reconcile; the digest of one that is too long for a status."""
        value = self.annotations.get(RECONCILE_ANNOTATION)
        if value is None or len(value) <= MAX_REQUEST:
            return value
        return hashlib.sha256(value.encode()).hexdigest()


class Resource(Model):
    """What the three kinds have in common."""

    metadata: Metadata

    @property
    def key(self) -> ObjectKey:
        """Kind, namespace and name."""
        return ObjectKey(type(self).__name__, self.metadata.namespace, self.metadata.name)

    @property
    def deleting(self) -> bool:
        """Whether deletion has begun; it can't be undone."""
        return self.metadata.deletion_timestamp is not None

    @property
    def has_finalizer(self) -> bool:
        """Whether our own finalizer is on it."""
        return FINALIZER in self.metadata.finalizers


class EventStreamingIntegration(Resource):
    """One event-streaming integration of one NetBird account: where NetBird sends its events to.

    It is created in NetBird, kept as declared, follows its Secrets, and goes when this resource goes. Its condition
    Ready says how it stands: `kubectl wait --for=condition=Ready esi/NAME`. To have it looked at now, set the
    annotation integrations.netbird.io/reconcile-requested-at to a new value, as the time.
    """

    spec: Annotated[IntegrationSpec, doc("What is wanted: a platform, its settings, and how the integration is kept.")]
    status: Annotated[Status, doc("The observed state. Only the operator writes it.")] = Status()


class NetBirdConnection(Resource):
    """A NetBird API and a token for the resources of one namespace.

    An EventStreamingIntegration uses it by spec.connectionRef. Its condition Ready says whether NetBird accepts the
    token.
    """

    spec: Annotated[ConnectionSpec, doc("Which NetBird API, with which token, and how often it may be asked.")]
    status: Annotated[ConnectionStatus, doc("The observed state. Only the operator writes it.")] = ConnectionStatus()


class ClusterNetBirdConnection(Resource):
    """A NetBird API and a token of the cluster's administrator, for the namespaces that spec.access allows: none else.

    An EventStreamingIntegration that names no connection uses the one that is called default. Its Secret and ConfigMap
    live in the operator's namespace. Its condition Ready says whether NetBird accepts the token.
    """

    spec: Annotated[
        ClusterConnectionSpec,
        doc("Which NetBird API, with which token, how often it may be asked, and which namespaces may use it."),
    ]
    status: Annotated[ConnectionStatus, doc("The observed state. Only the operator writes it.")] = ConnectionStatus()


Connection = NetBirdConnection | ClusterNetBirdConnection
