"""References to what lies beside a resource: a key of a Secret or ConfigMap, a connection."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import ConfigDict

from netbird_streaming.core.model import Model
from netbird_streaming.core.schema.fields import ATOMIC_MAP, OPTIONAL, doc, name_rule
from netbird_streaming.core.schema.rules import Cause, Rule, rules

_KEY_RULE: Final = Rule(
    rule="self.key.matches('^[-._a-zA-Z0-9]+$') && self.key != '.' && !self.key.startsWith('..')",
    message="must be the name of a key: letters, digits, '-', '_' and '.', at most 253; not its value",
    field=".key",
)


class KeyReference(Model):
    """One key of a Secret or ConfigMap; never a namespace: it is the one of the object that refers."""

    model_config = ConfigDict(json_schema_extra=ATOMIC_MAP | rules(name_rule(".name"), _KEY_RULE))

    name: Annotated[
        str,
        doc("The object's name, in the namespace of the resource that refers to it. Example: datadog.", maxLength=253),
    ]
    key: Annotated[str, doc("The key in its data that holds the value. Example: api-key.", maxLength=253)]


class ConnectionKind(StrEnum):
    """The two kinds of connections."""

    NAMESPACED = "NetBirdConnection"
    CLUSTER = "ClusterNetBirdConnection"


class ConnectionReference(Model):
    """The connection through which the integration is managed."""

    model_config = ConfigDict(
        json_schema_extra=ATOMIC_MAP
        | rules(
            Rule(
                "has(self.kind)",
                "say which kind of connection: NetBirdConnection (of this namespace) or ClusterNetBirdConnection",
                ".kind",
                Cause.REQUIRED,
            ),
            name_rule(".name"),
        )
    )

    kind: Annotated[
        ConnectionKind,
        doc(
            "NetBirdConnection: one of this resource's namespace. ClusterNetBirdConnection: one of the cluster's"
            " administrator, whose spec.access must allow this namespace. Required where connectionRef is written.",
            **OPTIONAL,
        ),
    ]
    name: Annotated[str, doc("The connection's name. Example: default.", maxLength=253)]
