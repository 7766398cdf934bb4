"""Client of the Kubernetes API server: credentials and requests.

The generated API classes of the `kubernetes` package cost twice the CPU of the request itself. This client passes JSON
to the REST client of that package instead. It uses the configuration, TLS, proxies and token rotation of the package.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, Literal, Protocol, cast
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio.client import Configuration
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.client.rest import RESTClientObject
from pydantic_core import from_json

from netbird_streaming.cluster.configuration import load_configuration
from netbird_streaming.cluster.errors import TERMINATING, to_operator_error
from netbird_streaming.errors import OperatorError, WaitError
from netbird_streaming.reasons import Reason
from netbird_streaming.tls import FileContext, client_context, disable_verification
from netbird_streaming.version import PROGRAM

__all__ = [
    "DEFAULT_TIMEOUT",
    "FIELD_MANAGER",
    "Credentials",
    "Json",
    "KubernetesClient",
    "Request",
    "load_configuration",
]

FIELD_MANAGER: Final = PROGRAM
DEFAULT_TIMEOUT: Final = 15.0
_CONCURRENCY: Final = 32
_NO_LIMITS: Final = aiohttp.ClientTimeout()
_CONTENT_TYPES: Final = {"PATCH": "application/merge-patch+json"}

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """Request to the API server. `subject` names the object in error messages."""

    subject: str
    path: str
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    query: Mapping[str, str] = field(default_factory=dict)
    body: Json | None = field(default=None, repr=False)
    accept: str = "application/json"

    @property
    def is_write(self) -> bool:
        """Return whether the request can change an object."""
        return self.method != "GET"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Credentials with which another client (kopf) reaches the same server as the same user."""

    server: str
    authorization: str | None = field(repr=False)
    tls: ssl.SSLContext
    proxy: str | None
    server_name: str | None = None
    """The name that the server's certificate is verified for, instead of the host of the URL."""


class Answer(Protocol):
    """Part of the package's `RESTResponse` that is used."""

    status: int
    headers: Mapping[str, str]
    response: aiohttp.ClientResponse

    async def read(self) -> bytes: ...


class _Client(Protocol):
    """Part of the package's `RESTClientObject` that is used."""

    ssl_context: ssl.SSLContext

    async def request(
        self, method: str, url: str, *, headers: dict[str, str], body: object, _request_timeout: aiohttp.ClientTimeout
    ) -> Answer: ...

    async def close(self) -> None: ...


