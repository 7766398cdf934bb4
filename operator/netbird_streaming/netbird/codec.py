"""Encoding and parsing of NetBird's JSON.

Each body is parsed here, once. An invalid body raises `UnreadableError`. Its message names the place and the shape, and
never a value: a configuration can hold secrets. The bodies are those of the vendor's API reference. Unknown fields are
ignored, and nothing of them is kept.

A user who may create a connection chooses the server. So the data that is kept of a response has limits, whatever the
size of the response.
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
"""Integrations of one LIST: twice as many as the operator is designed for."""
MAX_ELEMENT: Final = 256 * 1024
"""Bytes of one integration: four times the largest configuration that is sent, since JSON may escape characters."""
MAX_KEPT: Final = 4 * 2**20
"""Bytes of memory for the distinct texts of one LIST, as Python keeps them."""

MAX_ID: Final = 2**63 - 1
"""An id is a 64-bit integer (the vendor's OpenAPI). A Go server writes 0 for none."""

MAX_TEXT: Final = 256
"""Characters of an account's id, a platform or a time. These values must fit into a status."""

_KEPT: Final = tuple(dict.fromkeys(key for keys in COMPARABLE.values() for key in keys))
"""The keys of a configuration that are read. The others are secrets or unknown."""
_NOT_JSON: Final = "it is not JSON"
_JSON_NAMES: Final = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}


class UnreadableError(ValueError):
    """Body that differs from the API reference. The message holds no value of it."""


class _TooMuchError(UnreadableError):
    """LIST that exceeds a limit. The rest of it is not read."""


class _Interner:
    """Store that keeps equal texts of a response once, so that a LIST needs little memory."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._bytes = 0

    def intern(self, text: str) -> str:
        """Return the first equal text. Raises `UnreadableError` for half of a surrogate pair, which can't be sent."""
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
    """Return the body of a POST or PUT, escaped, so that any text can be sent."""
    body = {"platform": request.platform, "config": dict(request.config), "enabled": request.enabled}
    return json.dumps(body, separators=(",", ":")).encode("ascii")


def parse_listing(body: Encoded) -> Iterator[list[Integration]]:
    """Yield the integrations of a LIST in pieces, as they are read. `null` is an empty LIST.

    An element that can't be read is yielded as an `Integration` with `unreadable` set, and without an id if the id
    can't be read either. Broken JSON makes the whole LIST unreadable. So does a LIST that exceeds a limit.
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
    """Return one integration, with or without its configuration. Raises if its id is not the expected one."""
    item = _integration(_parse(body), _Interner())
    if expected_id is not None and item.id != expected_id:
        message = "it is about another integration"
        raise UnreadableError(message)
    return item


def parse_account_id(body: Encoded) -> str:
    """Return the id of the one account that `GET /api/accounts` lists."""
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
    """Return the tokens that `GET /api/users/{id}/tokens` lists. `null` is an empty list."""
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
    """Return a field's time in UTC, or None if it is absent or out of range."""
    moment = parse_time(_text(item, key, _Interner()))
    try:
        return None if moment is None else moment.astimezone(UTC)
    except OverflowError:
        return None


def check_deletion(body: Encoded) -> None:
    """Check the response to a deletion: `{}` or an empty body. A page of HTML deleted nothing."""
    parsed = _parse(body) if body.strip() else None
    if parsed is not None and not isinstance(parsed, dict):
        message = f"an object was expected, not {_shape(parsed)}"
        raise UnreadableError(message)


def is_json_object(body: Encoded) -> bool:
    """Return whether the body is an object, as the API writes it, and no page of a router or a proxy.

    The API writes `{"message": …, "code": …}`.
    """
    try:
        return isinstance(_parse(body), dict)
    except UnreadableError:
        return False


def _parse(body: Encoded) -> Any:  # noqa: ANN401  # JSON can have any type before it is checked
    """Return the parsed JSON. Raises for a body that is not JSON, is nested too deeply or is not UTF-8."""
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError:
        raise UnreadableError(_NOT_JSON if body.strip() else "it is empty") from None


def _listed(item: object, texts: "_Interner") -> Integration:
    """Return an element of a LIST. Of an element that can't be read, return the readable part."""
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
        message = "an integration's id is not a positive 64-bit integer"
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
    """Return a field's text, or None. A Go server writes an empty text for none."""
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
    """Return a field's time in a form that a status accepts. A time that can't be read counts as absent."""
    text = _text(item, key, texts)
    return None if text is None else as_rfc_3339(text)


def _config(config: dict[str, Any], texts: "_Interner") -> dict[str, str]:
    """Return the values that can be compared, as strings. A value that a server has decoded is encoded again."""
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
