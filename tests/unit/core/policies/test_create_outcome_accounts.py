"""The account of an unresolved create: its outcome is searched there only, by its token or by the account's id."""

from dataclasses import replace
from typing import Any

import pytest

from netbird_streaming.api.status import Applied, Origin, Status
from netbird_streaming.core.actions import Action, ConfirmAccount, Create, RecordId, Report, WaitForList
from netbird_streaming.core.decide import decide
from netbird_streaming.core.inputs import DecisionInput, Target
from netbird_streaming.core.memory import Absence, CreateAttempt, CreatedIntegration, Memory
from netbird_streaming.core.policies import create_outcome
from netbird_streaming.core.status import updates
from netbird_streaming.errors import OperatorError, RetryError, WaitError
from netbird_streaming.reasons import Reason
from tests.harness.cases import (
    ACCOUNT,
    AUTHORITY,
    KEY,
    NOW,
    UID,
    case,
    held,
    integration,
    intent_of,
    item,
    route_of,
    view,
)

OVER = Memory(finalizer_seen_at=NOW - 100, create=CreateAttempt(ended_at=NOW - 66), absence=Absence(since=NOW - 61))
WAITING = Memory(finalizer_seen_at=NOW - 100, create=CreateAttempt(ended_at=NOW - 1))
SAME = route_of()
ROTATED = replace(SAME, credential_digest="proof-2")
UNTOLD = WaitError(Reason.ACCOUNT_UNCONFIRMED, "nothing tells")
FAILED = RetryError(Reason.UNAVAILABLE, "no answer")


def creating(target: Target, *items: Any, memory: Memory = OVER, **changes: Any) -> DecisionInput:
    """Return a create with a lost response, and the current list."""
    status = Status().evolve(creation=intent_of(integration(), **changes), owner_uid=UID)
    return case(integration(status=status), memory=memory, snapshot=view(*items, begun=NOW - 0.5), target=target)


def given_up(target: Target, *items: Any, **changes: Any) -> DecisionInput:
    """Return an unresolved create, and the current list."""
    status = Status().evolve(unresolved_creations=(intent_of(integration(), **changes),), owner_uid=UID)
    return case(integration(status=status), snapshot=view(*items), target=target)


def reason_of(action: Action) -> Reason:
    assert isinstance(action, Report), action
    return action.reason


def test_intent_holds_its_token_and_its_account() -> None:
    action = decide(case(integration(), snapshot=view()))
    assert isinstance(action, Create)
    assert (action.intent.proof, action.intent.account_id) == ("proof-1", ACCOUNT)


def test_account_is_requested_once_before_the_intent() -> None:
    unknown = replace(SAME, account=None)
    assert decide(case(integration(), snapshot=view(), target=unknown)) == ConfirmAccount()
    for target in (
        replace(SAME, account=UNTOLD),
        replace(SAME, account=FAILED),
        replace(unknown, account_checked=True),
    ):
        action = decide(case(integration(), snapshot=view(), target=target))
        assert isinstance(action, Create)
        assert action.intent.account_id is None


def test_create_with_the_same_token_is_resolved_without_a_known_account() -> None:
    for account in (UNTOLD, FAILED, None):
        target = replace(SAME, account=account)
        assert decide(creating(target, item(9), account_id=None)) == RecordId(item(9), Origin.INFERRED)
    through_another = replace(SAME, endpoint_digest="endpoint-2")
    assert decide(creating(through_another, item(9), account_id=None)) == RecordId(item(9), Origin.INFERRED)


def test_create_with_another_token_of_the_same_account_is_resolved() -> None:
    assert decide(creating(ROTATED, item(9))) == RecordId(item(9), Origin.INFERRED)
    assert isinstance(decide(creating(ROTATED)), Create)


