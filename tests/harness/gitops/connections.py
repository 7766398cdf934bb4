"""Every state of a connection. The shipped code makes the status of each."""

from dataclasses import dataclass, field
from typing import Final

from netbird_streaming.api.connection_status import ConnectionStatus
from netbird_streaming.api.types import Connection
from netbird_streaming.core.status.connection_updates import (
    AccountObservation,
    ConnectionObservation,
    Listed,
    connection_status,
)
from netbird_streaming.errors import EditError, LeaseLostError, OperatorError, WaitError
from netbird_streaming.netbird.responses import NoResponse, TransportFailure, malformed_response, to_operator_error
from netbird_streaming.reasons import Reason
from tests.harness.cases import ACCOUNT, KEY, WALL
from tests.harness.gitops.situations import LISTING, denied, error_of, refused


@dataclass(frozen=True, slots=True)
class ConnectionSituation:
    """A problem of the connection itself (`problem`) or of its account's responses (`refusal`), if any.

    `listed` is the result of the last LIST. `deleted` and `edited` are later changes, before the operator reconciles
    again.
    """

    name: str
    problem: OperatorError | None = None
    refusal: OperatorError | None = None
    listed: Listed = field(default_factory=Listed)
    deleted: bool = False
    edited: bool = False

    def status(self, connection: Connection) -> ConnectionStatus:
        """Return the status that the operator writes for this connection."""
        known = None if self.refusal is not None else ACCOUNT
        reached = () if self.problem is not None else (AccountObservation(None, known, self.refusal, self.listed),)
        family = None if self.problem is not None or self.refusal is not None else "/api/integrations/event-streaming"
        return connection_status(
            connection, ConnectionObservation(reached, self.problem, family, ("team-a/web",), "proof"), KEY, WALL
        )


CONNECTION_SITUATIONS: Final = (
    ConnectionSituation("synced"),
    ConnectionSituation("synced-edited", edited=True),
    ConnectionSituation("deleting", deleted=True),
    ConnectionSituation("progressing", refusal=error_of(LeaseLostError, Reason.PROGRESSING)),
    ConnectionSituation("connection-invalid", error_of(EditError, Reason.CONNECTION_INVALID)),
    ConnectionSituation("ca-bundle-invalid", error_of(WaitError, Reason.CA_BUNDLE_INVALID)),
    ConnectionSituation("too-many-connections", error_of(WaitError, Reason.TOO_MANY_CONNECTIONS)),
    ConnectionSituation("secret-not-found", error_of(WaitError, Reason.SECRET_NOT_FOUND)),
    ConnectionSituation("secret-key-not-found", error_of(WaitError, Reason.SECRET_KEY_NOT_FOUND)),
    ConnectionSituation("secret-value-invalid", error_of(WaitError, Reason.SECRET_VALUE_INVALID)),
    ConnectionSituation("kubernetes-refused", denied()),
    ConnectionSituation("account-mismatch", refusal=error_of(EditError, Reason.ACCOUNT_MISMATCH)),
    ConnectionSituation("token-rejected", refusal=refused(LISTING, 401)),
    ConnectionSituation("permission-denied", refusal=refused(LISTING, 403)),
    ConnectionSituation("not-licensed", refusal=refused(LISTING, 404, b"<p>404")),
    ConnectionSituation("rate-limited", refusal=refused(LISTING, 429)),
    ConnectionSituation(
        "unavailable", refusal=to_operator_error(LISTING, NoResponse(TransportFailure.LATE, sent=True), WALL)
    ),
    ConnectionSituation("integrations-vanished", listed=Listed(vanished=frozenset({5, 6, 7}))),
    ConnectionSituation("unexpected-answer", refusal=malformed_response(LISTING, "it is no JSON")),
)
