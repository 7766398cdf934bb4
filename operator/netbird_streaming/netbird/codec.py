"""NetBird's JSON: what is sent, and what an answer must be to be believed.

Everything is parsed here, once. A body that can't be believed raises `UnreadableError`, whose message tells the place
and the shape and never a value: a configuration can hold secrets. The bodies are those of the vendor's API reference; a
field that nobody knows is left alone, and nothing is kept of it.

Whoever may create a connection chooses the server, so what is kept of an answer has limits of its own, however large
the answer may be.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from pydantic_core import from_json

from netbird_streaming.api.timestamps import as_rfc_3339, parse_time
from netbird_streaming.core.netbird.destinations import COMPARABLE
from netbird_streaming.core.netbird.types import UNKNOWN_ID, AccessToken, Integration, IntegrationRequest
from netbird_streaming.netbird.json_list import Encoded, TooLargeError, is_list, pieces

MAX_ITEMS: Final = 20_000
"""Integrations of one LIST: twice as many as this operator is made for."""
MAX_ELEMENT: Final = 256 * 1024
"""Bytes of one integration: four times the largest configuration that is sent, because JSON may escape characters."""
MAX_KEPT: Final = 4 * 2**20
"""Bytes of memory for the texts of one LIST: each one that differs from the others, as Python keeps it."""

MAX_ID: Final = 2**63 - 1
"""An id is a 64-bit integer (the vendor's OpenAPI); 0 is what a Go server writes for none."""

MAX_TEXT: Final = 256
"""Of an account's id, a platform, a time: what ends up in a status must fit into it."""

_KEPT: Final = tuple(dict.fromkeys(key for keys in COMPARABLE.values() for key in keys))
"""Nothing else of a configuration is ever looked at; the rest are secrets, and what nobody knows."""
_NOT_JSON: Final = "it is not JSON"
_JSON_NAMES: Final = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}


class UnreadableError(ValueError):
    """A body that is not what the reference promises; the message holds no value of it."""


class _TooMuchError(UnreadableError):
    """A LIST that exceeds a limit: there is no use in reading on."""


class _Interner:
    """Each text of an answer, once: those that are equal become one, which keeps a LIST small."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._bytes = 0

    def intern(self, text: str) -> str:
        """Give the first that was equal; raises `UnreadableError` for half of a surrogate pair, which can't be sent."""
        known = self._known.get(text)
        if known is not None:
            return known
        try:
            text.encode()
        except UnicodeEncodeError:
            raise UnreadableError(_NOT_JSON) from None
        self._bytes += sys.getsizeof(text)
        if self._bytes > MAX_KEPT:
            message = f"its integrations have more than {MAX_KEPT // 2**20} MiB of text"
            raise _TooMuchError(message)
        self._known[text] = text
        return text


def encode_request(request: IntegrationRequest) -> bytes:
    """The body of a POST or PUT; escaped, so that any text can be sent."""
    body = {"platform": request.platform, "config": dict(request.config), "enabled": request.enabled}
    return json.dumps(body, separators=(",", ":")).encode("ascii")


def parse_listing(body: Encoded) -> Iterator[list[Integration]]:
    """Yield the integrations of a LIST as they are read, some at a time; `null` is an empty LIST.

    An element that can't be read is yielded as an `Integration` with `unreadable` set, and without an id if that can't
    be read either. Broken JSON makes the whole LIST unreadable, and so does one that exceeds a limit.
    """
    if not is_list(body):
        parsed = _parse(body if len(body) <= MAX_ELEMENT else b"")
        if parsed is None:
            return
        message = f"a list was expected, not {_shape(parsed)}"
        raise UnreadableError(message)
    texts = _Interner()
    for piece in _pieces(body):
        yield [_listed(item, texts) for item in piece]


def _pieces(body: Encoded) -> Iterator[list[object]]:
    count = 0
    try:
        for piece in pieces(body, MAX_ELEMENT):
            count += len(piece)
            if count > MAX_ITEMS:
                break
            yield piece
        else:
            return
    except TooLargeError:
        message = f"an integration has more than {MAX_ELEMENT // 1024} KiB, or too many parts"
        raise UnreadableError(message) from None
    except ValueError:
        raise UnreadableError(_NOT_JSON) from None
    message = f"it lists more than {MAX_ITEMS} integrations; delete those that are not needed"
    raise UnreadableError(message)


def parse_integration(body: Encoded, expected_id: int | None = None) -> Integration:
    """One integration, thin or whole; of another id than the expected one it is not believed."""
    item = _integration(_parse(body), _Interner())
    if expected_id is not None and item.id != expected_id:
        message = "it is about another integration"
        raise UnreadableError(message)
    return item


def parse_account_id(body: Encoded) -> str:
    """The id of the one account that `GET /api/accounts` lists."""
    parsed = _parse(body)
    if not isinstance(parsed, list) or len(parsed) != 1 or not isinstance(parsed[0], dict):
        message = "a list of exactly one account was expected"
        raise UnreadableError(message)
    account_id = _text(parsed[0], "id", _Interner())
    if account_id is None:
        message = "the account has no id"
        raise UnreadableError(message)
    return account_id


def parse_user_id(body: Encoded) -> str:
    """Return the id of the user that `GET /api/users/current` shows."""
    parsed = _parse(body)
    user_id = _text(parsed, "id", _Interner()) if isinstance(parsed, dict) else None
    if user_id is None or user_id in {".", ".."}:
        message = "a user with an id was expected"
        raise UnreadableError(message)
    return user_id


