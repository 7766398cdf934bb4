"""The platforms: one `Destination` each, from which everything else is derived.

The configuration keys are those that NetBird's dashboard sends (`netbirdio/dashboard`,
`src/modules/integrations/event-streaming`). The published OpenAPI document's example names others for S3.
"""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from netbird_streaming.api.destinations import Datadog, GenericHTTP, Platform
from netbird_streaming.api.http_auth import Auth
from netbird_streaming.api.references import KeyReference
from netbird_streaming.core import values
from netbird_streaming.core.netbird.secret_reader import SecretReader


class Kind(Enum):
    """The kind of a value: it says how values are compared, and what may be shown of one."""

    TEXT = "text"
    URL = "URL"
    """Compared in its normal form, and shown without its query."""
    HEADERS = "headers"
    """A JSON object in a string. The names tell integrations apart, and only they are shown."""
    SECRET = "secret"  # noqa: S105  # the kind of a value
    """Masked by NetBird, so that it is neither compared nor shown."""


Read = Callable[[Any, SecretReader], str]
"""Return the value for a block of the spec; an empty string if it is not set."""


def _always(_: object) -> bool:
    return True


def _never(_: object) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a configuration in NetBird. `is_public` tells for a block whether the value may be shown."""

    name: str
    kind: Kind
    read: Read
    is_public: Callable[[Any], bool] = _always


@dataclass(frozen=True, slots=True)
class Destination:
    """All keys that NetBird has for a platform; an existing integration is looked up by the first one."""

    keys: tuple[Key, ...]

    @property
    def comparable(self) -> tuple[str, ...]:
        """The names of the keys that are compared."""
        return tuple(key.name for key in self.keys if key.kind is not Kind.SECRET)


def _text(name: str, get: Callable[[Any], str | None], is_public: Callable[[Any], bool] = _always) -> Key:
    return Key(name, Kind.TEXT, lambda block, _: get(block) or "", is_public)


def _secret(name: str, reference: Callable[[Any], KeyReference], check: values.Check) -> Key:
    """Return a key whose value is in a Secret that the block refers to."""
    return Key(name, Kind.SECRET, lambda block, secrets: secrets.value(reference(block), check), _never)


_AWS_KEYS: Final = (
    _text("region", lambda aws: aws.region),
    _secret("access_key", lambda aws: aws.access_key_id_secret_ref, values.access_key_id_fault),
    _secret("secret_key", lambda aws: aws.secret_access_key_secret_ref, values.secret_access_key_fault),
)


def _intake(block: Datadog, secrets: SecretReader) -> str:
    intake = f"https://http-intake.logs.{block.site}/api/v2/logs"
    return secrets.own_url("spec.datadog.apiURL", block.api_url or intake)


def _url(block: GenericHTTP, secrets: SecretReader) -> str:
    if block.url or block.url_secret_ref is None:
        return secrets.own_url("spec.genericHTTP.url", block.url or "")
    return secrets.url(block.url_secret_ref)


def _headers(block: GenericHTTP, secrets: SecretReader) -> str:
    headers = {
        each.name: each.value or ""
        if each.value_from is None
        else secrets.value(each.value_from.secret_key_ref, values.header_fault)
        for each in block.headers
    }
    if block.auth is not None:
        headers |= _auth_header(block.auth, secrets)
    return json.dumps(headers, sort_keys=True)


def _auth_header(auth: Auth, secrets: SecretReader) -> dict[str, str]:
    if auth.bearer is not None:
        return {"Authorization": f"Bearer {secrets.value(auth.bearer.token_secret_ref, values.bearer_fault)}"}
    if auth.basic is not None:
        user = secrets.value(auth.basic.username_secret_ref, values.user_fault)
        pair = f"{user}:{secrets.value(auth.basic.password_secret_ref, values.password_fault)}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    if auth.header is not None:
        return {auth.header.name: secrets.value(auth.header.value_secret_ref, values.header_fault)}
    return {}


DESTINATIONS: Final[Mapping[Platform, Destination]] = {
    Platform.DATADOG: Destination(
        (
            Key("api_url", Kind.URL, _intake),
            _secret("api_key", lambda datadog: datadog.api_key_secret_ref, values.datadog_key_fault),
        )
    ),
    Platform.S3: Destination((_text("bucket_name", lambda s3: s3.bucket_name), *_AWS_KEYS)),
    Platform.FIREHOSE: Destination((_text("stream_name", lambda firehose: firehose.stream_name), *_AWS_KEYS)),
    Platform.GENERIC_HTTP: Destination(
        (
            Key("url", Kind.URL, _url, lambda http: http.url is not None),
            Key("headers", Kind.HEADERS, _headers),
            _text("body_template", lambda http: http.body_template, _never),
        )
    ),
}

COMPARABLE: Final[Mapping[str, tuple[str, ...]]] = {
    platform.value: destination.comparable for platform, destination in DESTINATIONS.items()
}
"""The compared keys of each platform; an existing integration is looked up by the first one."""

KINDS: Final[Mapping[str, Kind]] = {
    key.name: key.kind for destination in DESTINATIONS.values() for key in destination.keys
}
"""The kind of each key. A key has the same kind on all platforms."""
