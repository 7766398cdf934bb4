"""The custom resources as their users write them, parsed once at the boundary.

Field names follow the Kubernetes API conventions (camelCase in YAML); the platforms' own words are NetBird's. The CRDs in
`crds/` are generated from these models, so a description here is what `kubectl explain` prints.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal

from pydantic import Field

from netbird_streaming.core.model import Model
from netbird_streaming.core.status import ConnectionStatus, Status

GROUP: Final = "integrations.netbird.io"
VERSION: Final = "v1alpha1"
FINALIZER: Final = f"{GROUP}/event-streaming"
RECONCILE_ANNOTATION: Final = f"{GROUP}/reconcile-requested-at"


class Platform(StrEnum):
    """Where NetBird streams events to, in the API's own words."""

    DATADOG = "datadog"
    S3 = "s3"
    FIREHOSE = "firehose"
    GENERIC_HTTP = "generic_http"


@dataclass(frozen=True, slots=True)
class Identity:
    """A kind and a name: what a queue key and a watch event are about. `namespace` is None for cluster kinds."""

    kind: str
    namespace: str | None
    name: str

    @property
    def label(self) -> str:
        """As messages name it: `namespace/name`, or the name alone."""
        return self.name if self.namespace is None else f"{self.namespace}/{self.name}"


class KeyReference(Model):
    """One key of a Secret or ConfigMap; never a namespace: it is the one of the object that refers."""

    name: str
    key: str


class Datadog(Model):
    """Datadog's log intake."""

    site: str | None = None
    api_url: str | None = Field(default=None, alias="apiURL")
    api_key_secret_ref: KeyReference


class S3(Model):
    """An Amazon S3 bucket."""

    bucket_name: str
    region: str
    access_key_secret_ref: KeyReference
    secret_key_secret_ref: KeyReference


class Firehose(Model):
    """An Amazon Data Firehose stream."""

    stream_name: str
    region: str
    access_key_secret_ref: KeyReference
    secret_key_secret_ref: KeyReference


class HeaderSource(Model):
    """Where a header's value comes from."""

    secret_key_ref: KeyReference


class Header(Model):
    """A header of each request: its value in plain, or from a Secret."""

    name: str
    value: str | None = None
    value_from: HeaderSource | None = None


class BearerAuth(Model):
    """`Authorization: Bearer <token>`."""

    token_secret_ref: KeyReference


class BasicAuth(Model):
    """`Authorization: Basic <base64 of user:password>` (RFC 7617)."""

    username_secret_ref: KeyReference
    password_secret_ref: KeyReference


class HeaderAuth(Model):
    """A header of the destination's own that carries a credential."""

    name: str
    value_secret_ref: KeyReference


class Auth(Model):
    """How the destination is told who sends: at most one way."""

    bearer: BearerAuth | None = None
    basic: BasicAuth | None = None
    header: HeaderAuth | None = None


class GenericHTTP(Model):
    """Any HTTP endpoint."""

    url: str | None = None
    url_secret_ref: KeyReference | None = None
    headers: tuple[Header, ...] = ()
    auth: Auth | None = None
    body_template: str | None = None


class ConnectionKind(StrEnum):
    """The two kinds of connections."""

    NAMESPACED = "NetBirdConnection"
    CLUSTER = "ClusterNetBirdConnection"


class ConnectionReference(Model):
    """The connection through which the integration is managed."""

    kind: ConnectionKind
    name: str


class AdoptionPolicy(StrEnum):
    """Whether an integration that exists already may be taken over."""

    NEVER = "Never"
    MATCH = "Match"
    OVERRIDE = "Override"


class Adoption(Model):
    """Taking over an integration that this resource did not create."""

    policy: AdoptionPolicy = AdoptionPolicy.NEVER
    id: int | None = None


class DeletionPolicy(StrEnum):
    """What becomes of the integration when the resource is deleted."""

    DELETE = "Delete"
    ORPHAN = "Orphan"


class DriftPolicy(StrEnum):
    """What is done when somebody else changed the integration."""

    CORRECT = "Correct"
    REPORT = "Report"


class IntegrationSpec(Model):
    """One event-streaming integration of one NetBird account."""

    connection_ref: ConnectionReference = ConnectionReference(kind=ConnectionKind.CLUSTER, name="default")
    platform: Platform
    enabled: bool = True
    datadog: Datadog | None = None
    s3: S3 | None = None
    firehose: Firehose | None = None
    generic_http: GenericHTTP | None = Field(default=None, alias="genericHTTP")
    adoption: Adoption = Adoption()
    deletion_policy: DeletionPolicy = DeletionPolicy.DELETE
    drift_policy: DriftPolicy = DriftPolicy.CORRECT
    suspend: bool = False


class RateLimit(Model):
    """The budget of a token (NetBird Cloud: 120 requests a minute, burst 1,200)."""

    requests_per_minute: int = 120
    burst: int = 1200


class TokenType(StrEnum):
    """How the token is sent: `Authorization: Token …` or `Authorization: Bearer …`."""

    PERSONAL_ACCESS_TOKEN = "PersonalAccessToken"
    OAUTH2 = "OAuth2"


class ConnectionSpec(Model):
    """A NetBird API, a token for it, and optionally the tenant to act in."""

    url: str = "https://api.netbird.io"
    token_secret_ref: KeyReference
    token_type: TokenType = TokenType.PERSONAL_ACCESS_TOKEN
    tenant_id: str | None = Field(default=None, alias="tenantID")
    ca_bundle_config_map_ref: KeyReference | None = None
    rate_limit: RateLimit = RateLimit()
    resync_interval: str = "5m"


class LabelSelectorRequirement(Model):
    """One requirement of a label selector, with Kubernetes' own meaning."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: tuple[str, ...] = ()


class LabelSelector(Model):
    """Kubernetes' label selector; an empty one matches everything."""

    match_labels: dict[str, str] = {}
    match_expressions: tuple[LabelSelectorRequirement, ...] = ()


class Access(Model):
    """Namespaces that may use the connection, and the tenant that they act in."""

    namespaces: tuple[str, ...] = ()
    namespace_selector: LabelSelector | None = None
    tenant_id: str | None = Field(default=None, alias="tenantID")
    allow_adoption: bool = False


class ClusterConnectionSpec(ConnectionSpec):
    """A connection owned by the cluster's administrator."""

    access: tuple[Access, ...] = ()


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
    annotations: dict[str, str] = {}


class Resource(Model):
    """What the three kinds have in common."""

    metadata: Metadata

    @property
    def identity(self) -> Identity:
        """Kind, namespace and name."""
        return Identity(type(self).__name__, self.metadata.namespace, self.metadata.name)

    @property
    def deleting(self) -> bool:
        """Whether deletion has begun; it can't be undone."""
        return self.metadata.deletion_timestamp is not None

    @property
    def has_finalizer(self) -> bool:
        """Whether our own finalizer is on it."""
        return FINALIZER in self.metadata.finalizers


class EventStreamingIntegration(Resource):
    """One event-streaming integration of one NetBird account."""

    spec: IntegrationSpec
    status: Status = Status()


class NetBirdConnection(Resource):
    """A NetBird API and a token for the resources of one namespace."""

    spec: ConnectionSpec
    status: ConnectionStatus = ConnectionStatus()


class ClusterNetBirdConnection(Resource):
    """A NetBird API and a token of the cluster's administrator, for the namespaces that it allows."""

    spec: ClusterConnectionSpec
    status: ConnectionStatus = ConnectionStatus()


Connection = NetBirdConnection | ClusterNetBirdConnection
