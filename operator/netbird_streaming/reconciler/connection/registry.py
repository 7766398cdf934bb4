"""The known connections, with their tokens and accounts."""

import asyncio
from collections.abc import Iterator
from typing import Final

from netbird_streaming import background
from netbird_streaming.api.types import (
    ClusterNetBirdConnection,
    Connection,
    EventStreamingIntegration,
    ManagementPolicy,
    ObjectKey,
    RateLimit,
)
from netbird_streaming.core.netbird.endpoints import (
    authority_of,
    connection_proof,
    credential_digest,
    endpoint_digest,
)
from netbird_streaming.core.netbird.types import Endpoint, PathFamily, Priority
from netbird_streaming.errors import EditError, OperatorError, RetryError, WaitError
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.connection.account import Account, EndpointDigests
from netbird_streaming.reconciler.connection.account_events import AccountEvents
from netbird_streaming.reconciler.connection.credentials import CredentialReader
from netbird_streaming.reconciler.connection.namespace_labels import NamespaceLabels, former_access
from netbird_streaming.reconciler.connection.peers import PeerGroups
from netbird_streaming.reconciler.connection.resolved import ConnectionState, ResolvedConnection, connection_key
from netbird_streaming.reconciler.installations import Installations
from netbird_streaming.reconciler.listing import Lists
from netbird_streaming.reconciler.ports import ControllerSettings, NetBird, Ports
from netbird_streaming.reconciler.quota import Quota
from netbird_streaming.reconciler.versions import Known, version_of

_FAMILIES: Final = frozenset(each.value for each in PathFamily)


