"""Validation: a request's body becomes a draft, or a refusal with its reason."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from tests.doubles.netbird.behaviour import Behaviour
from tests.doubles.netbird.records import Draft
from tests.doubles.netbird.rendering import SECRET_KEYS
from tests.doubles.netbird.wire import Answer, refusal

REQUIRED_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "datadog": ("api_url", "api_key"),
    "s3": ("bucket_name", "region", "access_key", "secret_key"),
    "firehose": ("stream_name", "region", "access_key", "secret_key"),
    "generic_http": ("url",),
}
URL_KEYS: Final = ("api_url", "url")
_URL: Final = re.compile(r"https?://[^/?#\s]+\S*")
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True)
class Patch:
    """The content of a PUT: the configuration to merge or replace, and whether it is enabled."""

    config: Mapping[str, str]
    enabled: bool


def read_create(body: object) -> Draft | Answer:
    """Read the body of a POST. All fields are required, and the types are exact as in Go's decoder."""
    patch = read_update(body)
    if isinstance(patch, Answer):
        return patch
    platform = body.get("platform") if isinstance(body, dict) else None
    if not isinstance(platform, str):
        return refusal(400, "couldn't parse JSON request")
    return Draft(platform, patch.config, patch.enabled)


def read_update(body: object) -> Patch | Answer:
    """Read the body of a PUT. Its `platform` is ignored, because it can't change."""
    if not isinstance(body, dict):
        return refusal(400, "couldn't parse JSON request")
    config, enabled = body.get("config"), body.get("enabled")
    if not isinstance(config, dict) or not all(isinstance(value, str) for value in config.values()):
        return refusal(400, "couldn't parse JSON request")
    if not isinstance(enabled, bool):
        return refusal(400, "couldn't parse JSON request")
    return Patch(config, enabled)


def invalid(draft: Draft) -> Answer | None:
    """Find invalid values: an unknown platform, a missing or empty key, an invalid URL."""
    required = REQUIRED_KEYS.get(draft.platform)
    if required is None:
        return refusal(422, "unsupported event streaming platform")
    for key in required:
        if not draft.config.get(key):
            return refusal(422, f"{key} is required for platform {draft.platform}")
    for key in URL_KEYS:
        if key in required and not _URL.fullmatch(draft.config[key]):
            return refusal(422, f"{key} must be an absolute http or https URL")
    if draft.platform == "generic_http" and not _is_header_object(draft.config.get("headers", "")):
        return refusal(422, "headers must be a JSON object of strings")
    return None


def rejected_by_destination(draft: Draft, behaviour: Behaviour) -> Answer | None:
    """Send the test event. The destination refuses values that contain one of the rejected secrets."""
    if _hangs(draft.config, behaviour):
        return refusal(behaviour.rejection_status, "integration test failed: timeout")
    for key, value in draft.config.items():
        if key in SECRET_KEYS or key in {"headers", "url"}:
            for secret in behaviour.rejected_secrets:
                if secret and secret in value:
                    detail = f": destination answered 403 Forbidden to {value}" if behaviour.echo_rejected else ""
                    return refusal(behaviour.rejection_status, f"integration test failed{detail}")
    return None


def delivery_seconds(body: object, behaviour: Behaviour) -> float:
    """Return for how long the server waits for the destination of a POST or PUT."""
    config = body.get("config") if isinstance(body, dict) else None
    return behaviour.hang_seconds if isinstance(config, dict) and _hangs(config, behaviour) else 0.0


def _hangs(config: Mapping[str, str], behaviour: Behaviour) -> bool:
    if not behaviour.hanging_hosts:
        return False
    return any(urlsplit(str(config.get(key, ""))).hostname in behaviour.hanging_hosts for key in URL_KEYS)


def kept(draft: Draft, behaviour: Behaviour) -> Draft:
    """Return the stored form of a configuration: a copy, with normalized URLs if the server does that."""
    config = dict(draft.config)
    if behaviour.normalise_urls:
        config.update({key: _normalised(config[key]) for key in URL_KEYS if key in config})
    return replace(draft, config=config)


def _normalised(url: str) -> str:
    """Return a URL with a lower-case host, no default port and a slash at the end of its path."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    host = parts.netloc.lower().removesuffix(_DEFAULT_PORTS.get(parts.scheme, ""))
    return urlunsplit((parts.scheme, host, parts.path.rstrip("/") + "/", parts.query, parts.fragment))


def _is_header_object(text: str) -> bool:
    """Return whether `headers` is empty or a JSON object of strings."""
    if not text:
        return True
    try:
        headers = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(headers, dict) and all(isinstance(value, str) for value in headers.values())
