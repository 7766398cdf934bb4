"""Removal of secrets from output: every text that a command prints or writes passes this filter."""

import json
import re
from base64 import b64encode
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, quote_plus

REDACTED: Final = "<redacted>"
SHORTEST: Final = 6
"""Characters. A shorter value is part of ordinary words, and is never printed from a Secret in any case."""
_FORMS_OF_SECRETS: Final = re.compile(
    r"nbp_[A-Za-z0-9]{16,}"
    r"|(?i:bearer|basic|token) (?=[\w.~+/=-]*\d)[\w.~+/=-]{16,}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"
    r"|AKIA[0-9A-Z]{16}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
)
"""Tokens of NetBird, credentials of HTTP, JSON web tokens, key ids of AWS, private keys, and passwords in URLs."""


class SecretFilter:
    """Replaces the values of Secrets that the command has read, and what has the form of a secret."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, *values: str | bytes) -> None:
        """Add values that no output may contain. Their base64, JSON and URL-encoded forms are replaced too."""
        for value in values:
            raw = value if isinstance(value, bytes) else value.encode()
            text = raw.decode(errors="replace").strip()
            if len(text) >= SHORTEST:
                self._values.update(_forms(raw, text))
                self._pattern = None

    def contains(self, text: str) -> bool:
        """Return whether a text contains a secret."""
        return self.clean(text) != text

    def clean(self, text: str) -> str:
        """Return the text with `<redacted>` in place of each secret."""
        if self._values:
            if self._pattern is None:
                # The longest first: one value may be a part of another.
                self._pattern = re.compile("|".join(map(re.escape, _longest_first(self._values))))
            text = self._pattern.sub(REDACTED, text)
        return _FORMS_OF_SECRETS.sub(REDACTED, text)


def _forms(raw: bytes, text: str) -> set[str]:
    """Return a value as it may be written: each of its lines, and encoded."""
    encoded = {b64encode(raw).decode(), b64encode(text.encode()).decode(), quote(text, safe=""), quote_plus(text)}
    lines = {line.strip() for line in text.splitlines()}
    escaped = {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    return {each for each in {text, *lines, *escaped, *encoded} if len(each) >= SHORTEST}


def _longest_first(values: Iterable[str]) -> list[str]:
    return sorted(values, key=lambda value: (-len(value), value))
