"""A request as it goes out: its URL, and headers that can't be anything but headers."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import httpx

from netbird_streaming.api.types import TokenType
from netbird_streaming.core.netbird.types import Endpoint
from netbird_streaming.errors import WaitError
from netbird_streaming.netbird.bodies import Body
from netbird_streaming.reasons import Reason

_SCHEMES: Final = {TokenType.PERSONAL_ACCESS_TOKEN: "Token", TokenType.OAUTH2: "Bearer"}
MAX_PORT: Final = 65535
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """A request. `guard` raises where it may no longer be sent.

    `answer` takes the answer's body, of at most `limit` bytes.
    """

    method: str
    url: httpx.URL = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)
    answer: Body = field(repr=False)
    limit: int
    guard: Callable[[], None]


def headers_for(endpoint: Endpoint, user_agent: str) -> dict[str, str]:
    """Return the headers of every request.

    Compression is not requested, since a small body could grow without bound. A cache on the way has to revalidate,
    since decisions rest on what a LIST shows.

    Raises:
        WaitError: the token can't be in a header. HTTP clients quote such a value in their own errors.
    """
    if not _TOKEN.fullmatch(endpoint.token):
        message = (
            "The connection's token is empty, or holds a character that no token has (a space, a line break, or one "
            "outside of ASCII); put the token alone into the Secret."
        )
        raise WaitError(Reason.SECRET_VALUE_INVALID, message)
    return {
        "Authorization": f"{_SCHEMES[endpoint.token_type]} {endpoint.token}",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Cache-Control": "no-cache",
        "User-Agent": user_agent,
    }


def url_for(endpoint: Endpoint, path: str) -> httpx.URL:
    """The URL of an API path, below whatever path the connection's URL has, in the connection's tenant.

    Raises:
        WaitError: the connection's URL is none, or holds user information, which would replace the token.
    """
    try:
        base = httpx.URL(endpoint.url)
        url = base.copy_with(path=base.path.rstrip("/") + path, query=None, fragment=None)
        if url.scheme in {"http", "https"} and url.host and not url.userinfo and (url.port or 0) <= MAX_PORT:
            return url if endpoint.tenant_id is None else url.copy_with(params={"account": endpoint.tenant_id})
    except (httpx.InvalidURL, ValueError):
        pass
    message = (
        "spec.url: takes the http or https URL of a host, without user information; correct it or the tenant's ID."
    )
    raise WaitError(Reason.CONNECTION_INVALID, message)
