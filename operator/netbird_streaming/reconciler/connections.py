"""Connections: their tokens, the accounts behind them, and who may use which."""

from collections.abc import Iterator
from typing import Final

from netbird_streaming.core.access import access_of, needs_labels
from netbird_streaming.core.connections import authority_of, connection_proof, endpoint_digest, proof, url_fault
from netbird_streaming.core.payload import value_fault
from netbird_streaming.core.remote import Endpoint, PathFamily, Priority
from netbird_streaming.core.resources import (
    ClusterNetBirdConnection,
    Connection,
    ConnectionKind,
    EventStreamingIntegration,
    Identity,
    KeyReference,
    RateLimit,
)
from netbird_streaming.errors import EditError, OperatorError, RetryError, WaitError
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.accounts import Account, AccountEvents, WayDigests
from netbird_streaming.reconciler.listing import Lists
from netbird_streaming.reconciler.ports import ControllerSettings, Ports
from netbird_streaming.reconciler.quota import Quota
from netbird_streaming.reconciler.way import Link, Way, identity_for

_FAMILIES: Final = frozenset(each.value for each in PathFamily)
MAX_BUNDLE: Final = 256 * 1024
"""Characters: more than all public authorities together have. A certificate takes ten times its size in memory."""
LABELS_LIFETIME: Final = 30.0
"""Seconds for which a namespace's labels are taken to be unchanged."""


