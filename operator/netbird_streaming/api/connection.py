"""Specifications of the two kinds of connections."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import ConfigDict, Field

from netbird_streaming.api.access import Access
from netbird_streaming.api.model import Model
from netbird_streaming.api.references import KeyReference
from netbird_streaming.api.tenant import MAX_TENANT, TenantID, tenant_rule
from netbird_streaming.api.validation.fields import ATOMIC_LIST, MAX_URL, doc, examples, url_faults
from netbird_streaming.api.validation.rules import Rule, first_fault, matches, rules

MAX_ENTRIES: Final = 500
"""Bound of the list. With the bound of the namespaces, it keeps the rules within the API server's cost budget."""


class RateLimit(Model):
    """Rate limit of a token (NetBird Cloud: 120 requests a minute, burst 1,200)."""

    requests_per_minute: Annotated[
        int,
        doc("The requests per minute that NetBird allows the token. Example: 120.", minimum=1, maximum=60_000),
    ] = 120
    burst: Annotated[
        int,
        doc("The requests that NetBird allows the token at once. Example: 1200.", minimum=1, maximum=100_000),
    ] = 1200


class TokenType(StrEnum):
    """Kind of a token. It is sent as `Authorization: Token …` or `Authorization: Bearer …`."""

    PERSONAL_ACCESS_TOKEN = "PersonalAccessToken"  # noqa: S105  # a kind of token, not one
    OAUTH2 = "OAuth2"


class ManagementPolicy(StrEnum):
    """Choice whether the operator writes to NetBird with a connection."""

    MANAGE = "Manage"
    OBSERVE = "Observe"


_URL_RULE: Final = first_fault(
    ".url",
    (
        *url_faults(".url"),
        (
            "!(url(self.url).getScheme() in ['https', 'http'])",
            "must begin with https:// (http:// only to loopback, unless the operator allows it)",
        ),
        ("self.url.contains('?')", "must not have a query; set a tenant in tenantID"),
        (
            matches("self.url", "[^/]/api/*$|[^/]/api/(integrations/)?event-streaming(/.*)?$"),
            "must be the server's address without /api, such as https://api.netbird.io",
        ),
    ),
)
_DURATION: Final = "^([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?$"
_INTERVAL_RULE: Final = first_fault(
    ".resyncInterval",
    (
        (
            f"self.resyncInterval == '' || !{matches('self.resyncInterval', _DURATION)}",
            "must be a duration in whole hours, minutes and seconds, such as 5m, 90s or 1h30m",
        ),
        (
            "duration(self.resyncInterval) < duration('1m') || duration(self.resyncInterval) > duration('24h')",
            "must be at least 1m and at most 24h",
        ),
    ),
)
_CONNECTION_RULES: Final[tuple[Rule, ...]] = (_URL_RULE, tenant_rule(), _INTERVAL_RULE)


class ConnectionSpec(Model):
    """Address of a NetBird API, its token, and an optional tenant."""

    model_config = ConfigDict(json_schema_extra=rules(*_CONNECTION_RULES))

    url: Annotated[
        str,
        doc(
            "The address of the NetBird API, without /api. A self-hosted server needs a licence for event streaming."
            " http:// is accepted only to loopback, unless the operator allows it. Example:"
            " https://netbird.example.com.",
            maxLength=MAX_URL,
        ),
    ] = "https://api.netbird.io"
    token_secret_ref: Annotated[
        KeyReference,
        doc(
            "The key of a Secret that holds the token. The Secret is in this resource's namespace; for a"
            " ClusterNetBirdConnection, in the operator's. The token's user must have the right to manage integrations;"
            " prefer a service user.",
            **examples(name="netbird", key="token"),
        ),
    ]
    token_type: Annotated[
        TokenType,
        doc(
            "How the operator sends the token. PersonalAccessToken: `Authorization: Token`, for a token of the"
            " dashboard. OAuth2: `Authorization: Bearer`, for a token of an identity provider."
        ),
    ] = TokenType.PERSONAL_ACCESS_TOKEN
    tenant_id: Annotated[
        TenantID,
        doc(
            "The tenant of a managed service provider to act in. Default: the token's own account. GET"
            " /api/integrations/msp/tenants lists the ids. Example: ch8i4ug6lnn4g9hqv7m0.",
            maxLength=MAX_TENANT,
        ),
    ] = Field(default=None, alias="tenantID")
    ca_bundle_config_map_ref: Annotated[
        KeyReference | None,
        doc(
            "The key of a ConfigMap that holds the PEM certificates of the authorities to verify the API's certificate"
            " with, instead of the public ones. The ConfigMap is in this resource's namespace; for a"
            " ClusterNetBirdConnection, in the operator's.",
            **examples(name="company-ca", key="ca.crt"),
        ),
    ] = None
    allow_plain_http_destinations: Annotated[
        bool,
        doc(
            "Whether resources may name destinations by http:// URLs. NetBird then sends events and credentials in"
            " plain text, readable by everyone on the network path; the condition Ready says so. Use it for a collector"
            " in the same network only."
        ),
    ] = Field(default=False, alias="allowPlainHTTPDestinations")
    management_policy: Annotated[
        ManagementPolicy,
        doc(
            "What the operator does with this connection. Manage: it creates, updates and deletes integrations."
            " Observe: it writes nothing to NetBird, and the condition Ready of each resource says what it would do."
            " Use Observe to evaluate the operator with an account in production."
        ),
    ] = ManagementPolicy.MANAGE
    rate_limit: Annotated[
        RateLimit,
        doc(
            "The rate limit of the token. The defaults are those of NetBird Cloud; a self-hosted server has its own."
            " All connections with the same token share one limit, the lowest that is set.",
            default={"requestsPerMinute": 120, "burst": 1200},
        ),
    ] = RateLimit()
    resync_interval: Annotated[
        str,
        doc(
            "How often the operator compares NetBird with the declared state, from 1m to 24h. The operator extends it"
            " while resyncs would use more than a quarter of the rate limit. Changes of resources and Secrets take"
            " effect at once. Example: 1h30m.",
            maxLength=16,
        ),
    ] = "5m"


class ClusterConnectionSpec(ConnectionSpec):
    """Specification of a connection of the cluster's administrator."""

    model_config = ConfigDict(json_schema_extra=rules(*_CONNECTION_RULES))

    access: Annotated[
        tuple[Access, ...],
        doc(
            "The namespaces that may use this connection. Default: none. The first entry that matches a namespace"
            " decides.",
            maxItems=MAX_ENTRIES,
            **ATOMIC_LIST,
        ),
    ] = ()
