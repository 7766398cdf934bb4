"""Custom resources, parsed once at the boundary.

Names of fields follow the Kubernetes API conventions (camelCase in YAML). Names of platforms are those of NetBird. The
CRDs in `crds/` are generated from these models, so `kubectl explain` prints the descriptions. Parsing is lenient and
does not repeat the checks of the schema, so that an object that is older than a rule stays readable.
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
    """Kind, namespace and name of a resource. `namespace` is None for cluster kinds.

    It is a tuple since it is the key of many dictionaries, and C computes the hash of a tuple.
    """

    kind: str
    namespace: str | None
    name: str

    @property
    def label(self) -> str:
        """Return the name for messages: `namespace/name`, or the name alone."""
        return self.name if self.namespace is None else f"{self.namespace}/{self.name}"


class Metadata(Model):
    """Metadata of an object, as far as the operator reads it."""

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
        """Return the value that requests a reconcile, or its digest if it is too long for a status."""
        value = self.annotations.get(RECONCILE_ANNOTATION)
        if value is None or len(value) <= MAX_REQUEST:
            return value
        return hashlib.sha256(value.encode()).hexdigest()


class Resource(Model):
    """Base of the three kinds."""

    metadata: Metadata

    @property
    def key(self) -> ObjectKey:
        """Return kind, namespace and name."""
        return ObjectKey(type(self).__name__, self.metadata.namespace, self.metadata.name)

    @property
    def deleting(self) -> bool:
        """Return whether deletion has begun. It can't be undone."""
        return self.metadata.deletion_timestamp is not None

    @property
    def has_finalizer(self) -> bool:
        """Return whether the resource has the operator's finalizer."""
        return FINALIZER in self.metadata.finalizers


class EventStreamingIntegration(Resource):
    """EventStreamingIntegration declares one event-streaming integration in one NetBird account.

    The operator creates the integration, corrects drift, applies changed Secrets, and deletes it with this resource.
    To wait for it: `kubectl wait --for=condition=Ready esi/NAME`. To request a reconcile now, set the annotation
    integrations.netbird.io/reconcile-requested-at to a new value, such as the time.
    """

    spec: Annotated[IntegrationSpec, doc("The desired state: the platform, its settings and the policies.")]
    status: Annotated[Status, doc("The observed state. Only the operator writes it.")] = Status()


class NetBirdConnection(Resource):
    """NetBirdConnection declares a NetBird API and a token for the resources of one namespace.

    An EventStreamingIntegration refers to it in spec.connectionRef. Its condition Ready shows whether NetBird accepts
    the token.
    """

    spec: Annotated[ConnectionSpec, doc("The desired state: the NetBird API, its token and its rate limit.")]
    status: Annotated[ConnectionStatus, doc("The observed state. Only the operator writes it.")] = ConnectionStatus()


class ClusterNetBirdConnection(Resource):
    """ClusterNetBirdConnection declares a NetBird API and a token for the namespaces that spec.access allows.

    An EventStreamingIntegration without a connectionRef uses the one with the name default. The Secret and ConfigMap
    are in the operator's namespace. The condition Ready shows whether NetBird accepts the token.
    """

    spec: Annotated[
        ClusterConnectionSpec,
        doc("The desired state: the NetBird API, its token, its rate limit and the namespaces that may use it."),
    ]
    status: Annotated[ConnectionStatus, doc("The observed state. Only the operator writes it.")] = ConnectionStatus()


Connection = NetBirdConnection | ClusterNetBirdConnection