class Connections:
    """All connections that are known, by identity."""

    def __init__(self, ports: Ports, events: AccountEvents, lists: Lists, settings: ControllerSettings) -> None:
        """Start with none. A cluster connection's Secret lives in the operator's namespace."""
        self._ports = ports
        self._events = events
        self._lists = lists
        self._namespace = settings.operator_namespace
        self._allow_http = settings.allow_http
        self._quota = Quota(settings.connections_per_namespace)
        self._links: dict[Identity, Link] = {}
        self._labels: dict[str, tuple[float, dict[str, str]]] = {}

    def get(self, identity: Identity) -> Link | None:
        """The link of a connection that exists."""
        return self._links.get(identity)

    def __iter__(self) -> Iterator[Link]:
        """All links."""
        return iter(list(self._links.values()))

    def scope(self, endpoint: str) -> str:
        """The account behind an endpoint, as far as it was ever known, else the endpoint."""
        accounts = (account for link in self._links.values() for account in link.accounts.values())
        return next((account.scope for account in accounts if account.endpoint == endpoint), endpoint)

    def observe(self, connection: Connection) -> Link:
        """Take a newer version; another uid, or another spec, is read anew."""
        link = self._links.get(connection.identity)
        if link is None or link.connection.metadata.uid != connection.metadata.uid:
            self.forget(connection.identity)
            link = self._links[connection.identity] = Link(connection)
            self._quota.add(connection)
        elif link.connection.spec != connection.spec:
            link.loaded = False
            if authority_of(link.connection) != authority_of(connection):
                link.home = None
        link.connection = connection
        return link

    def forget(self, identity: Identity) -> None:
        """The connection is gone."""
        link = self._links.pop(identity, None)
        if link is not None:
            self._quota.remove(link.connection)
            link.close()

    def beyond_quota(self, namespace: str | None) -> list[Link]:
        """Return the links of a namespace that were not served when they were last loaded."""
        links = (link for link in self._links.values() if link.connection.metadata.namespace == namespace)
        return [link for link in links if link.problem and link.problem.reason is Reason.TOO_MANY_CONNECTIONS]

    def secret_changed(self, namespace: str, name: str) -> list[Link]:
        """The links whose token Secret this is; they read it anew."""
        touched = [
            link
            for link in self._links.values()
            if link.connection.spec.token_secret_ref.name == name and self.home(link.connection) == namespace
        ]
        for link in touched:
            link.loaded = False
        return touched

    def home(self, connection: Connection) -> str:
        """Where a connection's Secret and ConfigMap live."""
        return connection.metadata.namespace or self._namespace

    async def way(self, resource: EventStreamingIntegration) -> Way | OperatorError:
        """How this resource reaches NetBird, or why it does not."""
        identity = identity_for(resource)
        link = self._links.get(identity)
        if link is None:
            return self._lists.refusal(identity.kind, identity.namespace) or _not_found(identity, "does not exist")
        if link.connection.deleting and not resource.deleting:
            return _not_found(identity, "is being deleted")
        tenant_id, allow_adoption = link.connection.spec.tenant_id, True
        if isinstance(link.connection, ClusterNetBirdConnection):
            access = await self._access(link.connection, resource.metadata.namespace or "")
            if isinstance(access, OperatorError):
                return access
            tenant_id, allow_adoption = access[0] or tenant_id, access[1]
        await self.load(link)
        if link.problem is not None and not (resource.deleting and link.token is not None):
            return link.problem
        account = self.account(link, tenant_id)
        return (
            Way(link, account, allow_adoption, tenant_id)
            if account is not None
            else _not_found(identity, "has no token yet")
        )

    async def ask_home(self, link: Link, priority: Priority) -> OperatorError | None:
        """Learn the token's own account; return why NetBird does not tell it. A request that failed is sent again."""
        endpoint = self._endpoint(link, None)
        try:
            link.home = await self._ports.netbird.client(endpoint, link.connection.spec.rate_limit).account_id(priority)
        except RetryError as problem:
            return problem
        except OperatorError as problem:
            message = (
                f"NetBird does not say which account the token is in ({problem.reason}), so that a tenant's account"
                f" can't be told from it. {Reason.ACCOUNT_UNCONFIRMED.cure}"
            )
            link.home = WaitError(Reason.ACCOUNT_UNCONFIRMED, message)
            return link.home
        return None

    async def _access(
        self, connection: ClusterNetBirdConnection, namespace: str
    ) -> tuple[str | None, bool] | OperatorError:
        labels: dict[str, str] = {}
        if needs_labels(connection.spec):
            try:
                labels = await self._namespace_labels(namespace)
            except WaitError as problem:
                return problem
        access = access_of(connection.spec, namespace, labels)
        if access is None:
            name = connection.metadata.name
            message = f"{ConnectionKind.CLUSTER} {name} does not allow namespace {namespace}. "
            return WaitError(Reason.NAMESPACE_NOT_ALLOWED, message + Reason.NAMESPACE_NOT_ALLOWED.cure)
        return access.tenant_id, access.allow_adoption

    async def _namespace_labels(self, name: str) -> dict[str, str]:
        now = self._ports.clock.monotonic()
        known = self._labels.get(name)
        if known is None or now - known[0] > LABELS_LIFETIME:
            known = self._labels[name] = (now, dict(await self._ports.cluster.namespace_labels(name)))
        return known[1]

    async def load(self, link: Link, *, anew: bool = False) -> None:
        """Read the token and the CA, unless they are at hand; what is wrong with them is the link's `problem`.

        Raises RetryError where the API server does not answer: that says nothing of the connection.
        """
        async with link.lock:
            if not self._quota.allows(link.connection):
                link.problem = self._too_many(link.connection)
                link.close()
                return
            if link.loaded and not anew:
                return
            try:
                token, ca_bundle = await self._read(link.connection)
            except (WaitError, EditError) as problem:
                link.problem = problem
                return
            link.loaded, link.problem = True, None
            if token != link.token or isinstance(link.home, OperatorError):
                link.home = None
            link.token, link.ca_bundle = token, ca_bundle
            for tenant_id in link.accounts:
                self._bind(link, tenant_id)
            self._share_budgets()

    def _too_many(self, connection: Connection) -> WaitError:
        kind, namespace, name = connection.identity
        message = (
            f"{kind} {name}: namespace {namespace} has more than {self._quota.limit} connections, and only the oldest "
            f"ones are served. {Reason.TOO_MANY_CONNECTIONS.cure}"
        )
        return WaitError(Reason.TOO_MANY_CONNECTIONS, message)

    async def _read(self, connection: Connection) -> tuple[str, str | None]:
        spec, where = connection.spec, f"{type(connection).__name__} {connection.metadata.name}"
        fault = url_fault(spec.url, allow_http=self._allow_http)
        if fault is not None:
            raise EditError(Reason.CONNECTION_INVALID, f"{where}: {fault}")
        token = await self._token(spec.token_secret_ref, self.home(connection), where)
        ref = spec.ca_bundle_config_map_ref
        if ref is None:
            return token, None
        data = await self._ports.cluster.config_map(self.home(connection), ref.name)
        bundle = (data or {}).get(ref.key, "")
        if len(bundle) > MAX_BUNDLE:
            message = (
                f"{where}: ConfigMap {ref.name}, key {ref.key} has more than {MAX_BUNDLE // 1024} KiB; leave only the "
                "certificates in it that verify NetBird"
            )
            raise WaitError(Reason.CA_BUNDLE_INVALID, message)
        if "-----BEGIN CERTIFICATE-----" not in bundle:
            message = f"{where}: ConfigMap {ref.name}, key {ref.key} holds no PEM certificate; put the CA's into it"
            raise WaitError(Reason.CA_BUNDLE_INVALID, message)
        return token, bundle

    async def _token(self, ref: KeyReference, namespace: str, where: str) -> str:
        data = await self._ports.cluster.secret(namespace, ref.name)
        if data is None:
            message = f"{where}: Secret {ref.name} does not exist in namespace {namespace}; create it"
            raise WaitError(Reason.SECRET_NOT_FOUND, message)
        if ref.key not in data:
            message = f"{where}: Secret {ref.name} has no key {ref.key}; add it, or correct the reference"
            raise WaitError(Reason.SECRET_KEY_NOT_FOUND, message)
        fault = value_fault(data[ref.key])
        if fault is not None:
            message = f"{where}: Secret {ref.name}, key {ref.key}: the value {fault}"
            raise WaitError(Reason.SECRET_VALUE_INVALID, message)
        return data[ref.key].decode()

    def account(self, link: Link, tenant_id: str | None) -> Account | None:
        """The account of a tenant behind a link, made when first asked for; None before the token was read."""
        if link.token is None:
            return None
        account = link.accounts.get(tenant_id)
        return self._bind(link, tenant_id) if account is None else account

    def _bind(self, link: Link, tenant_id: str | None) -> Account:
        """Make the account, or anew where URL, token or CA changed: then it has to be confirmed again."""
        key, endpoint = self._ports.key, self._endpoint(link, tenant_id)
        account = link.accounts.get(tenant_id)
        if account is not None and account.is_bound(endpoint):
            return account
        client = self._ports.netbird.client(endpoint, link.connection.spec.rate_limit)
        if account is None:
            account = link.accounts[tenant_id] = Account(client, self._ports.clock, self._events)
        authority = authority_of(link.connection)
        digests = WayDigests(
            authority, endpoint_digest(link.connection, tenant_id, key), proof(endpoint, authority, key)
        )
        account.rebind(client, endpoint, digests)
        internal = link.connection.status.internal
        if (internal.proof, internal.key_id) == (self.proof(link), key.id):
            for known in link.connection.status.accounts:
                if account.account_id is None and known.tenant_id == tenant_id:
                    account.account_id = known.account_id
        return account

    def proof(self, link: Link) -> str | None:
        """The digest that vouches for the accounts in the connection's status; None before the token was read."""
        return None if link.token is None else connection_proof(link.connection, link.token, self._ports.key)

    def _endpoint(self, link: Link, tenant_id: str | None) -> Endpoint:
        spec = link.connection.spec
        return Endpoint(
            url=spec.url,
            token=link.token or "",
            token_type=spec.token_type,
            tenant_id=tenant_id,
            ca_bundle=link.ca_bundle,
            path_family=_family(link.connection),
        )

    def _share_budgets(self) -> None:
        limits: dict[tuple[str, str], RateLimit] = {}
        for link in self._links.values():
            if link.token is None:
                continue
            spec = link.connection.spec
            known = limits.get((spec.url, link.token))
            limits[spec.url, link.token] = spec.rate_limit if known is None else _lower(known, spec.rate_limit)
        self._ports.netbird.reserve(limits)


def _not_found(identity: Identity, what: str) -> WaitError:
    message = f"{identity.kind} {identity.label} {what}. {Reason.CONNECTION_NOT_FOUND.cure}"
    return WaitError(Reason.CONNECTION_NOT_FOUND, message)


def _lower(one: RateLimit, other: RateLimit) -> RateLimit:
    requests = min(one.requests_per_minute, other.requests_per_minute)
    return RateLimit(requests_per_minute=requests, burst=min(one.burst, other.burst))


def _family(connection: Connection) -> PathFamily | None:
    known = connection.status.path_family
    return PathFamily(known) if known in _FAMILIES else None
