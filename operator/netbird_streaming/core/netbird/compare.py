"""What of a configuration can be compared with what NetBird shows, and how.

NetBird masks secrets as `****`, so a masked value is unknown and never counts; neither do keys that we do not send.
"""

import json
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from netbird_streaming.api.types import Platform
from netbird_streaming.core.netbird.fingerprint import FingerprintKey
from netbird_streaming.core.netbird.types import Integration

COMPARABLE: Final[Mapping[str, tuple[str, ...]]] = {
    Platform.DATADOG: ("api_url",),
    Platform.S3: ("bucket_name", "region"),
    Platform.FIREHOSE: ("stream_name", "region"),
    Platform.GENERIC_HTTP: ("url", "headers", "body_template"),
}
"""The keys of each platform that are no secrets by themselves; the first is the one to look up by."""

_URLS: Final = ("url", "api_url")
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}


def is_masked(value: str) -> bool:
    """Whether the server put asterisks in the place of the value."""
    return value != "" and not value.strip("*")


def canonical_url(url: str) -> str:
    """The URL with what RFC 3986, section 6.2 calls equivalent made equal; as it is where it can't be read."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return url
    if port is not None and port != _DEFAULT_PORTS.get(parts.scheme):
        host = f"{host}:{port}"
    user, at, _ = parts.netloc.rpartition("@")
    return urlunsplit((parts.scheme, user + at + host, parts.path or "/", parts.query, parts.fragment))


def parse_headers(value: str) -> Mapping[str, str] | None:
    """The header object that the API wants encoded as a string, names in lower case; None where it is not one."""
    if value == "":
        return {}
    try:
        parsed: object = json.loads(value)
    except (ValueError, RecursionError):
        return None
    if not isinstance(parsed, dict) or not all(isinstance(each, str) for each in parsed.values()):
        return None
    return {str(name).lower(): each for name, each in parsed.items()}


def _names(value: str) -> str:
    headers = parse_headers(value)
    return value if headers is None else ",".join(sorted(headers))


def identifying(key: str, value: str) -> str:
    """The part of a value that tells integrations apart: a URL but for its form, the names of headers, else all."""
    if key in _URLS:
        return canonical_url(value).rstrip("/")
    return _names(value) if key == "headers" else value


def _same_headers(wanted: str, shown: str) -> bool:
    ours, theirs = parse_headers(wanted), parse_headers(shown)
    if ours is None or theirs is None:
        return wanted == shown
    return ours.keys() == theirs.keys() and all(
        is_masked(value) or value == ours[name] for name, value in theirs.items()
    )


def _shown(item: Integration, key: str) -> str | None:
    """The value that the server shows, None where it masks it or shows no configuration at all."""
    if item.config is None:
        return None
    value = item.config.get(key, "")
    return None if is_masked(value) else value


def natural_key(platform: str, config: Mapping[str, str]) -> tuple[str, ...]:
    """What tells this configuration from others of the same platform, in the order of `COMPARABLE`."""
    return tuple(identifying(key, config.get(key, "")) for key in COMPARABLE.get(platform, ()))


def signature(platform: str, config: Mapping[str, str], key: FingerprintKey) -> dict[str, str]:
    """Keyed digests of `natural_key`, by configuration key: what an intent may keep of a URL that is a secret."""
    return {
        name: key.digest("signature", platform, name, identifying(name, config.get(name, "")))
        for name in COMPARABLE.get(platform, ())
    }


def is_identical(platform: str, config: Mapping[str, str], item: Integration) -> bool:
    """Whether nobody could tell the item from one made with this configuration."""
    return has_identity(platform, natural_key(platform, config), item)


def has_identity(platform: str, wanted: tuple[str, ...], item: Integration) -> bool:
    """Return whether the item shows this `natural_key`; what it masks is taken for equal."""
    if item.platform != platform or item.config is None:
        return False
    return all(
        (shown := _shown(item, key)) is None or identifying(key, shown) == value
        for key, value in zip(COMPARABLE.get(platform, ()), wanted, strict=True)
    )


def matches_signature(item: Integration, platform: str, wanted: Mapping[str, str], key: FingerprintKey) -> bool:
    """Whether the item shows the values whose digests were kept; what it masks is taken for equal."""
    if item.platform != platform or item.config is None:
        return False
    return all(
        (shown := _shown(item, name)) is None
        or key.digest("signature", platform, name, identifying(name, shown)) == digest
        for name, digest in wanted.items()
    )


def differences(platform: str, config: Mapping[str, str], item: Integration, key: FingerprintKey) -> dict[str, str]:
    """The configuration keys whose shown value is not what we send, each with a keyed digest of both."""
    found: dict[str, str] = {}
    for name in COMPARABLE.get(platform, ()):
        shown, wanted = _shown(item, name), config.get(name, "")
        if shown in (None, wanted):
            continue
        if _same_headers(wanted, shown) if name == "headers" else _same(name, wanted, shown):
            continue
        found[name] = key.digest("shown", name, identifying(name, wanted), shown)
    return found


def _same(key: str, wanted: str, shown: str) -> bool:
    return canonical_url(wanted) == canonical_url(shown) if key in _URLS else wanted == shown
