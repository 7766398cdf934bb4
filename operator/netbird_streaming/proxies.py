"""Proxies of the environment: the only parser of `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`.

The rules are Go's (`golang.org/x/net/http/httpproxy`), so that a value that works for kubectl works here. An entry of
`NO_PROXY` that is not valid is skipped.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import SplitResult, urlsplit

_SCHEMES: Final = frozenset({"http", "https"})
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_SEPARATORS: Final = re.compile(r"[,\s]+")
_WITH_PORT: Final = re.compile(r"(?:\[(?P<ip>[^\]]+)\]|(?P<host>[^:\[\]/]+))(?::(?P<port>\d{1,5}))?")


@dataclass(frozen=True, slots=True)
class Proxy:
    """The proxy for one URL, and the setting that names it. The URL can contain a password."""

    source: str
    url: str = field(repr=False)

    @property
    def fault(self) -> str | None:
        """Return the problem with the value as a sentence that does not repeat it, or None."""
        parts = _split(self.url)
        if parts is not None and parts.scheme in _SCHEMES and parts.hostname:
            return None
        shape = "is not the URL of a proxy"
        if parts is not None and parts.scheme.startswith("socks"):
            shape = "names a SOCKS proxy, which is not supported"
        return f"{self.source} {shape}; set it to an http:// or https:// URL, remove it, or add the host to NO_PROXY"


def proxy_for(url: str, environment: Mapping[str, str], *, all_proxy: bool = False) -> Proxy | None:
    """Return the proxy for a URL, or None if the environment names none or `NO_PROXY` excludes the host.

    Loopback hosts are never proxied.

    Args:
        url: The http or https URL to connect to.
        environment: The process's environment. A lower-case variable takes precedence.
        all_proxy: Use `ALL_PROXY` if the variable of the URL's scheme is not set. Clients of Kubernetes ignore it.
    """
    parts = _split(url)
    if parts is None or parts.scheme not in _SCHEMES or not parts.hostname:
        return None
    names = [f"{parts.scheme}_proxy", *(["all_proxy"] if all_proxy else [])]
    proxy = next((found for found in (_variable(environment, name) for name in names) if found is not None), None)
    if proxy is None:
        return None
    excluded = _variable(environment, "no_proxy")
    host, port = parts.hostname.rstrip("."), parts.port or _DEFAULT_PORTS[parts.scheme]
    if _is_loopback(host) or (excluded is not None and _excludes(excluded.url, host, port)):
        return None
    return proxy


def _variable(environment: Mapping[str, str], name: str) -> Proxy | None:
    """Return the value of a variable; one without a scheme means http, as for curl."""
    for each in (name, name.upper()):
        value = environment.get(each, "").strip()
        if value:
            return Proxy(
                f"{each} of the operator's environment",
                value if "://" in value or name == "no_proxy" else f"http://{value}",
            )
    return None


def _excludes(entries: str, host: str, port: int) -> bool:
    address = _address(host)
    return any(_matches(entry, host, address, port) for entry in _SEPARATORS.split(entries.lower()) if entry)


def _matches(entry: str, host: str, address: IPv4Address | IPv6Address | None, port: int) -> bool:
    if entry == "*":
        return True
    if address is not None and (_address(entry) == address or _in_network(entry, address)):
        return True
    found = _WITH_PORT.fullmatch(entry)
    if found is None or (found["port"] and int(found["port"]) != port):
        return False
    name = found["ip"] or found["host"]
    if address is not None:
        return _address(name) == address
    domain = name.removeprefix("*.").strip(".")
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))


def _in_network(entry: str, address: IPv4Address | IPv6Address) -> bool:
    try:
        return "/" in entry and address in ip_network(entry.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return False


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """Return the address that a host is, an IPv4 one where IPv6 notation contains it."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return address.is_loopback if address is not None else host == "localhost" or host.endswith(".localhost")


def _split(url: str) -> SplitResult | None:
    """Return the parts of a URL, or None if it has no valid port or address."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts
