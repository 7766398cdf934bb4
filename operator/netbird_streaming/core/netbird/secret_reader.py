"""The values of Secrets, and the URLs of destinations."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from netbird_streaming.api.references import KeyReference
from netbird_streaming.core import values
from netbird_streaming.errors import EditError, WaitError
from netbird_streaming.reasons import Reason

SecretData = Mapping[str, bytes]
MAX_URL: Final = 2048
MAX_CONFIGURATION: Final = 64 * 1024
"""Bytes of all values of a resource, with those of its Secrets: more than any useful configuration has."""
TOO_MUCH: Final = f"have more than {MAX_CONFIGURATION // 1024} KiB together; shorten them"


@dataclass(slots=True, repr=False)
class SecretReader:
    """Reads values from Secrets. Each error names the Secret and the key, and never the value.

    `room` is the number of bytes that may still be read. It is checked before a value is used.
    """

    secrets: Mapping[str, SecretData | None]
    room: int
    allow_plain_http: bool

    def value(self, ref: KeyReference, check: values.Check = values.value_fault) -> str:
        """Return the value of a key that passes the check."""
        data = self.secrets.get(ref.name)
        if data is None:
            msg = f"Secret {ref.name} does not exist in the resource's namespace; create it"
            raise WaitError(Reason.SECRET_NOT_FOUND, msg)
        if ref.key not in data:
            msg = f"Secret {ref.name} has no key {ref.key}; add it, or correct the reference"
            raise WaitError(Reason.SECRET_KEY_NOT_FOUND, msg)
        fault = check(data[ref.key])
        if fault is not None:
            raise WaitError(Reason.SECRET_VALUE_INVALID, f"Secret {ref.name}, key {ref.key}: the value {fault}")
        self.room -= len(data[ref.key])
        if self.room < 0:
            msg = f"Secret {ref.name}, key {ref.key}: this value and all others of the resource {TOO_MUCH}"
            raise WaitError(Reason.SECRET_VALUE_INVALID, msg)
        return data[ref.key].decode()

    def url(self, ref: KeyReference) -> str:
        """Return the value of a key that is a URL which events may be sent to."""
        url, where = self.value(ref), f"Secret {ref.name}, key {ref.key}"
        fault = url_fault(url)
        if fault is not None:
            raise WaitError(Reason.SECRET_VALUE_INVALID, f"{where}: the URL {fault}")
        return self._allowed(url, where)

    def own_url(self, field: str, url: str) -> str:
        """Return the URL of a field; the API server accepts some URLs that cannot be called."""
        fault = url_fault(url)
        if fault is not None:
            raise EditError(Reason.RESOURCE_UNREADABLE, f"{field}: the URL {fault}")
        return self._allowed(url, field)

    def _allowed(self, url: str, where: str) -> str:
        if is_plain_http(url) and not self.allow_plain_http:
            message = f"{where}: the URL begins with http://, so events and credentials would be sent in plain text. "
            raise WaitError(Reason.PLAIN_HTTP_NOT_ALLOWED, message + Reason.PLAIN_HTTP_NOT_ALLOWED.remedy)
        return url


def is_plain_http(url: str) -> bool:
    """Return whether everybody on the network path can read what is sent to a URL."""
    return urlsplit(url).scheme == "http"


def url_fault(url: str) -> str | None:
    """Return what is wrong with a destination's URL and how to fix it, or None."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "is not a valid URL; write https://host/path"
    checks = (
        (len(url) > MAX_URL, f"is longer than {MAX_URL} characters; shorten it"),
        (parts.scheme not in ("https", "http"), "must begin with https://"),
        (not parts.hostname, "has no host; write https://host/path"),
        ("@" in parts.netloc, "holds a user or password; use auth.basic instead"),
        ("#" in url, "has a fragment; remove it, servers never see it"),
        (" " in url, "holds a space; encode it as %20"),
    )
    return next((fault for broken, fault in checks if broken), None)
