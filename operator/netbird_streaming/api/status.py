"""Status of an integration. The operator writes it, and reads it after a restart.

Status has its own permission and survives `kubectl replace`. The evidence of ownership is therefore only here. The
public part is for users, and `internal` is for the operator. A field changes only with the state that it describes.
The operator never writes a value beyond the bounds of the schema: if the API server rejected a status, its id would be
lost. All bounds together allow less than 256 KiB.
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
"""Length of a text that NetBird chose. The parser of responses rejects a longer one."""
MAX_REQUEST: Final = 256
"""Length of a reconcile request. Of a longer annotation, the status holds a digest."""
MAX_UID: Final = 64
MAX_PLATFORM: Final = 64
MAX_PUBLIC: Final = 2048
"""Length of a public value: that of a URL."""
MAX_SETTINGS: Final = 4
"""Number of settings of one platform that distinguish integrations."""
MAX_CONDITIONS: Final = 12
MAX_MESSAGE: Final = 1024
MAX_UNRESOLVED: Final = 8
MAX_CORRECTIONS: Final = 3
MAX_KNOWN: Final = 32
MAX_FORMER: Final = 8

CONDITION_TYPES: Final = frozenset({"Ready", "Reconciling", "Stalled", "Drifted", "Suspended"})
"""Types that the operator writes. The list is a map by type, so other controllers can add their own conditions."""

BY_TYPE: Final = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}

Digest = Annotated[str, doc("A keyed digest. It does not reveal the value.", maxLength=MAX_DIGEST)]
Digests = dict[str, Digest]
PublicText = Annotated[str, doc("A public value.", maxLength=MAX_PUBLIC)]
PublicConfig = dict[str, PublicText]
RemoteID = Annotated[int, doc("The id of an integration in NetBird.", minimum=1)]


class Condition(Model):
    """Condition, as in the Kubernetes API conventions."""

    type: Annotated[
        str,
        doc(
            "Ready always; Reconciling, Stalled, Drifted and Suspended only while true.",
            maxLength=316,
        ),
    ]
    status: Annotated[Literal["True", "False", "Unknown"], doc("Whether the condition holds.")]
    reason: Annotated[
        str,
        doc(
            "The cause, in one word. A reason keeps its meaning. Later versions may add reasons, so clients must"
            " tolerate unknown ones.",
            maxLength=256,
        ),
    ]
    message: Annotated[str, doc("The cause and the remedy, in a sentence.", maxLength=MAX_MESSAGE)] = ""
    observed_generation: Annotated[
        int | None, doc("The generation of the resource that the condition describes.", minimum=0)
    ] = None
    last_transition_time: Annotated[datetime, doc("The time of the last change of the condition's status.", **TIME)]


class Applied(Model):
    """Fingerprint of the last request that NetBird accepted, with its secret values."""

    fingerprint: Annotated[
        str,
        doc("A keyed digest of the platform, the settings, the values of Secrets and `enabled`.", maxLength=MAX_DIGEST),
    ]
    key_id: Annotated[
        str,
        doc(
            "The id of the key of the digest. If that key is lost, the operator sends the settings once more.",
            maxLength=MAX_KEY_ID,
        ),
    ] = Field(alias="keyID")


class Intent(Model):
    """Intent of a create. It is written before the POST, so that the operator can find the result of a lost response.

    `signature` holds a keyed digest of each value that distinguishes integrations in NetBird's list. `since` is the
    time of the server (`Date`) in the list before the POST, if it sends one. Only the account of the POST can hold the
    result; `authority`, `account_id` and `proof` identify it. `newest`, `highest_id`, `known_ids` and `unidentified`
    describe that list. An integration that is not in it may be the result of the POST, even if its values differ.
    """

    attempt: Annotated[int, doc("The number of the attempt, from 1.", minimum=1)]
    endpoint: Annotated[
        str,
        doc("A keyed digest of the connection, its URL and its tenant.", maxLength=MAX_DIGEST),
    ]
    account_id: Annotated[
        str | None,
        doc("The NetBird account of the request, if it was known.", maxLength=MAX_ANSWERED),
    ] = Field(default=None, alias="accountID")
    authority: Annotated[
        str | None,
        doc(
            "A digest of the server of the request: its URL, and the namespace that controls its CA.",
            maxLength=MAX_DIGEST,
        ),
    ] = None
    proof: Annotated[
        str | None,
        doc(
            "A keyed digest of the URL, token and tenant of the request. The same three lead to the same account.",
            maxLength=MAX_DIGEST,
        ),
    ] = None
    platform: Annotated[str, doc("The platform of the request.", maxLength=MAX_PLATFORM)]
    signature: Annotated[
        Digests,
        doc(
            "Keyed digests of the settings that distinguish integrations, by their name in NetBird.",
            maxProperties=MAX_SETTINGS,
            **short_names(),
        ),
    ]
    key_id: Annotated[str, doc("The id of the key of the digests.", maxLength=MAX_KEY_ID)] = Field(alias="keyID")
    since: Annotated[datetime | None, doc("The time of NetBird before the attempt.", **TIME)] = None
    until: Annotated[
        datetime | None, doc("The time of NetBird after which it no longer applies the request.", **TIME)
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
            "Integrations of the platform in that list that `newest` does not cover.",
            maxItems=MAX_KNOWN,
            **ATOMIC_LIST,
        ),
    ] = Field(default=(), alias="knownIDs")
    unidentified: Annotated[
        int,
        doc(
            "The number of elements without a valid id in the list before the attempt.",
            minimum=0,
            maximum=100_000,
        ),
    ] = 0


class Correction(Model):
    """Correction of drift: its time, the `updatedAt` in NetBird, and the values that differed."""

    at: Annotated[datetime, doc("The time of the correction.", **TIME)]
    updated_at: Annotated[
        str | None,
        doc("The time, by NetBird, at which another client changed the integration.", **TIME),
    ] = None
    values: Annotated[
        Digests,
        doc(
            "Keyed digests of the values that differed, by their name in NetBird. None if it is certain that another"
            " client wrote them.",
            maxProperties=MAX_SETTINGS,
            **short_names(),
        ),
    ] = Field(default={})


class Origin(StrEnum):
    """Way in which this resource became the owner of its integration."""

    CREATED = "Created"
    ADOPTED = "Adopted"
    INFERRED = "Inferred"


class Former(Model):
    """Integration that this resource owned, and that NetBird no longer shows."""

    id: RemoteID
    authority: Annotated[str | None, doc("A digest of its server.", maxLength=MAX_DIGEST)] = None
    account_id: Annotated[str | None, doc("Its NetBird account.", maxLength=MAX_ANSWERED)] = Field(
        default=None, alias="accountID"
    )
    created_at: Annotated[
        datetime | None, doc("The time of its creation, since NetBird can use an id again.", **TIME)
    ] = None
    platform: Annotated[str | None, doc("Its platform.", maxLength=MAX_PLATFORM)] = None
    origin: Annotated[Origin | None, doc("How this resource became its owner.")] = None


class Internal(Model):
    """Part of a status that is private to the operator."""

    authority: Annotated[
        str | None,
        doc(
            "A digest of the server of status.id: its URL, and the namespace that controls its CA.",
            maxLength=MAX_DIGEST,
        ),
    ] = None
    proof: Annotated[
        str | None,
        doc(
            "A keyed digest of the URL, token and tenant with which status.id was received. While the account is"
            " unknown, the operator uses the id only with these.",
            maxLength=MAX_DIGEST,
        ),
    ] = None
    applied: Annotated[
        Applied | None,
        doc("A digest of the last request that NetBird accepted. It shows whether the settings are current."),
    ] = None
    creation: Annotated[
        Intent | None,
        doc(
            "The intent of a create that is about to be sent, or whose response was lost. It is written before the"
            " request, so that no integration is created twice or lost."
        ),
    ] = None
    unresolved_creations: Annotated[
        tuple[Intent, ...],
        doc(
            "Earlier creates whose outcome is unknown. If a matching integration appears later, a condition names it.",
            maxItems=MAX_UNRESOLVED,
            **ATOMIC_LIST,
        ),
    ] = ()
    corrections: Annotated[
        tuple[Correction, ...],
        doc(
            "The last corrections of drift. Too many in an hour stop further corrections.",
            maxItems=MAX_CORRECTIONS,
            **ATOMIC_LIST,
        ),
    ] = ()
    resent_at: Annotated[
        datetime | None,
        doc(
            "The time at which the operator last sent all settings again because only `updatedAt` had changed. A server"
            " may change it by itself.",
            **TIME,
        ),
    ] = None
    former: Annotated[
        tuple[Former, ...],
        doc(
            "Integrations that this resource owned and that NetBird no longer shows.",
            maxItems=MAX_FORMER,
            **ATOMIC_LIST,
        ),
    ] = ()
    normalized: Annotated[
        Digests,
        doc(
            "Settings that NetBird stores in another form than it was sent, each with a digest of the stored form. That"
            " form is not drift.",
            maxProperties=MAX_SETTINGS,
            **short_names(),
        ),
    ] = Field(default={})
    owner_uid: Annotated[
        str | None,
        doc(
            "The uid of the resource of this status. The uid of another resource (a restored backup) is a claim that"
            " needs spec.adoption.",
            maxLength=MAX_UID,
        ),
    ] = Field(default=None, alias="ownerUID")
    claimed_id: Annotated[
        int | None,
        doc("The id of an integration in a restored status that is not adopted yet.", minimum=1),
    ] = Field(default=None, alias="claimedID")


class Status(Model):
    """Status of an `EventStreamingIntegration`."""

    id: Annotated[
        int | None,
        doc(
            "The id of the integration in NetBird. To find a resource by it: --field-selector status.id=ID.", minimum=1
        ),
    ] = None
    origin: Annotated[
        Origin | None,
        doc(
            "How this resource became the owner of its integration. Created: the operator created it. Adopted: by"
            " spec.adoption. Inferred: the response to the create was lost, and the operator found it in the list."
        ),
    ] = None
    account_id: Annotated[
        str | None,
        doc("The NetBird account of the integration. It never changes.", maxLength=MAX_ANSWERED),
    ] = Field(default=None, alias="accountID")
    platform: Annotated[str | None, doc("The platform in NetBird.", maxLength=MAX_ANSWERED)] = None
    enabled: Annotated[bool | None, doc("Whether NetBird streams events, by its last response.")] = None
    config: Annotated[
        PublicConfig | None,
        doc(
            "The public part of the settings that were last sent to NetBird: names of buckets, streams, regions and"
            " headers, and URLs without their query. Never a value from a Secret.",
            maxProperties=MAX_SETTINGS,
            **short_names(),
        ),
    ] = None
    created_at: Annotated[str | None, doc("The time of creation, by NetBird (RFC 3339).", **TIME)] = None
    updated_at: Annotated[
        str | None,
        doc(
            "The time, by NetBird, of the operator's last write (RFC 3339). A later time in NetBird means that another"
            " client wrote.",
            **TIME,
        ),
    ] = None
    observed_generation: Annotated[
        int | None, doc("The generation of the resource that the rest of the status describes.", minimum=0)
    ] = None
    last_handled_reconcile_at: Annotated[
        str | None,
        doc(
            "The last value of the annotation integrations.netbird.io/reconcile-requested-at that the operator handled."
            f" For a value longer than {MAX_REQUEST} characters, its SHA-256. A new value requests a reconcile now.",
            maxLength=MAX_REQUEST,
        ),
    ] = None
    conditions: Annotated[
        tuple[Condition, ...],
        doc(
            "The conditions: Ready always; Reconciling, Stalled, Drifted and Suspended only while true.",
            maxItems=MAX_CONDITIONS,
            **BY_TYPE,
        ),
    ] = ()
    internal: Annotated[
        Internal,
        doc("Private to the operator. Its fields change without notice. Read the rest of the status instead."),
    ] = Internal()

    def evolve(self, **changes: object) -> "Status":
        """Return the status with some fields changed. Fields of `internal` are accepted too."""
        private = {name: value for name, value in changes.items() if name in Internal.model_fields}
        public = {name: value for name, value in changes.items() if name not in private}
        if private:
            public["internal"] = self.internal.model_copy(update=private)
        return self.model_copy(update=public)


def others(conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """Return the conditions of other controllers."""
    return tuple(each for each in conditions if each.type not in CONDITION_TYPES)


def own(status: Status) -> Status:
    """Return the status without the conditions of other controllers."""
    if not others(status.conditions):
        return status
    ours = tuple(each for each in status.conditions if each.type in CONDITION_TYPES)
    return status.model_copy(update={"conditions": ours})
