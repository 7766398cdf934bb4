"""Namespaces that may use a connection of the cluster."""

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from netbird_streaming.api.model import Model
from netbird_streaming.api.tenant import MAX_TENANT, TenantID, tenant_rule
from netbird_streaming.api.validation.fields import ATOMIC_LIST, ATOMIC_MAP, SET, doc
from netbird_streaming.api.validation.rules import Cause, Rule, matches, rules

MAX_NAMESPACES: Final = 64
MAX_LABELS: Final = 8
MAX_LABEL_KEY: Final = 317
MAX_LABEL_VALUE: Final = 63

LabelValue = Annotated[str, doc("The value of a label. Example: a.", maxLength=MAX_LABEL_VALUE)]
Namespace = Annotated[str, doc("The name of a namespace. Example: team-a.", maxLength=63)]


class LabelSelectorRequirement(Model):
    """Requirement of a label selector, as in Kubernetes."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                matches("self.key", "^([a-z0-9.-]+/)?[A-Za-z0-9._-]+$"),
                "must be the key of a label, such as team or example.com/team",
                ".key",
            ),
            Rule(
                "self.operator in ['Exists', 'DoesNotExist'] || (has(self.values) && self.values.size() > 0)",
                "operators In and NotIn need at least one value",
                ".values",
                Cause.REQUIRED,
            ),
            Rule(
                "self.operator in ['In', 'NotIn'] || !has(self.values) || self.values.size() == 0",
                "must be removed: operators Exists and DoesNotExist take no values",
                ".values",
                Cause.FORBIDDEN,
            ),
        )
    )

    key: Annotated[str, doc("The key of the label. Example: example.com/team.", maxLength=MAX_LABEL_KEY)]
    operator: Annotated[
        Literal["In", "NotIn", "Exists", "DoesNotExist"],
        doc("How the label is compared. In and NotIn need values; Exists and DoesNotExist take none."),
    ]
    values: Annotated[
        tuple[LabelValue, ...],
        doc("The values of In and NotIn. Example: [a, b].", maxItems=MAX_LABELS, **ATOMIC_LIST),
    ] = ()


class LabelSelector(Model):
    """Label selector, as in Kubernetes. An empty selector matches everything."""

    model_config = ConfigDict(
        json_schema_extra=ATOMIC_MAP
        | rules(
            Rule(
                "!has(self.matchLabels) || self.matchLabels.all(key, !format.qualifiedName().validate(key).hasValue()"
                " && !format.labelValue().validate(self.matchLabels[key]).hasValue())",
                "must be labels: keys such as example.com/team, values of at most 63 letters, digits, '-', '_' and '.'",
                ".matchLabels",
            ),
        )
    )

    match_labels: Annotated[
        dict[str, LabelValue],
        doc(
            "The labels that the namespace must have, with exactly these values. Example: {team: a}.",
            maxProperties=MAX_LABELS,
        ),
    ] = Field(default={})
    match_expressions: Annotated[
        tuple[LabelSelectorRequirement, ...],
        doc("The requirements that the namespace's labels must all meet.", maxItems=MAX_LABELS, **ATOMIC_LIST),
    ] = ()


_NAMED: Final = "(has(self.namespaces) && self.namespaces.size() > 0)"


class Access(Model):
    """Namespaces that may use the connection, and the tenant that they act in."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                f"{_NAMED} || has(self.namespaceSelector)",
                "name the namespaces that may use the connection, or select them by namespaceSelector ({} is all)",
                ".namespaces",
                Cause.REQUIRED,
            ),
            Rule(
                f"!{_NAMED} || !has(self.namespaceSelector)",
                "must be removed, or namespaces: an entry names namespaces or selects them; write two entries for both",
                ".namespaceSelector",
                Cause.FORBIDDEN,
            ),
            Rule(
                "!has(self.namespaces) || self.namespaces.all(n, n.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'))",
                "must be names of namespaces: lower-case letters, digits and '-'; no patterns, use namespaceSelector",
                ".namespaces",
            ),
            tenant_rule(),
        )
    )

    namespaces: Annotated[
        tuple[Namespace, ...],
        doc(
            "The names of the namespaces. Set this or namespaceSelector. Example: [team-a, team-b].",
            maxItems=MAX_NAMESPACES,
            **SET,
        ),
    ] = ()
    namespace_selector: Annotated[
        LabelSelector | None,
        doc(
            "A selector over the labels of namespaces; {} selects all. A user who can label a namespace can add it to"
            " the selection; Kubernetes protects only kubernetes.io/metadata.name. Set this or namespaces."
        ),
    ] = None
    tenant_id: Annotated[
        TenantID,
        doc(
            "The only tenant that these namespaces act in. Default: the tenant of the connection. Example:"
            " ch8i4ug6lnn4g9hqv7m0.",
            maxLength=MAX_TENANT,
        ),
    ] = Field(default=None, alias="tenantID")
    allow_adoption: Annotated[
        bool,
        doc(
            "Whether resources of these namespaces may adopt integrations that they did not create. Leave it false if"
            " several teams share an account: one team could adopt another team's integration."
        ),
    ] = False
