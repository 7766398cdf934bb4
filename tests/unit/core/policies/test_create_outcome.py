"""Intents: written once for each POST, without other clients' changes of the status."""

from dataclasses import replace
from datetime import timedelta

import pytest

from netbird_streaming.api.status import Condition, Intent, Origin, Status
from netbird_streaming.core.actions import Create, RecordId, Report, WaitForList
from netbird_streaming.core.decide import decide
from netbird_streaming.core.inputs import DecisionInput, Target
from netbird_streaming.core.memory import Memory
from netbird_streaming.core.status import updates
from netbird_streaming.errors import OperatorError, WaitError
from netbird_streaming.reasons import Reason
from tests.harness.cases import (
    ACCOUNT,
    AUTHORITY,
    KEY,
    NOW,
    WALL,
    case,
    held,
    integration,
    intent_of,
    item,
    payload_of,
    view,
)

SEEN = Memory(finalizer_seen_at=NOW - 100)
REJECTED = WaitError(Reason.TOKEN_REJECTED, "NetBird rejects the token.")


def creating(seen: DecisionInput) -> Create:
    action = decide(seen)
    assert isinstance(action, Create)
    return action


def test_applied_but_unanswered_intent_is_not_written_again() -> None:
    resource = integration()
    first = creating(case(resource, snapshot=view(), memory=SEEN))
    landed = integration(status=updates.with_intent(case(resource, snapshot=view(), memory=SEEN), first))
    again = case(landed, snapshot=view(), memory=replace(SEEN, create=replace(SEEN.create, unsent=(first.intent,))))
    assert creating(again) == first
    assert updates.with_intent(again, creating(again)) == landed.status


def test_intent_with_an_old_list_is_rewritten_as_the_same_attempt() -> None:
    resource = integration()
    first = creating(case(resource, snapshot=view(), memory=SEEN))
    landed = integration(status=updates.with_intent(case(resource, snapshot=view(), memory=SEEN), first))
    memory = replace(SEEN, create=replace(SEEN.create, unsent=(first.intent,)))
    assert isinstance(decide(case(landed, snapshot=view(begun=NOW - 21), memory=memory)), WaitForList)
    assert creating(case(landed, snapshot=view(begun=NOW - 5), memory=memory)).intent.attempt == 1


def test_attempt_that_may_have_been_sent_counts() -> None:
    resource = integration()
    sent = creating(case(resource, snapshot=view(), memory=SEEN)).intent
    status = Status().evolve(creation=sent, owner_uid=resource.metadata.uid)
    over = replace(SEEN, create=replace(SEEN.create, ended_at=NOW - 100), absence=replace(SEEN.absence, since=NOW - 90))
    assert creating(case(integration(status=status), snapshot=view(), memory=over)).intent.attempt == 2


def test_fields_of_others_in_the_status_are_ignored() -> None:
    theirs = Condition(type="Seen", status="True", reason="Watched", last_transition_time=WALL)
    ready = Condition(type="Ready", status="True", reason="Synced", last_transition_time=WALL)
    resource = integration()
    for both, ours in (((theirs, ready), (ready,)), ((theirs,), ()), ((ready,), (ready,))):
        written = integration(status=held(resource, conditions=both))
        assert case(written).status == held(resource, conditions=ours)


@pytest.mark.parametrize(("account", "known"), [(ACCOUNT, ACCOUNT), (None, None), (REJECTED, None)])
def test_intent_holds_everything_that_finds_its_outcome(account: str | OperatorError | None, known: str | None) -> None:
    resource = integration()
    seen = case(resource, snapshot=view(), memory=SEEN)
    assert isinstance(seen.observed.target, Target)
    target = replace(seen.observed.target, account=account, account_checked=True)
    payload = payload_of(resource)
    assert creating(replace(seen, observed=replace(seen.observed, target=target))).intent == Intent(
        attempt=1,
        authority=AUTHORITY,
        endpoint="endpoint-1",
        account_id=known,
        proof="proof-1",
        platform="generic_http",
        signature=dict(payload.signature),
        key_id=KEY.id,
        since=WALL,
        until=WALL + timedelta(seconds=20 + 30 + 60),
    )


def test_unknowable_outcome_is_reported_as_pending() -> None:
    resource = integration()
    status = Status().evolve(creation=intent_of(resource), owner_uid=resource.metadata.uid)
    action = decide(case(integration(status=status), memory=replace(SEEN, create=replace(SEEN.create, ended_at=NOW))))
    assert isinstance(action, Report)
    assert action.message.startswith("The response to the create was lost.")


def test_outcome_is_searched_as_soon_as_the_wait_is_over() -> None:
    resource = integration()
    status = Status().evolve(creation=intent_of(resource), owner_uid=resource.metadata.uid)
    waits = case(integration(status=status), memory=replace(SEEN, create=replace(SEEN.create, ended_at=NOW)))
    action = decide(waits)
    assert isinstance(action, Report)
    assert action.retry_at is not None
    assert decide(replace(waits, observed=replace(waits.observed, now=action.retry_at))) == WaitForList(action.retry_at)


def test_account_of_the_intent_is_not_requested_while_it_waits() -> None:
    resource = integration()
    status = Status().evolve(creation=intent_of(resource), owner_uid=resource.metadata.uid)
    waits = case(integration(status=status), memory=replace(SEEN, create=replace(SEEN.create, ended_at=NOW)))
    assert isinstance(waits.observed.target, Target)
    unasked = replace(waits.observed, target=replace(waits.observed.target, account=None))
    assert isinstance(decide(replace(waits, observed=unasked)), Report)


def test_each_unresolved_create_is_searched() -> None:
    resource = integration()
    attempts = (intent_of(resource, signature={"url": "other"}), intent_of(resource))
    given_up = integration(status=Status().evolve(unresolved_creations=attempts, owner_uid=resource.metadata.uid))
    assert decide(case(given_up, snapshot=view(item(9)))) == RecordId(item(9), Origin.INFERRED)
