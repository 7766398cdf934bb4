"""The expiry of each connection's token, asked of NetBird once a day until it is known."""

from typing import Final

from netbird_streaming import background
from netbird_streaming.api.types import TokenType
from netbird_streaming.core.netbird.types import Priority
from netbird_streaming.errors import OperatorError
from netbird_streaming.reconciler.connection.resolved import ConnectionState, TokenExpiry
from netbird_streaming.reconciler.context import Context
from netbird_streaming.reconciler.ports import NetBird

INTERVAL: Final = 24 * 3600.0
"""Seconds between two attempts, each of two requests at most."""


def check_token_expiry(context: Context, state: ConnectionState) -> None:
    """Ask when the token expires, if that is not known and NetBird accepts the token; nothing waits for the answer.

    A token's expiry never changes, so once known it is not asked for again, also not by the next leader.
    """
    if (
        not context.connections.checks_token_expiry
        or state.connection.spec.token_type is not TokenType.PERSONAL_ACCESS_TOKEN
    ):
        state.token_expiry = None
        return
    proof, now = context.connections.proof(state), context.ports.clock.monotonic()
    if proof is None:
        return
    if state.token_expiry is None or state.token_expiry.proof != proof:
        status = state.connection.status
        is_same = (status.internal.proof, status.internal.key_id) == (proof, context.ports.key.id)
        state.token_expiry = TokenExpiry(proof, now, status.token_expires_at if is_same else None)
    known = state.token_expiry
    if known.at is None and known.due_at <= now and _is_accepted(state):
        known.due_at = now + INTERVAL
        known.check = background.start(_ask(context, state, known, context.connections.client(state)), "token expiry")


async def _ask(context: Context, state: ConnectionState, known: TokenExpiry, client: NetBird) -> None:
    try:
        known.at = await client.token_expiry(Priority.LOW)
    except OperatorError:
        return  # the request is denied or fails: the token works without
    if known.at is not None:
        context.queue.add(state.connection.key)


def _is_accepted(state: ConnectionState) -> bool:
    return any(account.snapshot is not None and account.problem is None for account in state.accounts.values())