@pytest.mark.parametrize("listed", [(), (item(9),)], ids=["nothing", "a match"])
def test_create_with_another_token_and_unknown_account_stays_open(listed: tuple[Any, ...]) -> None:
    assert decide(creating(replace(ROTATED, account=None), *listed, account_id=None)) == ConfirmAccount()
    for account in (ACCOUNT, UNTOLD):
        action = decide(creating(replace(ROTATED, account=account), *listed, account_id=None))
        assert reason_of(action) is Reason.ACCOUNT_UNCONFIRMED


def test_account_has_precedence_over_the_token() -> None:
    assert reason_of(decide(creating(replace(SAME, account="acc-2"), item(9)))) is Reason.ACCOUNT_UNCONFIRMED


def test_tenants_account_is_confirmed_with_any_token() -> None:
    tenant = replace(SAME, tenant_id="t1", account=None)
    assert decide(creating(tenant, item(9))) == ConfirmAccount()
    assert reason_of(decide(creating(replace(tenant, account=UNTOLD), item(9)))) is Reason.ACCOUNT_UNCONFIRMED


def test_other_fingerprint_key_invalidates_the_token_and_not_the_account() -> None:
    lost: dict[str, Any] = {"key_id": "lost"}
    assert decide(creating(replace(SAME, account=None), item(9), **lost)) == ConfirmAccount()
    assert reason_of(decide(creating(SAME, item(9), **lost))) is Reason.CREATE_AMBIGUOUS
    assert reason_of(decide(creating(SAME, item(9), account_id=None, **lost))) is Reason.ACCOUNT_UNCONFIRMED


def test_account_is_requested_and_recorded_while_the_create_waits() -> None:
    waiting = creating(replace(SAME, account=None), memory=WAITING, account_id=None)
    assert decide(waiting) == ConfirmAccount()
    waiting = creating(SAME, memory=WAITING, account_id=None)
    action = decide(waiting)
    assert isinstance(action, Report)
    assert action.retry_at == NOW + 64
    written = updates.reported(waiting, action).internal.creation
    assert written == intent_of(integration())


def test_failed_account_request_is_repeated_soon() -> None:
    for account, pause in ((FAILED, 5), (UNTOLD, 64)):
        action = decide(creating(replace(SAME, account=account), memory=WAITING, account_id=None))
        assert isinstance(action, Report)
        assert action.retry_at == NOW + pause


@pytest.mark.parametrize("target", [ROTATED, replace(SAME, account=UNTOLD)], ids=["another token", "unconfirmed"])
def test_account_of_another_token_is_not_recorded(target: Target) -> None:
    seen = creating(target, account_id=None)
    written = updates.reported(seen, Report(*reported())).internal.creation
    assert written == intent_of(integration(), account_id=None)


def test_unsent_intent_is_removed_by_the_next_report() -> None:
    intent = intent_of(integration(), account_id=None)
    seen = creating(SAME, memory=replace(OVER, create=replace(OVER.create, unsent=(intent,))), account_id=None)
    assert updates.reported(seen, Report(*reported())).internal.creation is None


def reported() -> tuple[Any, ...]:
    """A problem that is reported."""
    action = decide(case(integration({"suspend": True}), snapshot=view()))
    assert isinstance(action, Report)
    return action.state, action.reason, action.message


