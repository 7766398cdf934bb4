"""Requests and responses of the API as values, between HTTP and the model."""

import json
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from tests.doubles.netbird.behaviour import PathFamily, UnknownPath

JSON_TYPE: Final = "application/json; charset=UTF-8"
PLAIN_TYPE: Final = "text/plain; charset=utf-8"
HTML_TYPE: Final = "text/html; charset=utf-8"

_INT64_MAX: Final = 2**63 - 1
_INT64_MIN: Final = -(2**63)
# A shared one, because `json.dumps` with separators makes a new encoder for each call, at several times the cost.
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"))
_DECIMAL: Final = re.compile(r"[+-]?[0-9]{1,40}", re.ASCII)
_BASES: Final = {
    "/api/integrations/event-streaming": PathFamily.INTEGRATIONS,
    "/api/event-streaming": PathFamily.PLAIN,
}
_ONLY_GET: Final = (("Allow", "GET"),)
_TOKENS_PATH: Final = re.compile(r"/api/users/([^/]+)/tokens")
_PAGE: Final = "<!doctype html><html><head><title>NetBird</title></head><body><div id=root></div></body></html>"


class Operation(StrEnum):
    """The operation of a request."""

    LIST = "list"
    GET = "get"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    ACCOUNTS = "accounts"
    USER = "user"
    TOKENS = "tokens"
    TENANTS = "tenants"


COLLECTION_METHODS: Final = {"GET": Operation.LIST, "POST": Operation.CREATE}
ITEM_METHODS: Final = {"GET": Operation.GET, "PUT": Operation.UPDATE, "DELETE": Operation.DELETE}
EVENT_STREAMING: Final = frozenset({*ITEM_METHODS.values(), *COLLECTION_METHODS.values()})


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller: the `Authorization` header as sent, and the `account` of the query."""

    authorization: str | None = field(default=None, repr=False)
    account: str | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The body of a request that is not JSON."""


@dataclass(frozen=True, slots=True)
class Request:
    """A call of the API. `integration_id` is None if the path's id is no 64-bit integer."""

    operation: Operation
    caller: Caller
    integration_id: int | None = None
    body: object = field(default=None, repr=False)
    family: PathFamily = PathFamily.INTEGRATIONS
    user_id: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The server's response, before any fault. `applied` says whether it changed something."""

    status: int
    content: bytes = b""
    content_type: str = JSON_TYPE
    headers: tuple[tuple[str, str], ...] = ()
    applied: bool = False

    @property
    def body(self) -> object:
        """Parse the content again, so that no reader can change what another one sees.

        Raises:
            ValueError: the content is not JSON.
        """
        return json.loads(self.content.decode())


@dataclass(frozen=True, slots=True)
class Route:
    """The meaning of a method and a path: an operation, or the router's own response."""

    request: Request | None = None
    refusal: Answer | None = None


def refusal(status: int, message: str, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """Make a response with NetBird's error body."""
    return Answer(status, encode({"message": message, "code": status}), headers=headers)


def no_such_path(form: UnknownPath) -> Answer:
    """Make the response for an unknown path: never JSON, unlike a missing integration."""
    if form is UnknownPath.HTML:
        return Answer(404, _PAGE.encode(), HTML_TYPE)
    return Answer(404, b"404 page not found\n", PLAIN_TYPE)


def encode(value: object) -> bytes:
    """Serialise a JSON value compactly. Lone surrogates stay escaped, so that any received string can be sent."""
    return _ENCODER.encode(value).encode("ascii")


def read_body(content: bytes) -> object:
    """Parse a request's body. Invalid JSON, invalid UTF-8 and excessive depth become `Unreadable`."""
    try:
        parsed: object = json.loads(content)
    except (ValueError, RecursionError):
        return Unreadable()
    return parsed


def route(method: str, path: str, caller: Caller, content: bytes) -> Route:
    """Find the operation of a method and a path. The server's settings decide later whether it is offered."""
    own = _own(path, caller)
    if own is not None:
        return Route(own) if method == "GET" else Route(refusal=Answer(405, b"", PLAIN_TYPE, headers=_ONLY_GET))
    base, identifier = _split(path)
    family = _BASES.get(base)
    if family is None:
        return Route()
    methods = COLLECTION_METHODS if identifier is None else ITEM_METHODS
    operation = methods.get(method)
    if operation is None:
        return Route(refusal=Answer(405, b"", PLAIN_TYPE, headers=(("Allow", ", ".join(methods)),)))
    body = read_body(content) if operation in {Operation.CREATE, Operation.UPDATE} else None
    return Route(Request(operation, caller, None if identifier is None else _int64(identifier), body, family))


def _own(path: str, caller: Caller) -> Request | None:
    """Read a path outside of event streaming."""
    if path == "/api/accounts":
        return Request(Operation.ACCOUNTS, caller)
    if path == "/api/integrations/msp/tenants":
        return Request(Operation.TENANTS, caller)
    if path == "/api/users/current":
        return Request(Operation.USER, caller)
    user = _TOKENS_PATH.fullmatch(path)
    return None if user is None else Request(Operation.TOKENS, caller, user_id=user[1])


def _split(path: str) -> tuple[str, str | None]:
    """Split a path into its collection and the identifier after it, if there is one."""
    if path in _BASES:
        return path, None
    base, _, identifier = path.rpartition("/")
    return (base, identifier) if identifier else ("", None)


def _int64(text: str) -> int | None:
    """Read a decimal 64-bit integer as Go does. `int` would also accept underscores, spaces and other digits."""
    if not _DECIMAL.fullmatch(text):
        return None
    number = int(text)
    return number if _INT64_MIN <= number <= _INT64_MAX else None
