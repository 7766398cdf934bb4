"""Access of commands to NetBird accounts: through a connection of the cluster, or by a URL and a token file."""

import argparse
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from netbird_streaming.api.types import (
    ClusterNetBirdConnection,
    Connection,
    NetBirdConnection,
    ObjectKey,
    RateLimit,
    TokenType,
)
from netbird_streaming.cli.commands import Invocation
from netbird_streaming.cli.output import Output
from netbird_streaming.cli.session import Session, netbird_clients
from netbird_streaming.clock import SystemClock
from netbird_streaming.config.options import SettingsError
from netbird_streaming.config.settings import read_settings
from netbird_streaming.controller_settings import controller_settings
from netbird_streaming.core.netbird.endpoints import url_fault
from netbird_streaming.core.netbird.fingerprint import FingerprintKey
from netbird_streaming.core.netbird.types import Endpoint
from netbird_streaming.core.values import token_fault
from netbird_streaming.errors import WaitError
from netbird_streaming.netbird.client import NetBirdClient, ignore_outcome
from netbird_streaming.netbird.factory import ClientFactory
from netbird_streaming.netbird.responses import Call, NoResponse, Response
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.context import new_context
from netbird_streaming.reconciler.ports import NoRecorder, Ports

PLENTY = RateLimit()
"""The default of a connection."""


@dataclass(frozen=True, slots=True)
class AccountAccess:
    """Access to the accounts of one token at one NetBird API."""

    endpoint: Endpoint
    clients: ClientFactory
    limit: RateLimit
    connection: Connection | None = None
    _clients: dict[str | None, NetBirdClient] = field(default_factory=dict)
    """The factory closes the connections of those clients only that are still in use at its end."""

    def client(self, tenant_id: str | None) -> NetBirdClient:
        """Return a client for the account of a tenant; None is the token's own."""
        if tenant_id not in self._clients:
            self._clients[tenant_id] = self.clients.client(replace(self.endpoint, tenant_id=tenant_id), self.limit)
        return self._clients[tenant_id]


def add_url_arguments(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Add the arguments that name a NetBird API without a cluster."""
    group = parser.add_argument_group("NetBird without a cluster")
    group.add_argument("--url", required=required, metavar="URL", help="The NetBird API, as in spec.url.")
    group.add_argument(
        "--token-file",
        required=required,
        type=Path,
        metavar="FILE",
        help="A file with the token alone; /dev/stdin reads it from a pipe.",
    )
    group.add_argument(
        "--token-type",
        choices=[each.value for each in TokenType],
        default=TokenType.PERSONAL_ACCESS_TOKEN.value,
        help="The kind of the token. Default: PersonalAccessToken.",
    )
    group.add_argument("--ca-file", type=Path, metavar="FILE", help="PEM certificates that verify the server.")


@asynccontextmanager
async def by_url(
    invocation: Invocation,
    output: Output,
    *,
    read_only: bool = True,
    inspect: Callable[[Call, str, Response | NoResponse], None] = ignore_outcome,
) -> AsyncIterator[AccountAccess]:
    """Open the NetBird API of `--url`.

    Raises:
        SettingsError: The URL, the token or the CA can't be used.
    """
    arguments = invocation.arguments
    fault = url_fault(arguments.url, allow_http=False)
    if fault is not None:
        raise SettingsError(fault.replace("spec.url", "--url"))
    token = _read("--token-file", arguments.token_file).rstrip(b"\r\n")
    output.secrets.add(token)
    fault = token_fault(token)
    if fault is not None:
        message = f"--token-file: the value {fault}"
        raise SettingsError(message)
    bundle = None if arguments.ca_file is None else _read("--ca-file", arguments.ca_file).decode("ascii", "ignore")
    endpoint = Endpoint(arguments.url, token.decode(), TokenType(arguments.token_type), ca_bundle=bundle)
    settings = read_settings(argparse.Namespace(), invocation.environment)
    async with netbird_clients(invocation, settings, SystemClock(), read_only=read_only, inspect=inspect) as clients:
        yield AccountAccess(endpoint, clients, PLENTY)


async def by_connection(session: Session, key: ObjectKey) -> AccountAccess:
    """Return the access of a connection, with its token and CA as the operator reads them.

    Raises:
        OperatorError: There is no such connection, or the operator can't use it.
    """
    connection = await session.resources.read(key)
    if not isinstance(connection, NetBirdConnection | ClusterNetBirdConnection):
        message = f"{key.kind} {key.label} does not exist. {Reason.CONNECTION_NOT_FOUND.remedy}"
        raise WaitError(Reason.CONNECTION_NOT_FOUND, message)
    # No digest that this key makes is compared with one of the operator's.
    key_of_none = FingerprintKey(bytes(32))
    ports = Ports(
        cluster=session.resources,
        netbird=session.netbird,
        clock=session.clock,
        random=random.Random(),  # noqa: S311  # jitter only
        key=key_of_none,
        recorder=NoRecorder(),
    )
    context = new_context(ports, controller_settings(session.settings, session.namespace))
    state = context.connections.apply_event(connection)
    await context.connections.load(state)
    if state.problem is not None:
        raise state.problem
    spec = connection.spec
    endpoint = Endpoint(spec.url, state.token or "", spec.token_type, spec.tenant_id, state.ca_bundle)
    return AccountAccess(endpoint, session.netbird, spec.rate_limit, connection)


def _read(flag: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"{flag}: can't be read ({error.strerror}); name a file that you may read"
        raise SettingsError(message) from None