class ConnectionRegistry:
    """Holds the state of each connection. The Secret of a cluster connection is in the operator's namespace."""

    def __init__(self, ports: Ports, events: AccountEvents, lists: Lists, settings: ControllerSettings) -> None:
        self._ports = ports
        self._events = events
        self._lists = lists
        self._settings = settings
        self.checks_token_expiry: Final = settings.token_expiry
        self._quota = Quota(settings.connections_per_namespace)
        self.installations = Installations(
            ports.cluster, ports.clock, settings.installation, has_lease=settings.has_lease
        )
        self._states: dict[ObjectKey, ConnectionState] = {}
        self._peers = PeerGroups()
        self.credentials = CredentialReader(ports.cluster, settings)
        self.namespaces = NamespaceLabels(ports.cluster, ports.clock)

    def get(self, key: ObjectKey) -> ConnectionState | None:
        """Return the state of a connection that exists."""
        return self._states.get(key)

    def __iter__(self) -> Iterator[ConnectionState]:
        """Iterate over a copy of the states."""
        return iter(list(self._states.values()))

    def ownership_scope(self, endpoint: str) -> str:
        """Return the account behind an endpoint if it was ever known, else the endpoint."""
        accounts = (account for state in self._states.values() for account in state.accounts.values())
        return next((account.ownership_scope for account in accounts if account.endpoint_digest == endpoint), endpoint)

    def apply_event(self, connection: Connection) -> ConnectionState:
        """Apply a newer version. The credentials are read again if the uid or the spec changed."""
        state, now = self._states.get(connection.key), self._ports.clock.monotonic()
        if state is None or state.connection.metadata.uid != connection.metadata.uid:
            self.forget(connection.key)
            state = self._states[connection.key] = ConnectionState(connection, Known(version_of(connection), now))
            self._quota.add(connection)
        elif state.connection.spec != connection.spec:
            state.invalidate()
            if authority_of(state.connection) != authority_of(connection):
                state.token_account_id = None
        state.take(connection, now)
        return state

    def forget(self, key: ObjectKey) -> None:
        """The connection is gone."""
        state = self._states.pop(key, None)
        if state is not None:
            self._quota.remove(state.connection)
            state.close()
            self._share_rate_limits()

    def beyond_quota(self, namespace: str | None) -> list[ConnectionState]:
        """Return the connections of a namespace that were not served when they were last loaded."""
        links = (state for state in self._states.values() if state.connection.metadata.namespace == namespace)
        return [state for state in links if state.problem and state.problem.reason is Reason.TOO_MANY_CONNECTIONS]

    def secret_changed(self, namespace: str, name: str) -> list[ConnectionState]:
        """Return the connections with this token Secret, and have them read it again."""
        touched = [
            state
            for state in self._states.values()
            if state.connection.spec.token_secret_ref.name == name
            and self.credentials.secret_namespace(state.connection) == namespace
        ]
        for state in touched:
            state.invalidate()
        return touched

    async def resolve(self, resource: EventStreamingIntegration) -> ResolvedConnection | OperatorError:
        """Return how this resource reaches NetBird, or why it does not."""
        key = connection_key(resource)
        state = self._states.get(key)
        if state is None:
            return self._lists.refusal(key.kind, key.namespace) or _not_found(key, "does not exist")
        elsewhere = await self.installations.take_charge(state)
        if elsewhere is not None:
            return elsewhere
        if state.connection.deleting and not resource.deleting:
            return _not_found(key, "is being deleted")
        tenant_id, allow_adoption = state.connection.spec.tenant_id, True
        if isinstance(state.connection, ClusterNetBirdConnection):
            access = await self.namespaces.access(state.connection, resource.metadata.namespace or "")
            if isinstance(access, OperatorError):
                access = former_access(state.connection, resource) or access
            if isinstance(access, OperatorError):
                return access
            tenant_id, allow_adoption = access.tenant_id or tenant_id, access.allow_adoption
        await self.load(state)
        if state.problem is not None and not (resource.deleting and state.token is not None):
            return state.problem
        account, observe_only = self.account(state, tenant_id), self._observes(state.connection)
        return (
            ResolvedConnection(state, account, allow_adoption, tenant_id, observe_only)
            if account is not None
            else _not_found(key, "has no token yet")
        )

    async def check_token_account(self, state: ConnectionState, priority: Priority) -> OperatorError | None:
        """Ask for the token's own account. Return why NetBird did not answer it; such a request is repeated.

        One request serves all resources that need it at a time.
        """
        if state.token_check is None or state.token_check.done():
            state.token_check = background.start(self._ask_token_account(state, priority), "token account check")
        return await asyncio.shield(state.token_check)

    async def _ask_token_account(self, state: ConnectionState, priority: Priority) -> OperatorError | None:
        if state.problem is not None:
            return state.problem  # The token is of a former spec, whose server the present one may not name.
        token, client = state.token, self.client(state)
        answer: str | OperatorError
        try:
            answer = await client.account_id(priority)
        except RetryError as problem:
            return problem
        except OperatorError as problem:
            message = (
                f"NetBird does not say which account the token is in ({problem.reason}), so that a tenant's account"
                f" can't be distinguished from it. {Reason.ACCOUNT_UNCONFIRMED.remedy}"
            )
            answer = WaitError(Reason.ACCOUNT_UNCONFIRMED, message)
        except Exception as problem:  # noqa: BLE001  # those that wait must not wait for ever
            return background.unexpected(problem, "Reading the token's account")
        if state.token == token:
            state.token_account_id = answer
        return answer if isinstance(answer, OperatorError) else None

    def client(self, state: ConnectionState) -> NetBird:
        """Return a client that acts in the token's own account."""
        return self._ports.netbird.client(self._endpoint(state, None), state.connection.spec.rate_limit)

    async def load(self, state: ConnectionState, *, force: bool = False) -> None:
        """Read the token and the CA unless they are loaded. An error in them is the `problem` of the state.

        Raises:
            RetryError: The API server did not answer, which is no problem of the connection.
        """
        async with state.lock:
            if not self._quota.allows(state.connection):
                state.problem = self._too_many(state.connection)
                state.close()
                return
            if state.loaded and not force:
                return
            state.loaded = False
            try:
                token, ca_bundle = await self._read_credentials(state)
            except (WaitError, EditError) as problem:
                state.problem = problem
                return
            state.loaded, state.problem = True, None
            if token != state.token or isinstance(state.token_account_id, OperatorError):
                state.token_account_id = None
            state.token, state.ca_bundle = token, ca_bundle
            for tenant_id in state.accounts:
                self._bind(state, tenant_id)
            self._share_rate_limits()

    async def _read_credentials(self, state: ConnectionState) -> tuple[str, str | None]:
        """Read the token and the CA of the present spec: both are read again if something changed meanwhile.

        A token of a former spec would be sent to the server of the present one.
        """
        while True:
            changes = state.changes
            found = await self.credentials.read(state.connection)
            if changes == state.changes:
                return found

    def _too_many(self, connection: Connection) -> WaitError:
        kind, namespace, name = connection.key
        message = (
            f"{kind} {name}: namespace {namespace} has more than {self._quota.limit} connections, and only the oldest "
            f"ones are served. {Reason.TOO_MANY_CONNECTIONS.remedy}"
        )
        return WaitError(Reason.TOO_MANY_CONNECTIONS, message)

    def account(self, state: ConnectionState, tenant_id: str | None) -> Account | None:
        """Return the account of a tenant, or None if it is not known yet and the token of the spec was not read."""
        account = state.accounts.get(tenant_id)
        return self._bind(state, tenant_id) if account is None and state.loaded else account

    def _bind(self, state: ConnectionState, tenant_id: str | None) -> Account:
        """Return the account for the current URL, token and CA. After a change it has to be confirmed again."""
        key, endpoint = self._ports.key, self._endpoint(state, tenant_id)
        account = state.accounts.get(tenant_id)
        if account is not None and account.is_bound(endpoint):
            return account
        client = self._ports.netbird.client(endpoint, state.connection.spec.rate_limit)
        if account is None:
            account = state.accounts[tenant_id] = Account(client, self._ports.clock, self._events, state.connection.key)
        authority = authority_of(state.connection)
        digests = EndpointDigests(
            authority,
            endpoint_digest(state.connection, tenant_id, key),
            credential_digest(endpoint, state.connection, key),
        )
        account.rebind(client, endpoint, digests, self._peers.get(endpoint))
        internal = state.connection.status.internal
        if (internal.proof, internal.key_id) == (self.proof(state), key.id):
            for known in state.connection.status.accounts:
                if account.account_id is None and known.tenant_id == tenant_id:
                    account.account_id = known.account_id
        return account

    def proof(self, state: ConnectionState) -> str | None:
        """Return the digest that confirms the accounts in the connection's status.

        It is None while the token of the present spec is not read: the accounts are those of a former URL or token.
        """
        if state.token is None or not state.loaded:
            return None
        return connection_proof(state.connection, state.token, self._ports.key)

    def _endpoint(self, state: ConnectionState, tenant_id: str | None) -> Endpoint:
        spec = state.connection.spec
        return Endpoint(
            url=spec.url,
            token=state.token or "",
            token_type=spec.token_type,
            tenant_id=tenant_id,
            ca_bundle=state.ca_bundle,
            path_family=_family(state.connection),
            read_only=self._observes(state.connection),
        )

    def _observes(self, connection: Connection) -> bool:
        """Return whether nothing may be written to NetBird with this connection."""
        return self._settings.observe_only or connection.spec.management_policy is ManagementPolicy.OBSERVE

    def _share_rate_limits(self) -> None:
        limits: dict[tuple[str, str], RateLimit] = {}
        for state in self._states.values():
            if state.token is None:
                continue
            spec = state.connection.spec
            known = limits.get((spec.url, state.token))
            limits[spec.url, state.token] = spec.rate_limit if known is None else _lower_limit(known, spec.rate_limit)
        self._ports.netbird.set_rate_limits(limits)


def _not_found(key: ObjectKey, what: str) -> WaitError:
    message = f"{key.kind} {key.label} {what}. {Reason.CONNECTION_NOT_FOUND.remedy}"
    return WaitError(Reason.CONNECTION_NOT_FOUND, message)


def _lower_limit(one: RateLimit, other: RateLimit) -> RateLimit:
    requests = min(one.requests_per_minute, other.requests_per_minute)
    return RateLimit(requests_per_minute=requests, burst=min(one.burst, other.burst))


def _family(connection: Connection) -> PathFamily | None:
    known = connection.status.path_family
    return PathFamily(known) if known in _FAMILIES else None
