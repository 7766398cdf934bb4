"""HTTP clients for NetBird, made for the environment of the process: its proxies and the authorities that it trusts."""

import ssl
from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final, Protocol

import certifi
import httpx

from netbird_streaming.errors import OperatorError, WaitError
from netbird_streaming.netbird.network import LimitedNetwork
from netbird_streaming.proxies import Proxy, proxy_for
from netbird_streaming.reasons import Reason
from netbird_streaming.tls import client_context, file_version

KEPT_CONNECTIONS: Final = 16


class HttpClients(Protocol):
    """Opens HTTP clients."""

    def proxy(self, url: str) -> Proxy | None:
        """Return the proxy for a URL. Must not raise."""
        ...

    def trust_version(self) -> object:
        """Return a value that differs after the trusted authorities of the process have changed. Must not raise."""
        ...

    def open(self, ca_bundle: str | None, proxy: Proxy | None) -> httpx.AsyncClient:
        """Return a client that trusts the bundle's authorities, or those of the process if there is no bundle.

        Raises:
            WaitError: The client can't be created.
        """
        ...


class EnvironmentHttpClients:
    """Opens HTTP clients as the environment asks: `SSL_CERT_FILE`, `SSL_CERT_DIR` and the proxy variables."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def proxy(self, url: str) -> Proxy | None:
        """Return the proxy for a URL."""
        return proxy_for(url, self._environment, all_proxy=True)

    def trust_version(self) -> object:
        """Return what identifies the content of `SSL_CERT_FILE`; a mounted ConfigMap is replaced as a whole."""
        return file_version(self._environment.get("SSL_CERT_FILE"))

    def open(self, ca_bundle: str | None, proxy: Proxy | None) -> httpx.AsyncClient:
        """Return a client for the authorities of the bundle, or of the process.

        The number of connections is not limited: a server that hangs must not delay others, and the reconciler limits
        how much runs at once.

        Raises:
            WaitError: The bundle, `SSL_CERT_FILE` or the proxy can't be used.
        """
        if proxy is not None and proxy.fault is not None:
            raise WaitError(Reason.UNAVAILABLE, f"{_capitalized(proxy.fault)}.")
        try:
            context = self._context() if ca_bundle is None else _bundle_context(ca_bundle)
            return httpx.AsyncClient(
                transport=_transport(context, None if proxy is None else self._httpx_proxy(proxy)),
                # httpx has a parser of its own, which raises for some values of NO_PROXY and ignores others.
                trust_env=False,
                timeout=None,  # noqa: S113  # each request has a deadline of its own, over all of its parts
                follow_redirects=False,
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            )
        except OperatorError:
            raise
        except Exception as error:  # noqa: BLE001  # total: an environment can be wrong in any way
            message = (
                f"No HTTP client can be created with the operator's environment ({type(error).__name__}); correct its "
                "variables HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and SSL_CERT_FILE."
            )
            raise WaitError(Reason.UNAVAILABLE, message) from None

    def _httpx_proxy(self, proxy: Proxy) -> httpx.Proxy:
        """Return the proxy; the process's authorities verify one that speaks TLS, since no connection chose it."""
        is_tls = proxy.url.lower().startswith("https:")
        return httpx.Proxy(proxy.url, ssl_context=self._context() if is_tls else None)

    def _context(self) -> ssl.SSLContext:
        """Return the context for the authorities of the process.

        Raises:
            WaitError: `SSL_CERT_FILE` or `SSL_CERT_DIR` can't be used.
        """
        file, directory = self._environment.get("SSL_CERT_FILE"), self._environment.get("SSL_CERT_DIR")
        try:
            if directory and not file:
                return client_context(ca_directory=directory)
            return client_context(ca_file=file or certifi.where())
        except OSError as error:
            message = (
                f"SSL_CERT_FILE of the operator's environment can't be read as PEM certificates "
                f"({type(error).__name__}); correct the ConfigMap of the chart's value caBundle.configMap."
            )
            raise WaitError(Reason.CA_BUNDLE_INVALID, message) from None


def _transport(context: ssl.SSLContext, proxy: httpx.Proxy | None) -> httpx.AsyncHTTPTransport:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=KEPT_CONNECTIONS)
    transport = httpx.AsyncHTTPTransport(verify=context, trust_env=False, proxy=proxy, limits=limits)
    # httpx has no parameter for the network of its pool.
    transport._pool._network_backend = LimitedNetwork()  # noqa: SLF001
    return transport


def _bundle_context(ca_bundle: str) -> ssl.SSLContext:
    try:
        # Other than ASCII are only comments. An empty text would mean OpenSSL's default certificates.
        return client_context(ca_data=ca_bundle.encode("ascii", "ignore").decode() or " ")
    except ssl.SSLError:
        message = "spec.caBundleConfigMapRef: the ConfigMap's value is not PEM certificates; put the CA's into it."
        raise WaitError(Reason.CA_BUNDLE_INVALID, message) from None


def _capitalized(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]
