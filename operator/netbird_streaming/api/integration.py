"""Specification of an `EventStreamingIntegration`."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import ConfigDict, Field

from netbird_streaming.api.destinations import BLOCKS, S3, Datadog, Firehose, GenericHTTP, Platform, block_doc
from netbird_streaming.api.model import Model
from netbird_streaming.api.references import ConnectionKind, ConnectionReference
from netbird_streaming.api.validation.fields import doc
from netbird_streaming.api.validation.rules import Cause, Rule, literal, rules


class AdoptionPolicy(StrEnum):
    """Condition for the adoption of an integration that exists already."""

    NEVER = "Never"
    MATCH = "Match"
    OVERRIDE = "Override"


class DeletionPolicy(StrEnum):
    """Effect on the integration when the resource is deleted."""

    DELETE = "Delete"
    ORPHAN = "Orphan"


class DriftPolicy(StrEnum):
    """Response to a change of the integration by another client."""

    CORRECT = "Correct"
    REPORT = "Report"


class Adoption(Model):
    """Adoption of an integration that this resource did not create."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "!has(self.id) || self.policy != 'Never'",
                "must be removed, or policy set to Match or Override: policy Never adopts nothing",
                ".id",
                Cause.FORBIDDEN,
            ),
            Rule(
                "has(self.id) || self.policy != 'Override'",
                "policy Override needs the id of the integration to adopt; NetBird's API lists it",
                ".id",
                Cause.REQUIRED,
            ),
        )
    )

    policy: Annotated[
        AdoptionPolicy,
        doc(
            "Never: adopt nothing; an identical integration blocks the creation. Match: adopt the identical integration"
            " (that of id, or the only one), or create one if none is identical. Override: adopt the integration of id"
            " and correct its settings."
        ),
    ] = AdoptionPolicy.NEVER
    id: Annotated[
        int | None,
        doc(
            "The id in NetBird of the integration to adopt. An id that does not exist is never created. An id that"
            " another resource owns is rejected. Example: 42.",
            minimum=1,
        ),
    ] = None


_BLOCK_OF_PLATFORM: Final = (
    "{" + ", ".join(f"{literal(platform)}: {literal(block)}" for platform, (block, _) in BLOCKS.items()) + "}"
)


def _block_rules() -> tuple[Rule, ...]:
    """Return the rules that require the block of the platform, and no other."""
    required = (
        Rule(
            f"self.platform != {literal(platform)} || has(self.{block})",
            f"platform is {platform}: add its settings under {block}",
            f".{block}",
            Cause.REQUIRED,
        )
        for platform, (block, _) in BLOCKS.items()
    )
    forbidden = (
        Rule(
            f"!has(self.{block}) || self.platform == {literal(platform)}",
            "must be removed: it does not hold the settings of the platform",
            f".{block}",
            Cause.FORBIDDEN,
            "'must be removed: platform is ' + self.platform + ', whose settings are under '"
            f" + {_BLOCK_OF_PLATFORM}[self.platform]",
        )
        for platform, (block, _) in BLOCKS.items()
    )
    return (*required, *forbidden)


class IntegrationSpec(Model):
    """Declared state of one event-streaming integration in one NetBird account."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "self.platform == oldSelf.platform",
                "can't be changed, since NetBird can't: create another resource, then delete this one",
                ".platform",
                Cause.FORBIDDEN,
            ),
            *_block_rules(),
        )
    )

    connection_ref: Annotated[
        ConnectionReference,
        doc(
            "The connection whose NetBird account holds the integration. Default: the ClusterNetBirdConnection"
            " `default`. It can change to another connection of the same account, and to no other account.",
            default={"kind": ConnectionKind.CLUSTER.value, "name": "default"},
        ),
    ] = ConnectionReference(kind=ConnectionKind.CLUSTER, name="default")
    platform: Annotated[
        Platform,
        doc(
            "The platform that NetBird streams events to. The values are those of NetBird's API, so generic_http has an"
            " underscore. The field of that name holds the settings (genericHTTP for generic_http). Immutable: create"
            " another resource instead."
        ),
    ]
    enabled: Annotated[
        bool,
        doc(
            "Whether NetBird streams events. A disabled integration stays in NetBird with its settings. NetBird's"
            " dashboard allows one enabled integration per account."
        ),
    ] = True
    datadog: Annotated[Datadog | None, block_doc(Platform.DATADOG)] = None
    s3: Annotated[S3 | None, block_doc(Platform.S3)] = None
    firehose: Annotated[Firehose | None, block_doc(Platform.FIREHOSE)] = None
    generic_http: Annotated[GenericHTTP | None, block_doc(Platform.GENERIC_HTTP)] = Field(
        default=None, alias="genericHTTP"
    )
    adoption: Annotated[
        Adoption,
        doc(
            "Whether this resource may adopt an integration that it did not create. With a ClusterNetBirdConnection,"
            " spec.access[].allowAdoption of the connection must allow it too.",
            default={"policy": AdoptionPolicy.NEVER.value},
        ),
    ] = Adoption()
    deletion_policy: Annotated[
        DeletionPolicy,
        doc(
            "What happens to the integration when this resource is deleted. Delete: the operator deletes it. Orphan: it"
            " stays in NetBird and keeps streaming; an Event names its id. This field can be changed while the resource"
            " is terminating."
        ),
    ] = DeletionPolicy.DELETE
    drift_policy: Annotated[
        DriftPolicy,
        doc(
            "What happens when another client changed or deleted the integration in NetBird. Correct: the operator"
            " restores what this resource declares. Report: the operator sets the condition Drifted, and writes nothing"
            " until this resource or one of its Secrets changes."
        ),
    ] = DriftPolicy.CORRECT
    suspend: Annotated[
        bool,
        doc(
            "Whether the operator stops writing to NetBird. While true, it creates, changes and corrects nothing. It"
            " still deletes the integration of a deleted resource."
        ),
    ] = False

    @property
    def block(self) -> Model | None:
        """Return the settings of the platform. The attribute has the name of the platform."""
        block: Model | None = getattr(self, self.platform.value)
        return block
