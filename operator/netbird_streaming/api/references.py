"""References to other objects: a key of a Secret or ConfigMap, a connection."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import ConfigDict

from netbird_streaming.api.model import Model
from netbird_streaming.api.validation.fields import ATOMIC_MAP, doc, name_rule
from netbird_streaming.api.validation.rules import Rule, rules

_KEY_RULE: Final = Rule(
    rule="self.key.matches('^[-._a-zA-Z0-9]+$') && self.key != '.' && !self.key.startsWith('..')",
    message="must be the name of a key: letters, digits, '-', '_' and '.', at most 253; not its value",
    field=".key",
)


class KeyReference(Model):
    """Key of a Secret or ConfigMap. It has no namespace, since the field that uses it determines the namespace."""

    model_config = ConfigDict(json_schema_extra=ATOMIC_MAP | rules(name_rule(".name"), _KEY_RULE))

    name: Annotated[str, doc("The name of the object.", maxLength=253)]
    key: Annotated[str, doc("The key in the object's data that holds the value.", maxLength=253)]


class ConnectionKind(StrEnum):
    """Kinds of connections."""

    NAMESPACED = "NetBirdConnection"
    CLUSTER = "ClusterNetBirdConnection"


class ConnectionReference(Model):
    """Connection through which the operator manages the integration."""

    model_config = ConfigDict(json_schema_extra=ATOMIC_MAP | rules(name_rule(".name")))

    kind: Annotated[
        ConnectionKind,
        doc(
            "The kind of the connection. NetBirdConnection: a connection in this resource's namespace."
            " ClusterNetBirdConnection: a connection of the cluster's administrator, whose spec.access must allow this"
            " namespace."
        ),
    ]
    name: Annotated[str, doc("The name of the connection. Example: default.", maxLength=253)]
