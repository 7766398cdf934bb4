"""Replacement of names by hashes, so that a bundle does not name namespaces, resources and accounts."""

import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import Final

from netbird_streaming.api.types import GROUP
from netbird_streaming.version import PROGRAM

KEPT: Final = ("default", "kube-system", PROGRAM, GROUP, "netbird_streaming")
"""Names that every cluster has, in which no other name is replaced."""
SHORTEST: Final = 2
DIGITS: Final = 10


class NameRedaction:
    """Replaces each name by a hash that is the same within one bundle and differs in the next.

    The key of the hashes is random.
    """

    def __init__(self, names: Iterable[str], key: bytes) -> None:
        known = {name for name in names if len(name) >= SHORTEST and name not in KEPT}
        self._hashes = {name: _hash(name, key) for name in known}
        # The longest first: one name may be a part of another.
        words = sorted((*known, *KEPT), key=lambda name: (-len(name), name))
        alternatives = "|".join(map(re.escape, words))
        self._pattern = re.compile(rf"(?<![A-Za-z0-9_])(?:{alternatives})(?![A-Za-z0-9_])") if known else None

    def clean(self, text: str) -> str:
        """Return the text with hashes in place of the names."""
        return (
            text
            if self._pattern is None
            else self._pattern.sub(lambda match: self._hashes.get(match[0], match[0]), text)
        )


def _hash(name: str, key: bytes) -> str:
    return "name-" + hmac.new(key, name.encode(), hashlib.sha256).hexdigest()[:DIGITS]
