"""The specification of an `EventStreamingIntegration`, as its user writes it."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import ConfigDict, Field

from netbird_streaming.core.model import Model
from netbird_streaming.core.schema.fields import OPTIONAL, doc
from netbird_streaming.core.schema.rules import Cause, Rule, literal, rules
from netbird_streaming.core.specs.destinations import S3, Datadog, Firehose, GenericHTTP
from netbird_streaming.core.specs.references import ConnectionKind, ConnectionReference


class Platform(StrEnum):
    """Where NetBird streams events to, in the API's own words."""

    DATADOG = "datadog"
    S3 = "s3"
    FIREHOSE = "firehose"
    GENERIC_HTTP = "generic_http"


class AdoptionPolicy(StrEnum):
    """Whether an integration that exists already may be taken over."""

    NEVER = "Never"
    MATCH = "Match"
    OVERRIDE = "Override"


class DeletionPolicy(StrEnum):
    """What becomes of the integration when the resource is deleted."""

    DELETE = "Delete"
    ORPHAN = "Orphan"


class DriftPolicy(StrEnum):
    """What is done when somebody else changed the integration."""

    CORRECT = "Correct"
    REPORT = "Report"


class Adoption(Model):
    """Taking over an integration that this resource did not create."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "!has(self.id) || self.policy != 'Never'",
                "must be removed, or policy set to Match or Override: policy Never takes nothing over",
                ".id",
                Cause.FORBIDDEN,
            ),
            Rule(
                "has(self.id) || self.policy != 'Override'",
                "policy Override needs the id of the integration to take over; NetBird's API and dashboard show it",
                ".id",
                Cause.REQUIRED,
            ),
        )
    )

    policy: Annotated[
        AdoptionPolicy,
        doc(
            "Never: an integration that exists is left alone, and an identical one blocks the creation. Match: take"
            " over the one that is identical (of id, where it is set; else the only one), or create one where there is"
            " none. Override: take over id and correct what differs."
        ),
    ] = AdoptionPolicy.NEVER
    id: Annotated[
        int | None,
        doc(
            "The id in NetBird of the integration to take over, from 1 on. An id that does not exist is never created,"
            " one that another resource holds is refused. Example: 42.",
            minimum=1,
        ),
    ] = None


_BLOCKS: Final = {
    Platform.DATADOG: "datadog",
    Platform.S3: "s3",
    Platform.FIREHOSE: "firehose",
    Platform.GENERIC_HTTP: "genericHTTP",
}
_BLOCK_OF_PLATFORM: Final = (
    "{" + ", ".join(f"{literal(platform)}: {literal(block)}" for platform, block in _BLOCKS.items()) + "}"
)


def _block_rules() -> tuple[Rule, ...]:
    """Exactly the block that the platform names."""
    required = (
        Rule(
            f"!has(self.platform) || self.platform != {literal(platform)} || has(self.{block})",
            f"platform is {platform}: add its settings under {block}",
            f".{block}",
            Cause.REQUIRED,
        )
        for platform, block in _BLOCKS.items()
    )
    forbidden = (
        Rule(
            f"!has(self.{block}) || !has(self.platform) || self.platform == {literal(platform)}",
            "must be removed: it is not the block that platform names",
            f".{block}",
            Cause.FORBIDDEN,
            "'must be removed: platform is ' + self.platform + ', whose settings are under '"
            f" + {_BLOCK_OF_PLATFORM}[self.platform]",
        )
        for platform, block in _BLOCKS.items()
    )
    return (*required, *forbidden)


class IntegrationSpec(Model):
    """One event-streaming integration of one NetBird account."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "has(self.platform)",
                f"say where events go: {', '.join(Platform)}",
                ".platform",
                Cause.REQUIRED,
            ),
            Rule(
                "!has(self.platform) || !has(oldSelf.platform) || self.platform == oldSelf.platform",
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
            "The connection whose NetBird account the integration lives in: the ClusterNetBirdConnection `default`"
            " where it is left out. It may change to another connection of the same account, not to one of"
            " another.",
            default={"kind": ConnectionKind.CLUSTER.value, "name": "default"},
        ),
    ] = ConnectionReference(kind=ConnectionKind.CLUSTER, name="default")
    platform: Annotated[
        Platform,
        doc(
            "Where NetBird streams events to, in its API's own words; the settings are in the block of that name"
            " (genericHTTP for generic_http). Required. It can't change: create another resource instead.",
            **OPTIONAL,
        ),
    ]
    enabled: Annotated[
        bool,
        doc("Whether NetBird streams. An integration that is not enabled is kept in NetBird, with its settings."),
    ] = True
    datadog: Annotated[
        Datadog | None,
        doc("Datadog's log intake; exactly where platform is datadog."),
    ] = None
    s3: Annotated[
        S3 | None,
        doc("An Amazon S3 bucket; exactly where platform is s3."),
    ] = None
    firehose: Annotated[
        Firehose | None,
        doc("An Amazon Data Firehose stream; exactly where platform is firehose."),
    ] = None
    generic_http: Annotated[
        GenericHTTP | None,
        doc("Any HTTP endpoint; exactly where platform is generic_http."),
    ] = Field(default=None, alias="genericHTTP")
    adoption: Annotated[
        Adoption,
        doc(
            "Whether an integration that exists already may be taken over; never, by default. Through a cluster's"
            " connection its administrator must allow it (spec.access[].allowAdoption).",
            default={"policy": AdoptionPolicy.NEVER.value},
        ),
    ] = Adoption()
    deletion_policy: Annotated[
        DeletionPolicy,
        doc(
            "What becomes of the integration when this resource is deleted. Delete: it goes too. Orphan: it stays in"
            " NetBird and streams on; an event names its id. It can still be changed while the resource is terminating."
        ),
    ] = DeletionPolicy.DELETE
    drift_policy: Annotated[
        DriftPolicy,
        doc(
            "What is done when somebody else changed or deleted the integration in NetBird. Correct: it is made as"
            " declared here. Report: the condition Drifted says so, and nothing is written until this resource or a"
            " Secret of it changes."
        ),
    ] = DriftPolicy.CORRECT
    suspend: Annotated[
        bool,
        doc("While true, NetBird is not written to: nothing is created, changed or corrected. Deletion still acts."),
    ] = False
