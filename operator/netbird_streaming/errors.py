"""Errors of the operator, by the action that follows.

- `RetryError`: the operator retries.
- `WaitError`: the operator retries when something outside the resource changes, and at long intervals.
- `EditError`: a user must edit the resource.

A message names the field, the shape of the value and the remedy. It never holds a secret or the text of a server.
"""

from enum import Enum, auto

from netbird_streaming.reasons import Reason


class Effect(Enum):
    """Effect of a failed request at the server."""

    NONE = auto()
    """The response proves that nothing changed, or no byte was sent."""
    UNKNOWN = auto()
    """The request may have been applied, or may be applied later."""


class OperatorError(Exception):
    """Root of all errors: a reason of the closed list, a message for a condition, and the effect at the server.

    Args:
        reason: The cause, for the condition.
        message: One sentence without secrets and without text of a server.
        effect: Whether the server may have applied the request.
    """

    def __init__(self, reason: Reason, message: str, *, effect: Effect = Effect.NONE) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.effect = effect

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.reason}, {self.message!r}, {self.effect.name})"


class RetryError(OperatorError):
    """Error that the operator retries with backoff.

    Args:
        reason: The cause, for the condition.
        message: One sentence without secrets and without text of a server.
        effect: Whether the server may have applied the request.
        retry_after: The delay in seconds that the server asked for.
    """

    def __init__(
        self, reason: Reason, message: str, *, effect: Effect = Effect.NONE, retry_after: float | None = None
    ) -> None:
        super().__init__(reason, message, effect=effect)
        self.retry_after = retry_after


class WaitError(OperatorError):
    """Error that is retried when something outside the resource changes: a Secret, a connection, a right, NetBird."""


class EditError(OperatorError):
    """Error that no retry resolves until a user edits the resource."""


class NotInChargeError(WaitError):
    """Error for an object that another installation of the operator in the same cluster manages. Nothing is written."""


class NotFoundError(WaitError):
    """JSON 404 from NetBird for the id of an integration. It is half of the proof that the integration is absent."""


class ConflictError(RetryError):
    """Conflict: the API server has a newer version of the object than the one that a write named."""


class ObjectGoneError(WaitError):
    """Absence of an object that a request to the API server named."""


class LeaseLostError(RetryError):
    """Loss of the Lease: this process does not hold it, or it is about to expire."""
