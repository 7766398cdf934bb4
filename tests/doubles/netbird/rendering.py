"""The representation of an integration: masked secrets, and timestamps in the formats of NetBird."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

from tests.doubles.netbird.behaviour import Behaviour, Form, HeaderMask, TimeForm
from tests.doubles.netbird.records import Integration
from tests.doubles.netbird.tenancy import Account, Token
from tests.doubles.netbird.wire import encode

MASK: Final = "****"
_MICROSECOND_DIGITS: Final = 6
SECRET_KEYS: Final = frozenset({"api_key", "access_key", "secret_key"})

STRANGE_ITEMS: Final = (
    b'{"id":900000001,"config":[]}',
    b'{"id":900000002,"created_at":1767225600,"platform":"s3"}',
    b'{"id":900000003,"enabled":"true","platform":"sentinel","config":{"workspace":{"id":7}}}',
    b'{"id":"900000004","platform":"datadog"}',
)
"""Integrations of shapes that no public source describes, without a resource."""


def timestamp(moment: datetime, behaviour: Behaviour, *, in_list: bool) -> str:
    """Format a time as Go does: without trailing zeros of the fraction, and without an empty fraction."""
    form = behaviour.time_form
    shifted = form is TimeForm.OFFSET or (form is TimeForm.MIXED and in_list)
    zone = timezone(timedelta(minutes=behaviour.offset_minutes)) if shifted else UTC
    text = moment.astimezone(zone).isoformat(timespec="microseconds")
    # Invented nanoseconds follow from the microseconds alone, so that the order of two times is kept.
    extra = f"{moment.microsecond * 7 % 1000:03d}" if behaviour.fraction_digits > _MICROSECOND_DIGITS else ""
    fraction = f"{text[19:26]}{extra}".rstrip("0").rstrip(".")
    offset = text[26:]
    return f"{text[:19]}{fraction}{'Z' if offset == '+00:00' else offset}"


def masked_headers(value: str, mask: HeaderMask) -> str:
    """Mask generic HTTP's headers according to the setting. A value that is no JSON object is masked as a whole."""
    if mask is HeaderMask.NONE:
        return value
    if mask is HeaderMask.VALUES:
        try:
            headers = json.loads(value)
        except ValueError:
            return MASK
        if isinstance(headers, dict):
            return json.dumps(dict.fromkeys(headers, MASK))
    return MASK


def _shown_config(integration: Integration, behaviour: Behaviour) -> dict[str, str]:
    """Mask secrets. A cleared secret is masked too, so that the two look the same."""
    shown = {
        key: masked_headers(value, behaviour.mask_headers)
        if key == "headers"
        else (MASK if key in SECRET_KEYS else value)
        for key, value in integration.config.items()
    }
    shown.update(behaviour.added_config)
    return {key: _in_form(key, value, behaviour.form) for key, value in shown.items()}


def _in_form(key: str, value: str, form: Form) -> str:
    """Return a value in the server's normalized form."""
    url = key in {"url", "api_url"}
    match form:
        case Form.STRIPPED:
            return value.strip()
        case Form.ENCODED if url:
            return quote(value, safe=":/?#[]@!$&'()*+,;=%")
        case Form.ADDED_HEADER if key == "headers" and value != MASK:
            return json.dumps({"Content-Type": "application/json", **json.loads(value or "{}")})
        case Form.MASKED_PATH if url:
            parts = urlsplit(value)
            return urlunsplit((parts.scheme, parts.netloc, f"/{MASK}", "", ""))
        case Form.UNRELATED if url:
            return "(set)"
        case _:
            return value


def full(integration: Integration, behaviour: Behaviour, *, in_list: bool = False) -> bytes:
    """Serialise an integration with all of its fields."""
    created = timestamp(integration.created_at, behaviour, in_list=in_list)
    unchanged = integration.updated_at == integration.created_at
    shown: dict[str, object] = {
        "id": integration.id,
        "account_id": integration.account_id,
        "enabled": integration.enabled,
        "platform": integration.platform,
        "created_at": created,
        "updated_at": created if unchanged else timestamp(integration.updated_at, behaviour, in_list=in_list),
        "config": _shown_config(integration, behaviour),
    }
    shown.update(behaviour.added_fields)
    return encode(shown)


def thin(integration: Integration) -> bytes:
    """Serialise the fields of the vendor's example of a GET by id. Its client and tenant are not NetBird accounts."""
    return encode(
        {
            "id": integration.id,
            "client_id": f"client-{integration.id}",
            "tenant_id": f"directory-{integration.id}",
            "sync_interval": 300,
            "enabled": integration.enabled,
        },
    )


def user(user_id: str) -> bytes:
    """Serialise the user that a token belongs to."""
    return encode({"id": user_id, "email": "", "role": "admin", "is_current": True, "is_service_user": True})


def tokens(shown: Sequence[tuple[Token, datetime | None]], behaviour: Behaviour) -> bytes:
    """Serialise a user's tokens, without their values; a Go server writes `null` for none."""
    items = [
        {
            "id": token.id,
            "name": token.id,
            "expiration_date": timestamp(token.expires_at, behaviour, in_list=True),
            "created_by": token.owner,
            "last_used": None if last_used is None else timestamp(last_used, behaviour, in_list=True),
        }
        for token, last_used in shown
    ]
    return encode(items or None)


def account(shown: Account) -> bytes:
    """Serialise the list of exactly one account that a token sees."""
    return encode([{"id": shown.id, "domain": shown.domain, "domain_category": "private", "settings": {}}])
