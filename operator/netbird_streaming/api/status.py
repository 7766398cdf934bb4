"""What the operator writes into the `status` of an integration, and reads back after a restart.

Status is authorised apart from the rest of a resource and survives `kubectl replace`, so what ownership rests on is
kept here and nowhere else: the public part is for users, `internal` for the operator. Nothing changes unless the thing
that it describes changed. The schema's bounds are never reached by what the operator writes, since a status that the
API server refused would lose an id, and together they admit less than 256 KiB.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field

from netbird_streaming.api.model import Model
from netbird_streaming.api.validation.fields import ATOMIC_LIST, TIME, doc
from netbird_streaming.api.validation.rules import short_names

MAX_DIGEST: Final = 40
MAX_KEY_ID: Final = 16
MAX_ANSWERED: Final = 256
"""For texts that NetBird chose; a longer one is refused where an answer is parsed."""
MAX_REQUEST: Final = 256
"""For a reconcile request: of a longer annotation a digest is kept."""
MAX_UID: Final = 64
MAX_PLATFORM: Final = 64
MAX_PUBLIC: Final = 2048
"""For a public value: as long as a URL may be."""
MAX_SETTINGS: Final = 4
"""Settings of one platform by which integrations are told apart, at most."""
MAX_CONDITIONS: Final = 12
MAX_MESSAGE: Final = 1024
MAX_UNRESOLVED: Final = 8
MAX_CORRECTIONS: Final = 3
MAX_KNOWN: Final = 32
MAX_FORMER: Final = 8

CONDITION_TYPES: Final = frozenset({"Ready", "Reconciling", "Stalled", "Drifted", "Suspended"})
"""Ours. The list is a map by type, so other controllers may have conditions beside them, which are theirs alone."""

BY_TYPE: Final = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}

Digest = Annotated[str, doc("A keyed digest, which tells nothing of what it was made of.", maxLength=MAX_DIGEST)]
Digests = dict[str, Digest]
PublicText = Annotated[str, doc("A value that is known to be public.", maxLength=MAX_PUBLIC)]
PublicConfig = dict[str, PublicText]
RemoteID = Annotated[int, doc("An integration's id in NetBird.", minimum=1)]


class Condition(Model):
    """A condition of the Kubernetes API conventions."""

    type: Annotated[
        str,
        doc(
            "Ready; and, only while true, Reconciling and Stalled (kstatus), Drifted and Suspended.",
            maxLength=316,
        ),
    ]
    status: Annotated[Literal["True", "False", "Unknown"], doc("Whether the condition holds.")]
    reason: Annotated[
        str,
        doc(
            "Why, as one word. A reason never changes its meaning. Later versions may add reasons, so clients must"
            " tolerate unknown ones.",
            maxLength=256,
        ),
    ]
    message: Annotated[str, doc("Why, and what to do about it, in a sentence.", maxLength=MAX_MESSAGE)] = ""
    observed_generation: Annotated[
        int | None, doc("The generation of the resource that the condition is about.", minimum=0)
    ] = None
    last_transition_time: Annotated[datetime, doc("When the condition's status last changed.", **TIME)]


class Applied(Model):
    """What NetBird last accepted from us: a keyed fingerprint of the whole request, secrets included."""

    fingerprint: Annotated[
        str,
        doc("A keyed digest of the platform, the settings, the Secrets' values and `enabled`.", maxLength=MAX_DIGEST),
    ]
    key_id: Annotated[
        str,
        doc(
            "Which key it was made with; that of a lost key only means that NetBird is written once more.",
            maxLength=MAX_KEY_ID,
        ),
    ] = Field(alias="keyID")


class Intent(Model):
    """A create in flight: written before the POST, so that a lost answer can be looked for.

    `signature` holds a keyed digest of each value by which NetBird's LIST tells integrations apart, `since` the
    server's time (`Date`) of the LIST before the POST, absent where it sends none. What came of it shows in the account
    that it went to and in no other: `authority`, `account_id` and `proof` tell which one that is. `newest`,
    `highest_id`, `known_ids` and `unidentified` describe that LIST: what is not in it may have come of the POST,
    whatever its values.
    """

    attempt: Annotated[int, doc("Which attempt it is, from 1 on.", minimum=1)]
    endpoint: Annotated[
        str,
        doc("A keyed digest of the connection, its URL and the tenant that it went to.", maxLength=MAX_DIGEST),
    ]
    account_id: Annotated[
        str | None,
        doc("The NetBird account that it went to, where it was known then.", maxLength=MAX_ANSWERED),
    ] = Field(default=None, alias="accountID")
    authority: Annotated[
        str | None,
        doc("A digest of the server that it was sent to: its URL, and who controls the trust.", maxLength=MAX_DIGEST),
    ] = None
    proof: Annotated[
        str | None,
        doc(
            "A keyed digest of the URL, token and tenant that it was sent with: the same ones lead to where it went.",
            maxLength=MAX_DIGEST,
        ),
    ] = None
    platform: Annotated[str, doc("The platform that was asked for.", maxLength=MAX_PLATFORM)]
    signature: Annotated[
        Digests,
        doc(
            "Keyed digests of the settings that tell integrations apart, by their name in NetBird.",
            maxProperties=MAX_SETTINGS,
            **short_names(),
        ),
    ]
    key_id: Annotated[str, doc("Which key the digests were made with.", maxLength=MAX_KEY_ID)] = Field(alias="keyID")
    since: Annotated[datetime | None, doc("NetBird's own time before the attempt.", **TIME)] = None
    until: Annotated[
        datetime | None, doc("NetBird's own time after which it can't have been made any more.", **TIME)
    ] = None
    newest: Annotated[
        datetime | None,
        doc("The latest `createdAt` that NetBird listed before the attempt.", **TIME),
    ] = None
    highest_id: Annotated[int, doc("The highest id that NetBird listed before the attempt.", minimum=0)] = Field(
        default=0, alias="highestID"
    )
    known_ids: Annotated[
        tuple[RemoteID, ...],
        doc(
            "Integrations of the platform that were listed before the attempt, as far as `newest` does not tell.",
            maxItems=MAX_KNOWN,
            **ATOMIC_LIST,
        ),
    ] = Field(default=(), alias="knownIDs")
    unidentified: Annotated[
        int,
        doc(
            "How many elements of the list before the attempt had no id that could be read.",
            minimum=0,
            maximum=100_000,
        ),
    ] = 0


class Correction(Model):
    """A drift that was corrected: the remote `updatedAt` that showed it, the values that differed, and when."""

    at: Annotated[datetime, doc("When it was corrected.", **TIME)]
    updated_at: Annotated[
        str | None,
        doc("When NetBird says that another client changed the integration.", **TIME),
    ] = None
    values: Annotated[
        Digests,
        doc(
            "Keyed digests of the values that differed, by their name in NetBird; none if another client surely wrote"
            " them.",
            maxProperties=MAX_SETTINGS,
            **short_names(),
        ),
    ] = Field(default={})


class Origin(StrEnum):
    """How this resource came by its integration."""

    CREATED = "Created"
    ADOPTED = "Adopted"
    INFERRED = "Inferred"


class Former(Model):
    """An integration that this resource owned, and that NetBird stopped showing."""

    id: RemoteID
    authority: Annotated[str | None, doc("A keyed digest of the server that it was in.", maxLength=MAX_DIGEST)] = None
    account_id: Annotated[str | None, doc("The NetBird account that it was in.", maxLength=MAX_ANSWERED)] = Field(
        default=None, alias="accountID"
    )
    created_at: Annotated[datetime | None, doc("When it was created: an id can be given again.", **TIME)] = None
    platform: Annotated[str | None, doc("Its platform.", maxLength=MAX_PLATFORM)] = None
    origin: Annotated[Origin | None, doc("How this resource came by it.")] = None


class Internal(Model):
    """The part of a status that is private to the operator."""

    authority: Annotated[
        str | None,
        doc(
            "A digest of the server that status.id and status.accountID are from: its URL, and who controls the trust.",
            maxLength=MAX_DIGEST,
        ),
    ] = None
    proof: Annotated[
        str | None,
        doc(
            "A keyed digest of the URL, token and tenant that status.id was received with: while the account is not"
            " known, the id is used with no others.",
            maxLength=MAX_DIGEST,
        ),
    ] = None
    applied: Annotated[
        Applied | None, doc("What NetBird last accepted: a digest, which says whether it is current.")
    ] = None
    creation: Annotated[
        Intent | None,
        doc(
            "A creation that is under way, or whose answer was lost: written before NetBird is asked, so that nothing"
            " is created twice or forgotten."
        ),
    ] = None
    unresolved_creations: Annotated[
        tuple[Intent, ...],
        doc(
            "Earlier creations whose outcome is unknown: an integration that appears later and matches one of them is"
            " named by a condition.",
            maxItems=MAX_UNRESOLVED,
            **ATOMIC_LIST,
        ),
    ] = ()
    corrections: Annotated[
        tuple[Correction, ...],
        doc(
            "The last corrections of drift; too many in an hour stop them.",
            maxItems=MAX_CORRECTIONS,
            **ATOMIC_LIST,
        ),
    ] = ()
    resent_at: Annotated[
        datetime | None,
        doc(
            "When all settings were last sent again because `updatedAt` had moved without another difference: a server"
            " may move it by itself.",
            **TIME,
        ),
    ] = None
    former: Annotated[
        tuple[Former, ...],
        doc(
            "Integrations that this resource owned and that NetBird stopped showing, until they are seen again.",
            maxItems=MAX_FORMER,
            **ATOMIC_LIST,
        ),
    ] = ()
    normalized: Annotated[
        Digests,
        doc(
            "Settings that NetBird stores in another form than the one sent, with a digest of that form, which is"
            " accepted.",
            maxProperties=MAX_SETTINGS,
            **short_names(),
        ),
    ] = Field(default={})
    owner_uid: Annotated[
        str | None,
        doc(
            "The uid of the resource that this status was written for. That of another resource (a restored backup) is"
            " a claim that needs spec.adoption.",
            maxLength=MAX_UID,
        ),
    ] = Field(default=None, alias="ownerUID")
    claimed_id: Annotated[
        int | None,
        doc("The id of an integration that a restored status names, and that was not adopted yet.", minimum=1),
    ] = Field(default=None, alias="claimedID")


class Status(Model):
    """The status of an `EventStreamingIntegration`."""

    id: Annotated[
        int | None,
        doc("The integration's id in NetBird. To find a resource by it: --field-selector status.id=ID.", minimum=1),
    ] = None
    origin: Annotated[
        Origin | None,
        doc(
            "How this resource came by its integration. Created: it made it. Adopted: spec.adoption took it over."
            " Inferred: the answer to the creation was lost, and it was found by what NetBird lists."
        ),
    ] = None
    account_id: Annotated[
        str | None,
        doc("The NetBird account that the integration is in; it never moves to another.", maxLength=MAX_ANSWERED),
    ] = Field(default=None, alias="accountID")
    platform: Annotated[str | None, doc("The platform, as NetBird has it.", maxLength=MAX_ANSWERED)] = None
    enabled: Annotated[bool | None, doc("Whether NetBird streams, as it last said.")] = None
    config: Annotated[
        PublicConfig | None,
        doc(
            "What NetBird was last given, as far as it is known to be public: names of buckets, streams, regions and"
            " headers, URLs without their query; never a value from a Secret.",
            maxProperties=MAX_SETTINGS,
            **short_names(),
        ),
    ] = None
    created_at: Annotated[str | None, doc("When NetBird says that the integration was created (RFC 3339).", **TIME)] = (
        None
    )
    updated_at: Annotated[
        str | None,
        doc(
            "When NetBird says that it was last changed, by this operator's own last write (RFC 3339): a later time"
            " means that another client wrote.",
            **TIME,
        ),
    ] = None
    observed_generation: Annotated[
        int | None, doc("The generation of the resource that the rest of the status is about.", minimum=0)
    ] = None
    last_handled_reconcile_at: Annotated[
        str | None,
        doc(
            "The value of the annotation integrations.netbird.io/reconcile-requested-at that was acted on last (of a"
            f" value longer than {MAX_REQUEST} characters, its SHA-256): another value there asks for a reconcile now.",
            maxLength=MAX_REQUEST,
        ),
    ] = None
    conditions: Annotated[
        tuple[Condition, ...],
        doc(
            "How it stands: Ready; and, only while true, Reconciling, Stalled, Drifted and Suspended.",
            maxItems=MAX_CONDITIONS,
            **BY_TYPE,
        ),
    ] = ()
    internal: Annotated[
        Internal,
        doc("Private to the operator: its fields change without notice. Read the rest of the status instead."),
    ] = Internal()

    def evolve(self, **changes: object) -> "Status":
        """Return the same status with some fields changed, those of `internal` included."""
        private = {name: value for name, value in changes.items() if name in Internal.model_fields}
        public = {name: value for name, value in changes.items() if name not in private}
        if private:
            public["internal"] = self.internal.model_copy(update=private)
        return self.model_copy(update=public)


def others(conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """The conditions of other controllers."""
    return tuple(each for each in conditions if each.type not in CONDITION_TYPES)


def own(status: Status) -> Status:
    """A status without what other controllers wrote beside it."""
    if not others(status.conditions):
        return status
    ours = tuple(each for each in status.conditions if each.type in CONDITION_TYPES)
    return status.model_copy(update={"conditions": ours})
