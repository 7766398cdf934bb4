"""The rules for connections that need no request to a server."""

import hashlib
import re
from functools import lru_cache
from typing import Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

from netbird_streaming.api.types import Connection, ConnectionSpec, NetBirdConnection
from netbird_streaming.core.netbird.compare import DEFAULT_PORTS
from netbird_streaming.core.netbird.fingerprint import FingerprintKey
from netbird_streaming.core.netbird.types import Endpoint

_DURATION: Final = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
DEFAULT_RESYNC: Final = 300.0
AUTHORITY_CHARACTERS: Final = 32


@lru_cache(maxsize=64)
def seconds(duration: str) -> float:
    """A duration such as `1h30m` in seconds; the default of the field where it can't be read."""
    match = _DURATION.fullmatch(duration)
    if match is None or not any(match.groups()):
        return DEFAULT_RESYNC
    hours, minutes, rest = (int(each or 0) for each in match.groups())
    return float(hours * 3600 + minutes * 60 + rest)


def url_fault(url: str, *, allow_http: bool) -> str | None:
    """Return why the URL of the API is unusable, with the remedy, or None."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "spec.url can't be read as a URL; write https://host"
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK and not allow_http:
        return "spec.url is http and not to loopback: the token would be readable on the way; use https"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "spec.url must be https://host"
    return None


def policy_fault(connection: Connection, *, allowed_urls: tuple[str, ...], namespaced: bool) -> str | None:
    """Return why the operator's settings forbid a connection, with the remedy, or None."""
    if not isinstance(connection, NetBirdConnection):
        return None
    if not namespaced:
        return (
            "the operator's administrator disabled NetBirdConnections (--namespaced-connections); refer to a "
            "ClusterNetBirdConnection"
        )
    allowed = {server_url(each) for each in allowed_urls}
    if not allowed or server_url(connection.spec.url) in allowed:
        return None
    return "spec.url is none of the URLs that the operator's administrator allows (--allowed-urls); use " + " or ".join(
        allowed_urls
    )


def server_url(url: str) -> str:
    """Return the URL of a server in one form (RFC 3986, sections 6.2.2.1 and 6.2.3), without a slash at the end.

    Nothing is percent-decoded: a server or a gateway may distinguish such hosts and paths.
    """
    try:
        parts = urlsplit(url)
        netloc = _netloc(parts)
    except ValueError:
        return url
    return urlunsplit((parts.scheme, netloc, parts.path, parts.query, parts.fragment)).rstrip("/")


def origin(url: str) -> str:
    """Return scheme, host and port of a URL in one form. A token is for all paths of a server."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{_netloc(parts)}"
    except ValueError:
        return url


def _netloc(parts: SplitResult) -> str:
    """Return host and port in one form, with user information if there is any. Raises ValueError for a wrong port."""
    host = (parts.hostname or "").removesuffix(".")
    host = f"[{host}]" if ":" in host else host
    user, at, _ = parts.netloc.rpartition("@")
    port = "" if parts.port in {None, DEFAULT_PORTS.get(parts.scheme)} else f":{parts.port}"
    return f"{user}{at}{host}{port}"


def resync_interval(spec: ConnectionSpec, accounts: int) -> float:
    """Seconds between two resyncs of an account, stretched while all would take more than a quarter of the budget."""
    fair_share = max(spec.rate_limit.requests_per_minute, 1) / 60 / 4
    return max(seconds(spec.resync_interval), accounts / fair_share)


def authority_of(connection: Connection) -> str:
    """Return which verified server a connection talks to.

    The administrator controls the trust in the system's roots, the chart's bundle and the ConfigMap of a cluster
    connection; a namespace controls the trust in a ConfigMap of its own. The certificates are no part of it: a rotated
    CA changes no authority.
    """
    own_trust = connection.spec.ca_bundle_config_map_ref is not None
    return authority(connection.spec.url, trusted_by=connection.metadata.namespace if own_trust else None)


def authority(url: str, *, trusted_by: str | None) -> str:
    """Return a digest of a server's URL and of the namespace that controls the trust, None for the administrator.

    It has no key: a URL is no secret, and a lost key must not change an authority.
    """
    parts = (server_url(url), trusted_by or "")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:AUTHORITY_CHARACTERS]


def credential_digest(endpoint: Endpoint, connection: Connection, key: FingerprintKey) -> str:
    """A digest of all that decides which account answers: another one may mean another account."""
    whose = (connection.metadata.uid, authority_of(connection))
    return key.digest("account", *whose, endpoint.url, endpoint.token, endpoint.tenant_id or "")


def connection_proof(connection: Connection, token: str, key: FingerprintKey) -> str:
    """A digest of what decides which accounts a connection leads to, apart from the tenant."""
    return key.digest("connection", connection.metadata.uid, authority_of(connection), connection.spec.url, token)


def endpoint_digest(connection: Connection, tenant_id: str | None, key: FingerprintKey) -> str:
    """A digest of the way to an account, without the token: a rotated token leads to the same one."""
    parts = (connection.metadata.uid, authority_of(connection), connection.spec.url, tenant_id or "")
    return key.digest("endpoint", *parts)
