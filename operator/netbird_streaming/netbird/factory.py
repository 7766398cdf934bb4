"""Clients for endpoints, and what they share: a token's budget, a server's paths, connections that trust one CA."""

from collections.abc import Mapping
from types import TracebackType
from typing import Self
from weakref import WeakValueDictionary

from netbird_streaming.api.types import RateLimit
from netbird_streaming.core.netbird.types import Endpoint
from netbird_streaming.netbird.bodies import Bodies
from netbird_streaming.netbird.client import ClientContext, NetBirdClient, SharedResources
from netbird_streaming.netbird.http_clients import HttpClients
from netbird_streaming.netbird.path_discovery import PathDiscovery
from netbird_streaming.netbird.rate_limiter import RateLimiters
from netbird_streaming.netbird.read_only import ReadOnlyNetBirdClient
from netbird_streaming.netbird.transport import Transport
from netbird_streaming.proxies import Proxy

_TransportKey = tuple[str | None, Proxy | None]


class ClientFactory:
    """Makes clients. What they share lives as long as one that uses it; a budget, until forgetting it frees nothing.

    As an async context manager it closes all connections at the end.

    Args:
        context: The clock, randomness, guard and observer of all clients.
        timeout: The deadline of a whole request in seconds, including the body of the response.
        initial_fraction: The part of a burst, 0 to 1, that a process assumes to remain of a token.
        http: Opens the HTTP clients.
        read_only: Whether all clients only read.
    """

    def __init__(
        self,
        context: ClientContext,
        *,
        timeout: float,
        initial_fraction: float,
        http: HttpClients,
        read_only: bool = False,
    ) -> None:
        self._read_only = read_only
        self._context = context
        self._timeout = timeout
        self._http = http
        self._bodies = Bodies()
        self._rate_limiters = RateLimiters(context.clock, initial_fraction)
        self._paths: WeakValueDictionary[tuple[str, str], PathDiscovery] = WeakValueDictionary()
        self._transports: WeakValueDictionary[_TransportKey, Transport] = WeakValueDictionary()

    def client(self, endpoint: Endpoint, limit: RateLimit) -> NetBirdClient:
        """A client for this endpoint, its budget shared by token."""
        self._rate_limiters.add_limit(endpoint.url, endpoint.token, limit)
        paths = self._paths.setdefault((endpoint.url, endpoint.token), PathDiscovery(endpoint.path_family))
        proxy = self._http.proxy(endpoint.url)
        transport = self._transports.get((endpoint.ca_bundle, proxy))
        if transport is None:
            transport = Transport(self._http, endpoint.ca_bundle, proxy, self._timeout)
            self._transports[endpoint.ca_bundle, proxy] = transport
        kind = ReadOnlyNetBirdClient if self._read_only or endpoint.read_only else NetBirdClient
        return kind(
            endpoint, limit, self._context, SharedResources(self._bodies, self._rate_limiters, paths, transport)
        )

    def set_rate_limits(self, limits: Mapping[tuple[str, str], RateLimit]) -> None:
        """Set the budgets of all (URL, token) pairs in use; others are forgotten once idle."""
        self._rate_limiters.set_limits(limits)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for transport in list(self._transports.values()):
            await transport.aclose()