def parse_tokens(body: Encoded) -> tuple[AccessToken, ...]:
    """Return the tokens that `GET /api/users/{id}/tokens` lists; `null` is an empty list."""
    parsed = _parse(body)
    return tuple(_token(item) for item in _list_of_objects(parsed))


def parse_tenants(body: Encoded) -> tuple[str, ...]:
    """Return the ids of the tenants that `GET /api/integrations/msp/tenants` lists."""
    ids = tuple(_text(item, "id", _Interner()) for item in _list_of_objects(_parse(body)))
    if None in ids:
        message = "a tenant has no id"
        raise UnreadableError(message)
    return tuple(filter(None, ids))


def _list_of_objects(parsed: object) -> list[Mapping[str, object]]:
    items = [] if parsed is None else parsed
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        message = "a list of objects was expected"
        raise UnreadableError(message)
    return items


def _token(item: Mapping[str, object]) -> AccessToken:
    expires_at = _moment(item, "expiration_date")
    if expires_at is None:
        message = "a token has no expiration_date"
        raise UnreadableError(message)
    return AccessToken(expires_at, _moment(item, "last_used"))


def _moment(item: Mapping[str, object], key: str) -> datetime | None:
    """Return a field's time in UTC; None if there is none, or if it is out of range."""
    moment = parse_time(_text(item, key, _Interner()))
    try:
        return None if moment is None else moment.astimezone(UTC)
    except OverflowError:
        return None


def check_deletion(body: Encoded) -> None:
    """A deletion is answered by `{}`, or by nothing; a page of HTML deleted nothing."""
    parsed = _parse(body) if body.strip() else None
    if parsed is not None and not isinstance(parsed, dict):
        message = f"an object was expected, not {_shape(parsed)}"
        raise UnreadableError(message)


def is_json_object(body: Encoded) -> bool:
    """Whether it is an answer of the API, which writes `{"message": …, "code": …}`, and no router's or proxy's page."""
    try:
        return isinstance(_parse(body), dict)
    except UnreadableError:
        return False


def _parse(body: Encoded) -> Any:  # noqa: ANN401  # JSON can be anything until it has been looked at
    """Raises for what is not JSON, nested deeply or not UTF-8."""
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError:
        raise UnreadableError(_NOT_JSON if body.strip() else "it is empty") from None


def _listed(item: object, texts: "_Interner") -> Integration:
    """Return an element of a LIST, or what can be known of one that can't be read."""
    try:
        return _integration(item, texts)
    except _TooMuchError:
        raise
    except UnreadableError as problem:
        found = item if isinstance(item, dict) else {}
        platform = next((each for each in COMPARABLE if each == found.get("platform")), None)
        return Integration(
            found["id"] if _is_id(found.get("id")) else UNKNOWN_ID,
            platform=platform,
            unreadable=str(problem),
        )


def _is_id(value: object) -> bool:
    return type(value) is int and 0 < value <= MAX_ID


def _integration(item: object, texts: "_Interner") -> Integration:
    if not isinstance(item, dict):
        message = f"an integration was expected, not {_shape(item)}"
        raise UnreadableError(message)
    id_, enabled, config = item.get("id"), item.get("enabled"), item.get("config")
    if type(id_) is not int or not _is_id(id_):
        message = "an integration's id is no positive 64-bit integer"
        raise UnreadableError(message)
    if enabled is not None and enabled is not True and enabled is not False:
        message = f"enabled of an integration is {_shape(enabled)}"
        raise UnreadableError(message)
    if config is not None and not isinstance(config, dict):
        message = f"config of an integration is {_shape(config)}"
        raise UnreadableError(message)
    return Integration(
        id_,
        _text(item, "account_id", texts),
        _text(item, "platform", texts),
        enabled,
        None if config is None else _config(config, texts),
        _time(item, "created_at", texts),
        _time(item, "updated_at", texts),
    )


def _text(item: Mapping[str, object], key: str, texts: "_Interner") -> str | None:
    """A field's text; an empty one is what a Go server writes for none."""
    value = item.get(key)
    if value is not None and not isinstance(value, str):
        message = f"{key} is {_shape(value)}"
        raise UnreadableError(message)
    if value and len(value) > MAX_TEXT:
        message = f"{key} has more than {MAX_TEXT} characters"
        raise UnreadableError(message)
    if value and not value.isprintable():
        message = f"{key} has a character that can't be printed"
        raise UnreadableError(message)
    return texts.intern(value) if value else None


def _time(item: Mapping[str, object], key: str, texts: "_Interner") -> str | None:
    """Return a field's time in a form that a status accepts; one that cannot be read counts as absent."""
    text = _text(item, key, texts)
    return None if text is None else as_rfc_3339(text)


def _config(config: dict[str, Any], texts: "_Interner") -> dict[str, str]:
    """The values that can be compared, each a string; what some server has decoded already is encoded again."""
    return {key: texts.intern(_as_string(config[key])) for key in _KEPT if config.get(key) is not None}


def _as_string(value: object) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except ValueError:
        message = "a number of a configuration is too long"
        raise UnreadableError(message) from None


def _shape(value: object) -> str:
    return _JSON_NAMES.get(type(value), "a number")
