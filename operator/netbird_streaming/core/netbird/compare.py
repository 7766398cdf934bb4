"""The comparison of a configuration with what NetBird shows.

NetBird masks secrets as `****`, so a masked value is unknown and never counts; neither do keys that we do not send.
"""

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final
from urllib.parse import unquote, urlsplit, urlunsplit

from netbird_streaming.core.netbird.destinations import COMPARABLE, KINDS, Kind
from netbird_streaming.core.netbird.fingerprint import FingerprintKey
from netbird_streaming.core.netbird.types import Integration

_MASKED_PART: Final = re.compile(r"\*{3,}")
DEFAULT_PORTS: Final = {"https": 443, "http": 80}


def is_masked(value: str) -> bool:
    """Return whether the server replaced the value by asterisks."""
    return value != "" and not value.strip("*")


def has_masked_part(value: str) -> bool:
    """Return whether a server put asterisks in the place of a part of the value."""
    return _MASKED_PART.search(value) is not None


def canonical_url(url: str) -> str:
    """Return the URL in one of the forms that servers write it in: RFC 3986, section 6.2, and percent-decoded."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return url
    if port is not None and port != DEFAULT_PORTS.get(parts.scheme):
        host = f"{host}:{port}"
    user, at, _ = parts.netloc.rpartition("@")
    return unquote(urlunsplit((parts.scheme, user + at + host, parts.path or "/", parts.query, parts.fragment)))


def host_of(url: str) -> str:
    """Return the host of a URL, or the whole text if it has none: NetBird may list any text as a URL."""
    try:
        return urlsplit(url).hostname or url
    except ValueError:
        return url


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
    """Return what of a value tells integrations apart: the names of headers, else all of it, in one form."""
    match KINDS.get(key):
        case Kind.URL:
            return canonical_url(value.strip()).rstrip("/")
        case Kind.HEADERS:
            return _names(value)
        case _:
            return " ".join(value.split())


def _is_shown_as(key: str, wanted: str, shown: str) -> bool:
    """Return whether a server may show the wanted value so: in another form, with a masked part, with more headers."""
    if KINDS.get(key) is not Kind.HEADERS:
        return _fits(identifying(key, wanted), identifying(key, shown))
    return _are_shown_as(parse_headers(wanted), wanted, shown)


def _are_shown_as(ours: Mapping[str, str] | None, wanted: str, shown: str) -> bool:
    """Return the same for headers that are parsed already."""
    theirs = parse_headers(shown)
    if ours is None or theirs is None:
        return _fits(wanted, shown)
    return all(name in theirs and _fits(value, theirs[name]) for name, value in ours.items())


def _fits(wanted: str, shown: str) -> bool:
    """Return whether both are equal but for what the server masked; the time that it takes is linear."""
    if is_masked(shown) or not has_masked_part(shown):
        return is_masked(shown) or wanted == shown
    first, *middle, last = _MASKED_PART.split(shown)
    place, end = len(first), len(wanted) - len(last)
    if place > end or not (wanted.startswith(first) and wanted.endswith(last)):
        return False
    for part in middle:
        found = wanted.find(part, place, end)
        if found < 0:
            return False
        place = found + len(part)
    return True


def _shown(item: Integration, key: str) -> str | None:
    """The value that the server shows, None where it masks it or shows no configuration at all."""
    if item.config is None:
        return None
    value = item.config.get(key, "")
    return None if is_masked(value) else value


def natural_key(platform: str, config: Mapping[str, str]) -> tuple[str, ...]:
    """Return the values that distinguish this configuration on its platform, in the order of `COMPARABLE`."""
    return tuple(identifying(key, config.get(key, "")) for key in COMPARABLE.get(platform, ()))


def signature(platform: str, config: Mapping[str, str], key: FingerprintKey) -> dict[str, str]:
    """Keyed digests of `natural_key`, by configuration key: what an intent may keep of a URL that is a secret."""
    return {
        name: key.digest("signature", platform, name, identifying(name, config.get(name, "")))
        for name in COMPARABLE.get(platform, ())
    }


def is_identical(platform: str, config: Mapping[str, str], item: Integration) -> bool:
    """Return whether the item can't be distinguished from one created with this configuration."""
    return bool(identical(platform, config, (item,)))


def identical(platform: str, config: Mapping[str, str], items: Iterable[Integration]) -> list[Integration]:
    """Return the items that are identical to this configuration; a masked value is taken for equal.

    Each value is parsed once, however many items a server lists.
    """
    wanted = tuple(zip(COMPARABLE.get(platform, ()), natural_key(platform, config), strict=True))
    identify = cache(identifying)

    def is_wanted(item: Integration) -> bool:
        if item.platform != platform or item.config is None:
            return False
        return all((shown := _shown(item, key)) is None or identify(key, shown) == value for key, value in wanted)

    return [item for item in items if is_wanted(item)]


def is_alike(platform: str, config: Mapping[str, str], item: Integration) -> bool:
    """Return whether the item may have been made with this configuration, by a server with forms of its own."""
    return bool(alike(platform, config, (item,)))


def alike(platform: str, config: Mapping[str, str], items: Iterable[Integration]) -> list[Integration]:
    """Return the items that may have been made with this configuration.

    Its headers are parsed once, however many items a server lists.
    """
    headers = config.get("headers", "")
    ours = parse_headers(headers)

    def is_shown_as(key: str, shown: str) -> bool:
        return (
            _are_shown_as(ours, headers, shown) if key == "headers" else _is_shown_as(key, config.get(key, ""), shown)
        )

    def may_be(item: Integration) -> bool:
        if item.platform != platform or item.config is None:
            return False
        return all(
            (shown := _shown(item, key)) is None or is_shown_as(key, shown) for key in COMPARABLE.get(platform, ())
        )

    return [item for item in items if may_be(item)]


def unlike(platform: str, config: Mapping[str, str], item: Integration) -> tuple[str, ...]:
    """Return the keys whose shown value is not just the one of this configuration."""
    return tuple(
        key
        for key in COMPARABLE.get(platform, ())
        if (shown := _shown(item, key)) is not None and identifying(key, shown) != identifying(key, config.get(key, ""))
    )


def unlike_signature(item: Integration, wanted: Mapping[str, str], key: FingerprintKey) -> tuple[str, ...]:
    """Return the keys whose shown value is not the one whose digest was kept."""
    platform = item.platform or ""
    return tuple(
        name
        for name, digest in wanted.items()
        if (shown := _shown(item, name)) is not None
        and key.digest("signature", platform, name, identifying(name, shown)) != digest
    )


def matches_signature(item: Integration, platform: str, wanted: Mapping[str, str], key: FingerprintKey) -> bool:
    """Return whether the item shows the values with these digests. A masked value counts as equal."""
    if item.platform != platform or item.config is None:
        return False
    return not unlike_signature(item, wanted, key)


def differences(platform: str, config: Mapping[str, str], item: Integration, key: FingerprintKey) -> dict[str, str]:
    """The configuration keys whose shown value is not what we send, each with a keyed digest of both."""
    found: dict[str, str] = {}
    for name in COMPARABLE.get(platform, ()):
        shown, wanted = _shown(item, name), config.get(name, "")
        if shown is not None and shown != wanted and not _is_shown_as(name, wanted, shown):
            found[name] = key.digest("shown", name, identifying(name, wanted), shown)
    return found