class TestGivenUp:
    def test_match_by_token_or_account_is_recorded(self) -> None:
        assert decide(given_up(SAME, item(9), account_id=None)) == RecordId(item(9), Origin.INFERRED)
        assert decide(given_up(ROTATED, item(9))) == RecordId(item(9), Origin.INFERRED)

    def test_match_in_another_account_is_not_owned(self) -> None:
        elsewhere = replace(ROTATED, account="acc-2")
        assert reason_of(decide(given_up(elsewhere, item(9)))) is Reason.IDENTICAL_EXISTS

    def test_match_without_a_known_account_is_named_and_not_recorded(self) -> None:
        assert decide(given_up(replace(ROTATED, account=None), item(9))) == ConfirmAccount()
        for target in (ROTATED, replace(ROTATED, account=UNTOLD)):
            assert reason_of(decide(given_up(target, item(9), account_id=None))) is Reason.CREATE_AMBIGUOUS

    def test_no_match_needs_no_request(self) -> None:
        action = decide(given_up(replace(ROTATED, account=UNTOLD)))
        assert isinstance(action, Create)

    def test_second_integration_is_named_in_its_own_account_only(self) -> None:
        for account_id, named in ((ACCOUNT, True), ("acc-2", False)):
            attempts = (intent_of(integration(), account_id=account_id),)
            resource = integration(status=held(integration(), unresolved_creations=attempts))
            action = decide(case(resource, snapshot=view(item(5), item(9))))
            assert (reason_of(action) is Reason.CREATE_AMBIGUOUS) is named

    def test_missing_list_is_requested(self) -> None:
        status = Status().evolve(unresolved_creations=(intent_of(integration()),), owner_uid=UID)
        assert decide(case(integration(status=status), target=ROTATED)) == WaitForList(NOW)


@pytest.mark.parametrize(
    ("earlier", "last", "merged"),
    [
        ({}, {"proof": "proof-2"}, True),
        ({}, {"account_id": None}, True),
        ({"account_id": None}, {}, True),
        ({}, {"account_id": "acc-2", "proof": "proof-2"}, False),
        ({"account_id": None}, {"proof": "proof-2"}, False),
    ],
)
def test_equal_attempts_in_one_account_are_merged(
    earlier: dict[str, Any],
    last: dict[str, Any],
    merged: bool,  # noqa: FBT001  # pytest passes it
) -> None:
    first, second = intent_of(integration(), **earlier), intent_of(integration(), attempt=2, **last)
    target = replace(SAME, account=second.account_id or ACCOUNT, credential_digest=second.proof or "")
    status = Status().evolve(creation=second, unresolved_creations=(first,), owner_uid=UID)
    action = decide(case(integration(status=status), memory=OVER, snapshot=view(begun=NOW - 0.5), target=target))
    assert isinstance(action, Create)
    one = first.model_copy(update={"attempt": 2, "account_id": ACCOUNT})
    assert action.unresolved == ((one,) if merged else (first, second))


@pytest.mark.parametrize(
    ("proof", "shown", "account", "kept"),
    [
        ("proof-1", None, ACCOUNT, ACCOUNT),
        ("proof-1", None, UNTOLD, None),
        ("proof-2", None, ACCOUNT, None),
        ("proof-2", "acc-2", ACCOUNT, "acc-2"),
    ],
)
def test_response_belongs_to_the_requested_account(
    proof: str, shown: str | None, account: str | OperatorError, kept: str | None
) -> None:
    made = item(9, account_id=shown)
    created = CreatedIntegration(made, AUTHORITY, proof, Applied(fingerprint="f", key_id=KEY.id), {}, enabled=True)
    seen = creating(replace(SAME, account=account), memory=Memory(create=CreateAttempt(created=created)))
    action = decide(seen)
    assert isinstance(action, RecordId)
    assert updates.with_id(seen, action).account_id == kept


def test_another_server_proves_nothing_for_any_account() -> None:
    impostor = replace(SAME, authority="authority-2")
    assert reason_of(decide(creating(impostor, item(9)))) is Reason.ACCOUNT_UNCONFIRMED
    assert reason_of(decide(creating(SAME, item(9), authority=None))) is Reason.ACCOUNT_UNCONFIRMED
    status = Status().evolve(unresolved_creations=(intent_of(integration()),), owner_uid=UID)
    seen = case(integration(status=status), target=impostor, snapshot=view(item(9)))
    assert reason_of(decide(seen)) is Reason.IDENTICAL_EXISTS
    identical = intent_of(integration(), authority="authority-2")
    both = Status().evolve(creation=identical, unresolved_creations=(intent_of(integration()),), owner_uid=UID)
    assert len(create_outcome.unresolved(case(integration(status=both)))) == 2
