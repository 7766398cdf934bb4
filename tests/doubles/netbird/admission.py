"""Authentication and authorization: accounts, tokens, and the admission of each request before it is served."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from tests.doubles.netbird.behaviour import Behaviour, StrangerTenant
from tests.doubles.netbird.tenancy import Account, Budget, Token, TokenKind
from tests.doubles.netbird.wire import Answer, Caller, Operation, refusal

_SCHEMES: Final = {"token": TokenKind.PERSONAL, "bearer": TokenKind.OAUTH2}
_WRITES: Final = frozenset({Operation.CREATE, Operation.UPDATE, Operation.DELETE})


@dataclass(frozen=True, slots=True)
class Admission:
    """The result of admission: the account of a request, or its rejection."""

    token_id: str | None = None
    account_id: str | None = None
    refusal: Answer | None = None


class Directory:
    """Accounts and tokens, and the remaining budget of each token."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}
        self._tokens: dict[str, Token] = {}
        self._by_value: dict[str, str] = {}
        self._budgets: dict[str, Budget] = {}
        self._last_used: dict[str, datetime] = {}
        self._over_budget: dict[str, int] = {}

    @property
    def accounts(self) -> tuple[Account, ...]:
        """All accounts, in the order of their creation."""
        return tuple(self._accounts.values())

    @property
    def tokens(self) -> tuple[Token, ...]:
        """All tokens, including revoked ones."""
        return tuple(self._tokens.values())

    @property
    def over_budget(self) -> dict[str, int]:
        """The number of requests of each token that were answered 429."""
        return dict(self._over_budget)

    def token(self, token_id: str | None) -> Token | None:
        """Find a token by its id."""
        return self._tokens.get(token_id or "")

    def account(self, account_id: str) -> Account | None:
        """Find an account."""
        return self._accounts.get(account_id)

    def add_account(self, account: Account) -> None:
        """Add an account, or replace one."""
        self._accounts[account.id] = account

    def add_token(self, token: Token) -> None:
        """Add a token, or replace one: its old value is then unknown, and its budget stays.

        Raises:
            ValueError: another token has the same value.
        """
        holder = self._by_value.get(token.value)
        if holder not in {None, token.id}:
            message = f"token {token.id} has the value of token {holder}"
            raise ValueError(message)
        former = self._tokens.get(token.id)
        if former is not None:
            del self._by_value[former.value]
        self._tokens[token.id] = token
        self._by_value[token.value] = token.id

    def tokens_of(self, user: str) -> tuple[tuple[Token, datetime | None], ...]:
        """Return a user's personal access tokens, each with the time of its last use."""
        return tuple(
            (token, self._last_used.get(token.id))
            for token in self._tokens.values()
            if token.owner == user and token.kind is TokenKind.PERSONAL and not token.revoked
        )

    def revoke_token(self, token_id: str) -> None:
        """Revoke a token.

        Raises:
            KeyError: there is no such token.
        """
        self._tokens[token_id] = replace(self._tokens[token_id], revoked=True)

    def admit(self, caller: Caller, operation: Operation, behaviour: Behaviour, now: datetime) -> Admission:
        """Charge the token's budget, then authenticate it, find its account and check its rights, in this order.

        A revoked token is still charged, because the limiter precedes authentication. An unknown one has no budget.
        """
        token = self._presented(caller.authorization)
        if token is None:
            text = "token invalid" if caller.authorization else "no valid authentication provided"
            return Admission(refusal=refusal(401, text))
        if not self._charge(token.id, behaviour, now):
            return Admission(token.id, refusal=_too_many(behaviour))
        if token.revoked or token.expires_at < now:
            return Admission(token.id, refusal=refusal(401, "token invalid"))
        self._last_used[token.id] = now
        account_id = self._account_of(token, caller.account, behaviour)
        if account_id is None:
            return Admission(token.id, refusal=refusal(403, "permission denied"))
        if not _allowed(token, operation):
            return Admission(token.id, account_id, refusal(403, "permission denied"))
        return Admission(token.id, account_id)

    def _presented(self, authorization: str | None) -> Token | None:
        """Find the token of a header. A token with the scheme of the other kind is unknown."""
        words = (authorization or "").split(" ")
        if len(words) != 2:
            return None
        token = self._tokens.get(self._by_value.get(words[1], ""))
        return token if token is not None and _SCHEMES.get(words[0].lower()) is token.kind else None

    def _charge(self, token_id: str, behaviour: Behaviour, now: datetime) -> bool:
        """Charge one request to a token's budget, and count a refusal."""
        budget = self._budgets.get(token_id)
        if budget is None:
            budget = self._budgets[token_id] = Budget(behaviour.burst, now)
        if budget.take(behaviour.requests_per_minute, behaviour.burst, now):
            return True
        self._over_budget[token_id] = self._over_budget.get(token_id, 0) + 1
        return False

    def _account_of(self, token: Token, wanted: str | None, behaviour: Behaviour) -> str | None:
        """Return the account of a request, or None if it is refused."""
        account_id = token.home
        if wanted and wanted != token.home:
            if wanted in token.tenants and wanted in self._accounts:
                account_id = wanted
            elif behaviour.stranger_tenant is StrangerTenant.REFUSE:
                return None
        return account_id if account_id in self._accounts else None


def _allowed(token: Token, operation: Operation) -> bool:
    """Check a token's right to an operation."""
    if operation is Operation.ACCOUNTS:
        return token.may_read_accounts
    if operation in {Operation.USER, Operation.TENANTS}:
        return True
    if operation is Operation.TOKENS:
        return token.may_read_tokens
    return token.may_write if operation in _WRITES else token.may_read


def _too_many(behaviour: Behaviour) -> Answer:
    """Make the response to a request over the budget."""
    headers = () if behaviour.retry_after is None else (("Retry-After", str(behaviour.retry_after)),)
    return refusal(429, "rate limit exceeded, please try again later", headers)
