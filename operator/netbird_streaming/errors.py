"""What can go wrong, by what happens next.

The branch of the tree says who acts: `RetryError`, we do, by ourselves; `WaitError`, we do, as soon as something
outside changes (and now and then without); `EditError`, a human must edit the resource. A message names the field, the
shape of the value and the remedy; it never holds a secret nor a server's own text.
"""

from enum import Enum, auto

from netbird_streaming.reasons import Reason


class Effect(Enum):
    """What a failed request did at the server."""

    NONE = auto()
    """The answer proves that nothing happened, or no byte was sent."""
    UNKNOWN = auto()
    """It may have been applied, or may still be."""


class OperatorError(Exception):
    """The root: a reason of the closed list, a message fit for a condition, and what the server may have done."""

    def __init__(self, reason: Reason, message: str, *, effect: Effect = Effect.NONE) -> None:
        """Take a message without secrets and without a server's text."""
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.effect = effect

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.reason}, {self.message!r}, {self.effect.name})"


class RetryError(OperatorError):
    """It is tried again by ourselves, with backoff, or after `retry_after` seconds where the server named them."""

    def __init__(
        self, reason: Reason, message: str, *, effect: Effect = Effect.NONE, retry_after: float | None = None
    ) -> None:
        """Take the seconds that the server asked us to wait, if it did."""
        super().__init__(reason, message, effect=effect)
        self.retry_after = retry_after


class WaitError(OperatorError):
    """It is tried again when something outside the resource changes: a Secret, a connection, a right, NetBird."""


class EditError(OperatorError):
    """Trying again is of no use until a human edits the resource."""


class NotInChargeError(WaitError):
    """Another installation of the operator in the same cluster manages the object: nothing is written."""


class NotFoundError(WaitError):
    """NetBird answered a JSON 404 for an integration's id: half of a proof that it is absent."""


class ConflictError(RetryError):
    """The API server has a newer version of the object than the one that a write named."""


class ObjectGoneError(WaitError):
    """The API server has no object of that name any more."""


class LeaseLostError(RetryError):
    """This process may no longer act: its Lease is not held, or is about to run out."""
