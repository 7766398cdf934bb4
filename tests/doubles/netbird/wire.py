"""A request and an answer of the API as values, between HTTP on one side and the model on the other."""

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
# One for all: `json.dumps` with separators of its own makes a new encoder for each call, at several times the cost.
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
    """What a request asks for."""

    LIST = "list"
    GET = "get"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    ACCOUNTS = "accounts"
    USER = "user"
    TOKENS = "tokens"


EVENT_STREAMING: Final = frozenset(Operation) - {Operation.ACCOUNTS, Operation.USER, Operation.TOKENS}
COLLECTION_METHODS: Final = {"GET": Operation.LIST, "POST": Operation.CREATE}
ITEM_METHODS: Final = {"GET": Operation.GET, "PUT": Operation.UPDATE, "DELETE": Operation.DELETE}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the `Authorization` header as sent, and the `account` of the query."""

    authorization: str | None = field(default=None, repr=False)
    account: str | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The body of a request that is not JSON."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call of the API; `integration_id` is None where the path's id is no 64-bit integer."""

    operation: Operation
    caller: Caller
    integration_id: int | None = None
    body: object = field(default=None, repr=False)
    family: PathFamily = PathFamily.INTEGRATIONS
    user_id: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server answers, before anything goes wrong on the way; `applied` tells whether it changed something."""

    status: int
    content: bytes = b""
    content_type: str = JSON_TYPE
    headers: tuple[tuple[str, str], ...] = ()
    applied: bool = False

    @property
    def body(self) -> object:
        """Parse the content anew, so that no reader can change what another one sees.

        Raises:
            ValueError: the content is not JSON.
        """
        return json.loads(self.content.decode())


@dataclass(frozen=True, slots=True)
class Route:
    """What a method and a path mean: an operation, or the answer that the router itself gives."""

    request: Request | None = None
    refusal: Answer | None = None


def refusal(status: int, message: str, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """Make an answer with NetBird's error body."""
    return Answer(status, encode({"message": message, "code": status}), headers=headers)


def no_such_path(form: UnknownPath) -> Answer:
    """Make the answer for a path that the server does not have: never JSON, unlike an integration that is not there."""
    if form is UnknownPath.HTML:
        return Answer(404, _PAGE.encode(), HTML_TYPE)
    return Answer(404, b"404 page not found\n", PLAIN_TYPE)


def encode(value: object) -> bytes:
    """Serialise a JSON value compactly; lone surrogates stay escaped, so that any string that came in can go out."""
    return _ENCODER.encode(value).encode("ascii")


def read_body(content: bytes) -> object:
    """Parse a request's body; what is not JSON (nor UTF-8, nor of sane depth) becomes `Unreadable`."""
    try:
        parsed: object = json.loads(content)
    except (ValueError, RecursionError):
        return Unreadable()
    return parsed


def route(method: str, path: str, caller: Caller, content: bytes) -> Route:
    """Find the operation that a method and a path mean; the server's settings decide later whether it is offered."""
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
    if path == "/api/users/current":
        return Request(Operation.USER, caller)
    user = _TOKENS_PATH.fullmatch(path)
    return None if user is None else Request(Operation.TOKENS, caller, user_id=user[1])


def _split(path: str) -> tuple[str, str | None]:
    """Part a path into its collection and the identifier after it, if there is one."""
    if path in _BASES:
        return path, None
    base, _, identifier = path.rpartition("/")
    return (base, identifier) if identifier else ("", None)


def _int64(text: str) -> int | None:
    """Read a decimal 64-bit integer as Go does; `int` would also take underscores, spaces and other scripts' digits."""
    if not _DECIMAL.fullmatch(text):
        return None
    number = int(text)
    return number if _INT64_MIN <= number <= _INT64_MAX else None
