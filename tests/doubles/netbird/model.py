"""The simulated NetBird API as a state machine without I/O, from time and requests to responses and effects."""

import heapq
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from tests.doubles.netbird import rendering, validation
from tests.doubles.netbird.admission import Admission, Directory
from tests.doubles.netbird.behaviour import Behaviour
from tests.doubles.netbird.integration_store import FIRST_ID, Mark, Shelf
from tests.doubles.netbird.records import DASHBOARD, Draft, Effect, Integration, Tombstone
from tests.doubles.netbird.wire import EVENT_STREAMING, Answer, Operation, Request, encode, no_such_path, refusal

_NOT_FOUND = "event streaming integration not found"
_MASKED = Behaviour()
"""A server that shows no secret."""


@dataclass(frozen=True, slots=True, order=True)
class Deferred:
    """A request that was answered otherwise and is applied later. `sequence` orders equal times."""

    due: datetime
    sequence: int
    request: Request = field(compare=False)
    admission: Admission = field(compare=False)


class NetBird:
    """A NetBird server with all its accounts.

    Times are aware datetimes of the server's clock and must not go back by more than a caller can bear, because they
    become `created_at` and `updated_at`. Nothing here reads a clock, draws a number or opens a socket, so the same
    calls give the same responses.
    """

    def __init__(self, behaviour: Behaviour | None = None, first_id: int = FIRST_ID) -> None:
        """Start with no account. Ids count up from `first_id` over all accounts."""
        self._behaviour = behaviour or Behaviour()
        self.directory = Directory()
        self._shelf = Shelf(self._behaviour, first_id)
        self._test_events: dict[int, int] = {}
        self._deferred: list[Deferred] = []
        self._sequence = 0

    @property
    def behaviour(self) -> Behaviour:
        """The server's behaviour."""
        return self._behaviour

    @behaviour.setter
    def behaviour(self, behaviour: Behaviour) -> None:
        """Change the server's behaviour from now on. Stored values stay as they are."""
        self._behaviour = behaviour
        self._shelf.change_behaviour(behaviour)

    @property
    def integrations(self) -> Mapping[int, Integration]:
        """All live integrations of all accounts, with real values."""
        return self._shelf.live

    @property
    def tombstones(self) -> Mapping[int, Tombstone]:
        """All deleted integrations."""
        return self._shelf.tombstones

    @property
    def history(self) -> Sequence[Effect]:
        """Every change by any client, in order."""
        return self._shelf.history

    @property
    def test_events(self) -> Mapping[int, int]:
        """The number of live test events to each integration's destination: one for each accepted POST and PUT."""
        return self._test_events

    @property
    def shelf(self) -> Shelf:
        """The store, for saving and restoring."""
        return self._shelf

    @property
    def deferred(self) -> tuple[Deferred, ...]:
        """The requests that are still to be applied, soonest first."""
        return tuple(sorted(self._deferred))

    @property
    def next_due(self) -> datetime | None:
        """The time of the next deferred request."""
        return self._deferred[0].due if self._deferred else None

    def handle(self, request: Request, now: datetime) -> Answer:
        """Serve a request without faults."""
        admission = self.admit(request, now)
        return admission.refusal or self.apply(request, admission, now)

    def admit(self, request: Request, now: datetime) -> Admission:
        """Run the steps before the operation: the router, then the budget, the token, the account, the rights.

        An unknown path is answered without a token and without a charge.
        """
        self.advance(now)
        behaviour = self._behaviour
        if request.operation in EVENT_STREAMING and not (
            behaviour.licensed and behaviour.path_family.offers(request.family)
        ):
            return Admission(refusal=no_such_path(behaviour.unknown_path))
        return self.directory.admit(request.caller, request.operation, behaviour, now)

    def apply(self, request: Request, admission: Admission, now: datetime, *, late: bool = False) -> Answer:
        """Apply an admitted request.

        Raises:
            ValueError: the request was refused.
        """
        account_id = admission.account_id
        if account_id is None or admission.refusal is not None:
            message = "only an admitted request can be applied"
            raise ValueError(message)
        mark = Mark(now, f"token:{admission.token_id}", late)
        match request.operation:
            case Operation.LIST:
                return Answer(200, self._list(account_id, now))
            case Operation.ACCOUNTS:
                account = self.directory.account(account_id)
                return Answer(200, rendering.account(account)) if account else refusal(404, "account not found")
            case Operation.TENANTS if not self._behaviour.licensed:
                return no_such_path(self._behaviour.unknown_path)
            case Operation.USER | Operation.TOKENS | Operation.TENANTS:
                return self._own(request, admission)
            case Operation.CREATE:
                return self._create(request, account_id, mark)
            case _:
                return self._on_one(request, account_id, mark)

    def _own(self, request: Request, admission: Admission) -> Answer:
        """Serve the token's user and its tokens. Those of other users are not shown."""
        token = self.directory.token(admission.token_id)
        if token is None or not self._behaviour.users:
            return no_such_path(self._behaviour.unknown_path)
        if request.operation is Operation.TENANTS:
            return Answer(
                200, encode([{"id": each, "name": each, "status": "active"} for each in sorted(token.tenants)])
            )
        if request.operation is Operation.USER:
            return Answer(200, rendering.user(token.owner))
        if request.user_id != token.owner:
            return refusal(403, "permission denied")
        return Answer(200, rendering.tokens(self.directory.tokens_of(token.owner), self._behaviour))

    def _list(self, account_id: str, now: datetime) -> bytes:
        """Serialise the content of a LIST."""
        if self._behaviour.blank:
            return b"[]"
        if self._behaviour.stamps:
            self._shelf.stamp(account_id, now)
        return self._shelf.listing(account_id, now)

    def defer(self, request: Request, admission: Admission, due: datetime) -> None:
        """Apply an admitted request at `due`, regardless of the response to its client."""
        self._sequence += 1
        heapq.heappush(self._deferred, Deferred(due, self._sequence, request, admission))

    def advance(self, now: datetime) -> int:
        """Apply the requests that are due by `now` and return their number. Each has its own time."""
        applied = 0
        while self._deferred and self._deferred[0].due <= now:
            late = heapq.heappop(self._deferred)
            self.apply(late.request, late.admission, late.due, late=True)
            applied += 1
        return applied

    def restore_test_events(self, counts: Mapping[int, int]) -> None:
        """Restore saved counters."""
        self._test_events.update(counts)

    def dashboard_create(self, account_id: str, draft: Draft, now: datetime) -> int:
        """Create an integration as in the dashboard, and return its id.

        Raises:
            KeyError: there is no such account.
        """
        if self.directory.account(account_id) is None:
            raise KeyError(account_id)
        self.advance(now)
        return self._keep_new(account_id, validation.kept(draft, self._behaviour), Mark(now, DASHBOARD)).id

    def dashboard_edit(
        self,
        integration_id: int,
        now: datetime,
        *,
        config: Mapping[str, str] | None = None,
        enabled: bool | None = None,
    ) -> None:
        """Change an integration as in the dashboard: the given keys, and whether it is enabled.

        Raises:
            KeyError: there is no such integration.
        """
        self.advance(now)
        former = self.integrations[integration_id]
        merged = {**former.config, **(config or {})}
        draft = Draft(former.platform, merged, former.enabled if enabled is None else enabled)
        self._keep_changed(former, validation.kept(draft, self._behaviour), Mark(now, DASHBOARD))

    def dashboard_delete(self, integration_id: int, now: datetime) -> None:
        """Delete an integration as in the dashboard.

        Raises:
            KeyError: there is no such integration.
        """
        self.advance(now)
        self._shelf.remove(self.integrations[integration_id], Mark(now, DASHBOARD))

    def _create(self, request: Request, account_id: str, mark: Mark) -> Answer:
        """Serve a POST."""
        sent = validation.read_create(request.body)
        if isinstance(sent, Answer):
            return sent
        refused = validation.invalid(sent)
        if refused is None and self._behaviour.one_per_platform and self._has_platform(account_id, sent.platform):
            refused = refusal(409, "integration for this platform already exists")
        refused = refused or validation.rejected_by_destination(sent, self._behaviour)
        if refused is not None:
            return refused
        draft = validation.kept(sent, self._behaviour)
        if self._behaviour.post_ignores_enabled:
            draft = replace(draft, enabled=True)
        made = self._keep_new(account_id, draft, mark)
        return Answer(200, rendering.full(made, self._behaviour), applied=True)

    def _on_one(self, request: Request, account_id: str, mark: Mark) -> Answer:
        """Serve an operation on the integration of the path."""
        if request.integration_id is None:
            return refusal(400, "invalid integration ID format")
        found = None if self._behaviour.blank else self._shelf.find(account_id, request.integration_id)
        if request.operation is Operation.GET:
            return self._get(found, request, account_id, mark.at)
        if found is None:
            return refusal(404, _NOT_FOUND)
        if request.operation is Operation.UPDATE:
            return self._update(found, request.body, mark)
        self._shelf.remove(found, mark)
        return Answer(200, encode({}), applied=True)

    def _get(self, found: Integration | None, request: Request, account_id: str, now: datetime) -> Answer:
        """Serve a GET by id. If those lag, it is served from the lists' replica."""
        if self._behaviour.get_lag:
            listed = json.loads(self._list(account_id, now)) or []
            shown = next((each for each in listed if each["id"] == request.integration_id), None)
            return refusal(404, _NOT_FOUND) if shown is None else Answer(200, encode(shown))
        if found is None:
            return refusal(404, _NOT_FOUND)
        thin = self._behaviour.thin_get
        return Answer(200, rendering.thin(found) if thin else rendering.full(found, self._behaviour))

    def _update(self, former: Integration, body: object, mark: Mark) -> Answer:
        """Serve a PUT."""
        patch = validation.read_update(body)
        if isinstance(patch, Answer):
            return patch
        merge = self._behaviour.update_form.keeps_old_keys
        wanted = {**(former.config if merge else {}), **patch.config}
        wanted |= {key: former.config[key] for key in self._behaviour.immutable if key in former.config}
        draft = Draft(former.platform, wanted, patch.enabled)
        refused = validation.invalid(draft) or validation.rejected_by_destination(draft, self._behaviour)
        if refused is not None:
            return refused
        changed = self._keep_changed(former, validation.kept(draft, self._behaviour), mark)
        shown = former if self._behaviour.put_answers_before else changed
        return Answer(200, rendering.full(shown, self._behaviour), applied=True)

    def _keep_new(self, account_id: str, draft: Draft, mark: Mark) -> Integration:
        """Store a new integration and count its test event."""
        at = mark.at + timedelta(seconds=self._behaviour.database_skew)
        made = Integration(
            id=self._shelf.take_id(),
            account_id=account_id,
            platform=draft.platform,
            config=draft.config,
            enabled=draft.enabled,
            created_at=at,
            updated_at=at,
        )
        self._shelf.put(made, mark)
        self._test_events[made.id] = 1
        return made

    def _keep_changed(self, former: Integration, draft: Draft, mark: Mark) -> Integration:
        """Store a changed integration and count its test event."""
        at = mark.at + timedelta(seconds=self._behaviour.database_skew)
        changed = replace(former, config=draft.config, enabled=draft.enabled, updated_at=at)
        if self._behaviour.unstamped and rendering.full(changed, _MASKED) == rendering.full(
            replace(former, updated_at=at), _MASKED
        ):
            changed = replace(changed, updated_at=former.updated_at)
        self._shelf.put(changed, mark)
        self._test_events[former.id] = self._test_events.get(former.id, 0) + 1
        return changed

    def _has_platform(self, account_id: str, platform: str) -> bool:
        """Return whether an account has an integration of a platform."""
        return any(found.platform == platform for found in self._shelf.of_account(account_id).values())