class KubernetesClient:
    """Client of one API server. Every method raises a branch of `OperatorError` and nothing else.

    Ordinary requests share a limited number of connections. Watches and urgent requests (the Lease) have no limit, so
    that they never wait for a burst of writes.

    Args:
        configuration: The address of the API server, and the credentials.
        timeout: The deadline of a request, in seconds.
        concurrency: The number of ordinary requests that run at the same time.

    Raises:
        WaitError: The CA's or the client's certificate can't be read.
    """

    def __init__(
        self, configuration: Configuration, *, timeout: float = DEFAULT_TIMEOUT, concurrency: int = _CONCURRENCY
    ) -> None:
        configuration.connection_pool_maxsize = 0  # no limit: `_slots` limits ordinary requests only
        self._configuration = configuration
        try:
            files = (configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file)
            self._tls = FileContext(lambda context: _tls(configuration, context), files)
            self._client: _Client = cast("Any", RESTClientObject(configuration))
        except OSError as error:
            message = (
                f"the kubeconfig, or the pod's ServiceAccount: the CA's or the client's certificate can't be read "
                f"({type(error).__name__}); correct it."
            )
            raise WaitError(Reason.KUBERNETES_REFUSED, message) from None
        self._client.ssl_context = self._tls.context
        # Within a cluster, a LIST's pages take longer to compress than to send.
        self._headers = {"User-Agent": FIELD_MANAGER, "Accept-Encoding": "identity"}
        self._timeout = timeout
        self._slots = asyncio.Semaphore(concurrency)

    async def credentials(self) -> Credentials:
        """Return the credentials in use now."""
        settings = self._configuration
        try:
            authorization = await settings.get_api_key_with_prefix("BearerToken", alias="authorization")
        except Exception as error:  # noqa: BLE001 - total: the token's file may be gone or empty
            raise to_operator_error(error, "the operator's credentials", write=False) from None
        return Credentials(
            server=settings.host,
            authorization=authorization.strip() if authorization else None,
            tls=self._tls.refresh(),
            proxy=settings.proxy,
            server_name=settings.tls_server_name,
        )

    async def call(
        self,
        request: Request,
        *,
        guard: Callable[[], None] | None = None,
        seconds: float | None = None,
        urgent: bool = False,
    ) -> Json:
        """Send the request and return the JSON object of the response.

        Args:
            request: What to send.
            guard: Called immediately before the request is sent. Its exceptions are not converted.
            seconds: The deadline of the whole request, instead of the client's.
            urgent: Send without waiting for other requests.
        """
        body = await self.call_raw(request, guard=guard, seconds=seconds, urgent=urgent)
        try:
            answer = from_json(body, allow_inf_nan=False)
        except ValueError as error:
            raise to_operator_error(error, request.subject, write=request.is_write) from None
        if not isinstance(answer, dict):
            raise to_operator_error(TypeError(), request.subject, write=request.is_write)
        return answer

    async def call_raw(
        self,
        request: Request,
        *,
        guard: Callable[[], None] | None = None,
        seconds: float | None = None,
        urgent: bool = False,
    ) -> bytes:
        """Send the request and return the body of the response, unparsed. The arguments are those of `call`."""
        seconds = self._timeout if seconds is None else seconds
        if urgent:
            return await self._exchange(request, seconds, guard)
        async with self._slots:
            return await self._exchange(request, seconds, guard)

    @asynccontextmanager
    async def stream(self, request: Request, *, idle: float) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a watch. The context yields its lines until the server ends the watch.

        Args:
            request: The watch.
            idle: Seconds without a byte after which the connection is closed.
        """
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._send(request, aiohttp.ClientTimeout(total=None, sock_read=idle), None)
        except Exception as error:  # noqa: BLE001 - total: no exception of a client may escape with headers in its text
            raise to_operator_error(error, request.subject, write=False) from None
        try:
            yield self._lines(request, response.response)
        finally:
            response.response.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def _exchange(self, request: Request, seconds: float, guard: Callable[[], None] | None) -> bytes:
        try:
            # Not aiohttp's own timeout: the time of a credential plugin counts too.
            async with asyncio.timeout(seconds):
                response = await self._send(request, _NO_LIMITS, guard)
                body = await response.read()
        except Exception as error:
            if isinstance(error, OperatorError):
                raise
            raise to_operator_error(error, request.subject, write=request.is_write) from None
        return body

    async def _send(self, request: Request, limits: aiohttp.ClientTimeout, guard: Callable[[], None] | None) -> Answer:
        """Send the request and return the response once its headers have arrived. Exceptions are not converted."""
        headers = {
            **self._headers,
            "Accept": request.accept,
            "Content-Type": _CONTENT_TYPES.get(request.method, "application/json"),
        }
        authorization = await self._configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        if authorization:
            headers["Authorization"] = authorization.strip()
        url = f"{self._configuration.host}{request.path}"
        if request.query:
            url = f"{url}?{urlencode(request.query)}"
        self._tls.refresh()
        if guard is not None:
            guard()
        response = await self._client.request(
            request.method, url, headers=headers, body=request.body, _request_timeout=limits
        )
        if not HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
            raise await _refusal(response)
        return response

    async def _lines(self, request: Request, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        try:
            async for line in response.content:
                yield line
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise to_operator_error(error, request.subject, write=False) from None


def _tls(configuration: Configuration, loaded: ssl.SSLContext | None) -> ssl.SSLContext:
    """Return the context for all requests to the API server, those of watches included; `loaded` with changed files."""
    if loaded is None:
        context = client_context(ca_file=configuration.ssl_ca_cert, ca_data=configuration.ca_cert_data)
    else:
        context = loaded
        if configuration.ssl_ca_cert:
            context.load_verify_locations(cafile=configuration.ssl_ca_cert)
    if not configuration.verify_ssl:
        disable_verification(context)
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    return context


async def _refusal(response: Answer) -> ApiException:
    """Return the exception for a response that is not 2xx. It keeps no text except the cause `TERMINATING`.

    A 404 means that an object is absent only if its body is a Kubernetes `Status`. The API server answers plain text
    for an unknown kind, and a proxy answers any text. Such a 404 becomes 501, "not implemented".
    """
    body = await response.read()
    status = response.status
    said = _status_of(body)
    if status == HTTPStatus.NOT_FOUND and said is None:
        status = HTTPStatus.NOT_IMPLEMENTED
    terminating = status == HTTPStatus.FORBIDDEN and said is not None and TERMINATING in _causes(said)
    error = ApiException(status=int(status), reason=TERMINATING if terminating else "")
    error.headers = response.headers
    return error


def _status_of(body: bytes) -> Json | None:
    try:
        answer = from_json(body)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) and answer.get("kind") == "Status" else None


def _causes(status: Json) -> list[object]:
    """Return the reasons in the `details` of a `Status`. A malformed body of a proxy has none."""
    details = status.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    return [each.get("reason") for each in causes or () if isinstance(each, dict)] if isinstance(causes, list) else []
