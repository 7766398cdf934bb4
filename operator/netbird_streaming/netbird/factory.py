"""Clients for endpoints, and what they share: a token's budget, a server's paths, connections that trust one CA."""

from collections.abc import Mapping
from types import TracebackType
from typing import Self
from weakref import WeakValueDictionary

from netbird_streaming.core.remote import Endpoint
from netbird_streaming.core.resources import RateLimit
from netbird_streaming.netbird.bodies import Bodies
from netbird_streaming.netbird.budget import Budgets
from netbird_streaming.netbird.client import NetBirdClient, Shares, Surroundings
from netbird_streaming.netbird.http_clients import HttpClients
from netbird_streaming.netbird.paths import Paths
from netbird_streaming.netbird.transport import Transport
from netbird_streaming.proxies import Proxy

_TransportKey = tuple[str | None, Proxy | None]


class ClientFactory:
    """Makes clients. What they share lives as long as one that uses it; a budget, until forgetting it frees nothing.

    As an async context manager it closes all connections at the end.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        *,
        timeout: float,
        initial_share: float,
        http: HttpClients,
    ) -> None:
        """Open nothing yet.

        Args:
            surroundings: Clock, chance, guard and observer of all clients.
            timeout: The deadline of a whole request in seconds, its answer's body included.
            initial_share: What part of a burst, 0 to 1, a process takes to be left of a token when it first uses it.
            http: Opens the HTTP clients.
        """
        self._surroundings = surroundings
        self._timeout = timeout
        self._http = http
        self._bodies = Bodies()
        self._budgets = Budgets(surroundings.clock, initial_share)
        self._paths: WeakValueDictionary[tuple[str, str], Paths] = WeakValueDictionary()
        self._transports: WeakValueDictionary[_TransportKey, Transport] = WeakValueDictionary()

    def client(self, endpoint: Endpoint, limit: RateLimit) -> NetBirdClient:
        """A client for this endpoint, its budget shared by token."""
        self._budgets.lower(endpoint.url, endpoint.token, limit)
        paths = self._paths.setdefault((endpoint.url, endpoint.token), Paths(endpoint.path_family))
        proxy = self._http.proxy(endpoint.url)
        transport = self._transports.get((endpoint.ca_bundle, proxy))
        if transport is None:
            transport = Transport(self._http, endpoint.ca_bundle, proxy, self._timeout)
            self._transports[endpoint.ca_bundle, proxy] = transport
        return NetBirdClient(endpoint, limit, self._surroundings, Shares(self._bodies, self._budgets, paths, transport))

    def reserve(self, limits: Mapping[tuple[str, str], RateLimit]) -> None:
        """Set the budgets of all (URL, token) pairs in use; others are forgotten once idle."""
        self._budgets.reserve(limits)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for transport in list(self._transports.values()):
            await transport.aclose()
