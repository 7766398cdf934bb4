"""The request to NetBird, built from a spec and the Secrets that it references."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import assert_never
from urllib.parse import urlsplit, urlunsplit

from netbird_streaming.api.destinations import BLOCKS
from netbird_streaming.api.model import Model
from netbird_streaming.api.status import MAX_PUBLIC
from netbird_streaming.api.types import IntegrationSpec, KeyReference
from netbird_streaming.core import values
from netbird_streaming.core.netbird import compare
from netbird_streaming.core.netbird.destinations import DESTINATIONS, KINDS, Kind
from netbird_streaming.core.netbird.fingerprint import FingerprintKey
from netbird_streaming.core.netbird.secret_reader import (
    MAX_CONFIGURATION,
    TOO_MUCH,
    SecretData,
    SecretReader,
    is_plain_http,
)
from netbird_streaming.core.netbird.types import IntegrationRequest
from netbird_streaming.errors import EditError
from netbird_streaming.reasons import Reason


@dataclass(frozen=True, slots=True)
class Payload:
    """The configuration that NetBird should have.

    `fingerprint` changes with any value, `signature` with those that tell integrations apart. The request holds
    secrets, so that its repr shows none of it.
    """

    spec: IntegrationSpec = field(repr=False)
    request: IntegrationRequest
    fingerprint: str
    signature: Mapping[str, str]
    key_id: str

    @property
    def is_plain_http(self) -> bool:
        """Return whether events are sent in plain text."""
        return any(KINDS.get(key) is Kind.URL and is_plain_http(value) for key, value in self.request.config.items())

    @property
    def public(self) -> Mapping[str, str]:
        """The part of the configuration that a status may show. It is computed only for a write."""
        return _public(self.spec, self.request.config)


def secret_names(spec: IntegrationSpec) -> frozenset[str]:
    """Return the Secrets of the resource's namespace that the chosen platform's block references."""
    return frozenset(secret_keys(spec))


def secret_keys(spec: IntegrationSpec) -> Mapping[str, frozenset[str]]:
    """Return the keys that the chosen platform's block references, by the name of their Secret."""
    keys: dict[str, set[str]] = {}
    for ref in _references(spec.block):
        keys.setdefault(ref.name, set()).add(ref.key)
    return {name: frozenset(keys[name]) for name in sorted(keys)}


def referenced(data: SecretData, keys: frozenset[str]) -> SecretData:
    """Return the needed keys of a Secret; of a value that is too long, only enough to report it."""
    return {key: data[key][: values.MAX_VALUE + 1] for key in keys if key in data}


def resolve(
    spec: IntegrationSpec,
    secrets: Mapping[str, SecretData | None],
    key: FingerprintKey,
    *,
    allow_plain_http: bool = False,
) -> Payload:
    """Return the payload for a spec.

    Args:
        spec: The spec of the resource.
        secrets: Each of `secret_names`; None for one that does not exist.
        key: The key of the digests.
        allow_plain_http: Whether the connection allows destinations without TLS.

    Raises:
        WaitError: A Secret or a key is missing, or its value is unusable.
        EditError: The spec is unusable. The CRD's schema rejects that, except in objects that are older.
    """
    platform, block, name = spec.platform.value, spec.block, BLOCKS[spec.platform].name
    if block is None:
        raise EditError(Reason.RESOURCE_UNREADABLE, f"spec.{name}: required if platform is {platform}; add it")
    size = _plain_size(block)
    if size > MAX_CONFIGURATION:
        raise EditError(Reason.RESOURCE_UNREADABLE, f"spec.{name}: its values {TOO_MUCH}")
    reader = SecretReader(secrets, MAX_CONFIGURATION - size, allow_plain_http)
    # Each key is sent, also an empty one: the server may merge a PUT into what it has.
    config = {each.name: each.read(block, reader) for each in DESTINATIONS[spec.platform].keys}
    return Payload(
        spec=spec,
        request=IntegrationRequest(platform=platform, config=config, enabled=spec.enabled),
        fingerprint=key.digest("request", platform, str(spec.enabled), json.dumps(config, sort_keys=True)),
        signature=compare.signature(platform, config, key),
        key_id=key.id,
    )


def _references(value: object) -> Iterator[KeyReference]:
    """Find the references to Secrets in a block of the spec."""
    if isinstance(value, KeyReference):
        yield value
    else:
        for each in _parts(value):
            yield from _references(each)


def _plain_size(value: object) -> int:
    """Return the bytes of the values that the resource itself holds."""
    if isinstance(value, str):
        return len(value.encode())
    return 0 if isinstance(value, KeyReference) else sum(map(_plain_size, _parts(value)))


def _parts(value: object) -> Iterable[object]:
    if isinstance(value, Model):
        return value.__dict__.values()
    return value if isinstance(value, tuple) else ()


def _public(spec: IntegrationSpec, config: Mapping[str, str]) -> dict[str, str]:
    """Return what of the configuration is public: no secret, no query, and no URL that came from a Secret."""
    keys = DESTINATIONS[spec.platform].keys
    public = {each.name: _shown(each.kind, config[each.name]) for each in keys if each.is_public(spec.block)}
    return {name: value for name, value in public.items() if value}


def _shown(kind: Kind, value: str) -> str:
    match kind:
        case Kind.TEXT:
            return value
        case Kind.URL:
            return _without_query(value)
        case Kind.HEADERS:
            return _shortened(list(json.loads(value)))
        case Kind.SECRET:
            return ""
        case _:
            assert_never(kind)


def _shortened(names: list[str]) -> str:
    """Return as many of the names as a status holds, and the number of the others."""
    shown, room = 0, MAX_PUBLIC - len(f", and {len(names)} more")
    for name in names:
        room -= len(name) + len(", ")
        shown += room >= 0
    rest = len(names) - shown
    return ", ".join(names[:shown]) + (f", and {rest} more" if rest else "")


def _without_query(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
