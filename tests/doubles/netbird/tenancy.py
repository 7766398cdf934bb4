"""Accounts, the tokens that act in them, and each token's budget of requests."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

FAR: Final = datetime(2999, 1, 1, tzinfo=UTC)


class TokenKind(StrEnum):
    """The two kinds of token, which have different schemes in the `Authorization` header."""

    PERSONAL = "personal"
    OAUTH2 = "oauth2"


@dataclass(frozen=True, slots=True)
class Account:
    """A NetBird account. A tenant of a managed service provider is an account like any other."""

    id: str
    domain: str = "example.com"


@dataclass(frozen=True, slots=True)
class Token:
    """An API token. `id` names it wherever its value must not appear.

    It acts in its `home` account and, with `?account=`, in the accounts of `tenants`. An access token of OAuth2 is in
    no list of tokens, and `expires_at` is then unknown here. A personal one without `expires_at` expires long after any
    test. Without a `user` it belongs to one that has no other token.
    """

    id: str
    value: str = field(repr=False)
    home: str
    kind: TokenKind = TokenKind.PERSONAL
    tenants: frozenset[str] = frozenset()
    may_read: bool = True
    may_write: bool = True
    may_read_accounts: bool = True
    may_read_tokens: bool = True
    revoked: bool = False
    user: str = ""
    expires_at: datetime = FAR

    @property
    def owner(self) -> str:
        """The id of the token's user, in a form that a path has to escape."""
        return self.user or f"google-oauth2|{self.id}"

    @property
    def authorization(self) -> str:
        """The header of a client with this token."""
        return f"{'Token' if self.kind is TokenKind.PERSONAL else 'Bearer'} {self.value}"


class Budget:
    """A token's requests: a bucket that refills steadily, as in NetBird's rate limiter."""

    def __init__(self, burst: int, now: datetime) -> None:
        """Start with the whole burst."""
        self._left = float(burst)
        self._at = now

    def take(self, requests_per_minute: float, burst: int, now: datetime) -> bool:
        """Charge one request. A refused one costs nothing. A clock that goes back refills nothing."""
        elapsed = max(0.0, (now - self._at).total_seconds())
        self._left = min(float(burst), self._left + elapsed * requests_per_minute / 60)
        self._at = max(now, self._at)
        if self._left < 1:
            return False
        self._left -= 1
        return True
