"""The closed list of condition reasons.

Every `reason` that this operator writes into a condition, an event or a log line is a member of `Reason`. The
comment-like docstring below each member is what a user needs to know beside the message of the condition itself.
"""

from enum import StrEnum
from typing import Self


class Reason(StrEnum):
    """The reason of a condition. The value is the word that a user sees; `remedy` is what the user can do."""

    remedy: str

    def __new__(cls, value: str, remedy: str) -> Self:
        """Keep the remedy beside the word, so that neither can be written without the other."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.remedy = remedy
        return member

    SYNCED = "Synced", "Nothing to do: NetBird accepted this generation with the current values of its Secrets."
    PENDING = (
        "Pending",
        "Nothing to do while the operator starts. If it lasts, check that it runs and watches the namespace.",
    )
    PROGRESSING = "Progressing", "Nothing to do: the operator is working on it."
    SUSPENDED = "Suspended", "Set spec.suspend to false."
    OBSERVE_ONLY = (
        "ObserveOnly",
        "Set spec.managementPolicy of the connection to Manage to let the operator do it.",
    )
    DELETING = "Deleting", "Nothing to do: the operator is removing the integration from NetBird."

    CONNECTION_NOT_FOUND = "ConnectionNotFound", "Create the connection that spec.connectionRef names, or correct it."
    NAMESPACE_NOT_ALLOWED = (
        "NamespaceNotAllowed",
        "Ask the cluster's administrator to list the namespace in spec.access of the ClusterNetBirdConnection.",
    )
    PLAIN_HTTP_NOT_ALLOWED = (
        "PlainHTTPNotAllowed",
        "Use an https URL, or ask the connection's owner to set spec.allowPlainHTTPDestinations.",
    )
    CONNECTION_INVALID = "ConnectionInvalid", "Correct the connection as its own Ready condition says."
    SECRET_NOT_FOUND = "SecretNotFound", "Create the Secret, or correct the reference."
    SECRET_KEY_NOT_FOUND = "SecretKeyNotFound", "Add the key to the Secret, or correct the reference."
    SECRET_VALUE_INVALID = "SecretValueInvalid", "Correct the value in the Secret as the message says."
    TOO_MANY_CONNECTIONS = (
        "TooManyConnections",
        "Delete a NetBirdConnection of the namespace, or ask for a higher --connections-per-namespace of the operator.",
    )
    CA_BUNDLE_INVALID = "CABundleInvalid", "Put PEM certificates into the ConfigMap that the connection names."

    TOKEN_REJECTED = "TokenRejected", "Put a valid token into the connection's Secret."
    PERMISSION_DENIED = (
        "PermissionDenied",
        "Give the token's user the permission to manage integrations, or use another token.",
    )
    NOT_LICENSED = "NotLicensed", "Use a NetBird server with event streaming, or correct the connection's spec.url."
    CONFIGURATION_REJECTED = "ConfigurationRejected", "Correct the platform's settings or the Secrets' values."
    DESTINATION_REJECTED = "DestinationRejected", "Make the destination accept NetBird's test event: check key and URL."
    ALREADY_EXISTS = "AlreadyExists", "Delete or adopt the integration that exists in NetBird."
    RATE_LIMITED = "RateLimited", "Nothing to do; if it lasts, lower spec.rateLimit of the connection."
    UNAVAILABLE = (
        "Unavailable",
        "If it lasts, check the server, its address and the network between. The operator retries.",
    )
    UNEXPECTED_ANSWER = (
        "UnexpectedAnswer",
        "Check that the connection's spec.url is a NetBird API and no proxy answers.",
    )
    OTHER_INSTALLATION = (
        "OtherInstallation",
        "Uninstall one of the two installations of the operator, or give each namespaces of its own.",
    )
    KUBERNETES_REFUSED = (
        "KubernetesRefused",
        "Correct what the message names: a right, a credential, a definition or an admission webhook.",
    )

    CREATE_OUTCOME_UNKNOWN = (
        "CreateOutcomeUnknown",
        "Nothing to do: the operator looks for the outcome when a late commit is no longer possible.",
    )
    CREATE_AMBIGUOUS = (
        "CreateAmbiguous",
        "Adopt the right integration by spec.adoption, or delete the wrong ones in NetBird.",
    )
    IDENTICAL_EXISTS = (
        "IdenticalExists",
        "Adopt the integration that exists by spec.adoption, or delete it in NetBird.",
    )
    OWNERSHIP_CONFLICT = "OwnershipConflict", "Delete one of the two resources, or give them different settings."
    ADOPTION_NOT_ALLOWED = "AdoptionNotAllowed", "Ask the cluster's administrator to set allowAdoption for it."
    ADOPTION_NOT_FOUND = "AdoptionNotFound", "Correct spec.adoption.id: NetBird has no such integration."
    ADOPTION_CLAIMED = "AdoptionClaimed", "Adopt another id, or delete the resource that owns this one."
    ADOPTION_MISMATCH = "AdoptionMismatch", "Make the settings identical, or use the adoption policy Override."
    ADOPTION_AMBIGUOUS = "AdoptionAmbiguous", "Set spec.adoption.id to the integration to adopt."
    OWNER_UNKNOWN = (
        "OwnerUnknown",
        "Apply the CRDs of this version; then set spec.adoption to adopt the integration that the status names.",
    )
    RESTORED_STATUS = "RestoredStatus", "Set spec.adoption to adopt the integration that the old status names."

    ACCOUNT_UNCONFIRMED = (
        "AccountUnconfirmed",
        "Use a token that may read its account, or restore the connection that was used before.",
    )
    ACCOUNT_MISMATCH = (
        "AccountMismatch",
        "Use a connection or token of the integration's account, or adopt the integration by spec.adoption.id.",
    )
    PLATFORM_MISMATCH = "PlatformMismatch", "Delete the resource with deletionPolicy Orphan and create it again."
    DRIFTED = "Drifted", "Change NetBird back, apply the resource again, or set driftPolicy to Correct."
    NOT_APPLIED = (
        "NotApplied",
        "Change the setting back, or delete the resource and create it again; to try once more, request a reconcile.",
    )
    INTEGRATIONS_VANISHED = (
        "IntegrationsVanished",
        "If they were deleted on purpose, confirm it with the annotation that the connection's condition names.",
    )
    REMOTE_DELETED = "RemoteDeleted", "Set driftPolicy to Correct to re-create it, or delete the resource."
    CONTENDED = "Contended", "Find the other client that writes this integration, then request a reconcile."
    RESOURCE_UNREADABLE = "ResourceUnreadable", "Correct the field that the message names."
