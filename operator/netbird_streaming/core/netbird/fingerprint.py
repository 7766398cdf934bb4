"""Keyed digests: they show whether a value changed, and reveal nothing of the value to a reader of the status."""

import hmac
from typing import Final, Self

KEY_BYTES: Final = 32
DIGEST_CHARACTERS: Final = 32
KEY_ID_CHARACTERS: Final = 8


class FingerprintKey:
    """The installation's own key (32 random bytes). Its `id` stands beside each digest that is kept.

    Another length raises `ValueError`.
    """

    __slots__ = ("_key", "id")

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            msg = f"a fingerprint key has {KEY_BYTES} bytes, not {len(key)}"
            raise ValueError(msg)
        self._key = key
        self.id: str = self.digest("key-id")[:KEY_ID_CHARACTERS]

    def of(self, uid: str) -> Self:
        """Return the key for what one object's status holds: equal secrets of two objects give different digests.

        Otherwise a reader of both statuses could check guesses of the other's secret with a Secret of their own.
        """
        key = type(self)(hmac.digest(self._key, b"object " + uid.encode(), "sha256"))
        key.id = self.id
        return key

    def digest(self, *parts: str) -> str:
        """HMAC-SHA256 over the parts, 32 hexadecimal digits; the boundaries between parts count."""
        message = b"".join(len(data).to_bytes(8) + data for data in map(str.encode, parts))
        return hmac.digest(self._key, message, "sha256").hex()[:DIGEST_CHARACTERS]
