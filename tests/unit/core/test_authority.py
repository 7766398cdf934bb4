"""The authority of ids and accounts: they are valid only with the server that named them."""

from dataclasses import replace
from typing import Any, Final

import pytest

from netbird_streaming.api.status import Former, Origin, Status
from netbird_streaming.api.timestamps import parse_time
from netbird_streaming.api.types import EventStreamingIntegration
from netbird_streaming.core.actions import Action, ConfirmAccount, Delete, DeleteFormer, RecordId, Report, Update
from netbird_streaming.core.decide import decide
from netbird_streaming.core.inputs import DecisionInput
from netbird_streaming.core.memory import CreateAttempt, Memory
from netbird_streaming.core.status import updates
from netbird_streaming.errors import WaitError
from netbird_streaming.reasons import Reason
from tests.harness.cases import (
    ACCOUNT,
    AUTHORITY,
    NOW,
    STAMP,
    UID,
    Others,
    case,
    held,
    integration,
    intent_of,
    item,
    route_of,
    view,
)

DELETING: Final[dict[str, Any]] = {"deletionTimestamp": "2026-05-01T11:59:00Z"}
OTHER_SERVER: Final[dict[str, Any]] = {"authority": "authority-2"}
DENIED: Final = WaitError(Reason.PERMISSION_DENIED, "The token may not act in the tenant.")
ADOPTING: Final = {"adoption": {"policy": "Override", "id": 5}}


def reason_of(action: Action) -> Reason:
    assert isinstance(action, Report), action
    return action.reason


def edited(spec: dict[str, Any] | None = None, **status: Any) -> EventStreamingIntegration:
    """Return a resource with integration 5 and an edited spec."""
    return integration({"enabled": False, **(spec or {})}, status=held(integration(), **status))


def deleted(**status: Any) -> EventStreamingIntegration:
    return integration(status=held(integration(), **status), **DELETING)


def seen(resource: EventStreamingIntegration, **observed: Any) -> DecisionInput:
    return case(resource, snapshot=view(item(5)), **observed)


class TestAnotherServer:
    @pytest.mark.parametrize("authority", ["authority-2", None])
    def test_id_of_another_authority_is_neither_changed_nor_deleted(self, authority: str | None) -> None:
        assert reason_of(decide(seen(edited(authority=authority)))) is Reason.ACCOUNT_MISMATCH
        assert reason_of(decide(seen(deleted(authority=authority)))) is Reason.ACCOUNT_MISMATCH

    def test_id_of_the_same_server_and_account_is_used_through_any_connection(self) -> None:
        moved = route_of(endpoint_digest="endpoint-2", credential_digest="proof-2")
        assert isinstance(decide(seen(edited(), target=moved)), Update)
        assert decide(seen(deleted(), target=moved)) == Delete(5)

    def test_user_with_adoption_right_moves_an_integration_by_its_id(self) -> None:
        this = seen(edited(ADOPTING, **OTHER_SERVER))
        action = decide(this)
        assert action == RecordId(item(5), Origin.ADOPTED)
        assert isinstance(action, RecordId)
        moved = updates.with_id(this, action)
        assert moved.internal.authority == route_of().authority
        # Another server returned the same id. Its integration there is live, and stays recorded.
        assert [(each.id, each.authority) for each in moved.internal.former] == [(5, "authority-2")]

    @pytest.mark.parametrize(
        ("spec", "route"),
        [(ADOPTING, route_of(allow_adoption=False)), ({"adoption": {"policy": "Match"}}, route_of()), ({}, route_of())],
    )
    def test_integration_is_moved_by_nothing_else(self, spec: dict[str, Any], route: Any) -> None:
        assert reason_of(decide(seen(edited(spec, **OTHER_SERVER), target=route))) is Reason.ACCOUNT_MISMATCH

    def test_missing_integration_is_not_created_in_its_place(self) -> None:
        this = case(edited(ADOPTING, **OTHER_SERVER), snapshot=view())
        assert reason_of(decide(this)) is Reason.ADOPTION_NOT_FOUND

    def test_adoption_in_a_tenant_needs_its_confirmed_account(self) -> None:
        wanted = integration({"adoption": {"policy": "Override", "id": 5}})
        unconfirmed = route_of(tenant_id="gold", account=None)
        assert decide(seen(wanted, target=unconfirmed)) == ConfirmAccount()
        assert reason_of(decide(seen(wanted, target=replace(unconfirmed, account=DENIED)))) is Reason.PERMISSION_DENIED


class TestUnknownAccount:
    def test_credentials_that_received_the_id_may_use_it(self) -> None:
        assert isinstance(decide(seen(edited(account_id=None))), Update)
        assert decide(seen(deleted(account_id=None))) == Delete(5)

    @pytest.mark.parametrize("proof", ["proof-2", None])
    def test_no_others_may(self, proof: str | None) -> None:
        unknown: dict[str, Any] = {"account_id": None, "proof": proof}
        assert reason_of(decide(seen(edited(**unknown)))) is Reason.ACCOUNT_UNCONFIRMED
        assert reason_of(decide(seen(deleted(**unknown)))) is Reason.ACCOUNT_UNCONFIRMED


class TestAnotherOwner:
    def test_integration_of_another_resource_in_the_account_is_neither_changed_nor_deleted(self) -> None:
        others = Others({5: "team-b/web"})
        for resource in (edited(), deleted()):
            action = decide(seen(resource, owners=others))
            assert reason_of(action) is Reason.OWNERSHIP_CONFLICT
            assert isinstance(action, Report)
            assert "team-b/web" in action.message


def test_former_integration_that_appears_again_is_deleted_despite_an_ambiguous_create() -> None:
    former = Former(
        id=3, authority=AUTHORITY, account_id=ACCOUNT, platform="generic_http", created_at=parse_time(STAMP)
    )
    intent = intent_of(integration(), until=None)
    status = held(integration(), unresolved_creations=(intent,), former=(former,))
    elsewhere = {"url": "https://other.example/", "headers": "{}", "body_template": ""}
    shown = view(item(5), item(3), item(9, config=elsewhere))
    assert decide(case(integration(status=status), snapshot=shown)) == DeleteFormer(3)
    assert (
        reason_of(decide(case(integration(status=status), snapshot=view(item(5), item(9))))) is Reason.CREATE_AMBIGUOUS
    )


class TestAmbiguousCreate:
    def case(self, *found: int, allow_adoption: bool) -> DecisionInput:
        spec = {"adoption": {"policy": "Override", "id": found[-1]}}
        status = Status().evolve(creation=intent_of(integration()), owner_uid=UID)
        memory = Memory(finalizer_seen_at=NOW - 100, create=CreateAttempt(ended_at=NOW - 66))
        listed = view(*(item(each) for each in found), begun=NOW - 0.5)
        target = route_of(allow_adoption=allow_adoption)
        return case(integration(spec, status=status), memory=memory, snapshot=listed, target=target)

    def test_choice_among_candidates_needs_the_right_to_adopt(self) -> None:
        assert reason_of(decide(self.case(9, 10, allow_adoption=False))) is Reason.ADOPTION_NOT_ALLOWED
        named = self.case(9, 10, allow_adoption=True)
        action = decide(named)
        assert isinstance(action, Report)
        status = updates.reported(named, action)
        known = named.desired.resource.model_copy(update={"status": status})
        chosen = replace(named, desired=replace(named.desired, resource=known), recorded=named.recorded)
        again = replace(chosen, recorded=replace(chosen.recorded, status=status))
        assert decide(again) == RecordId(item(10), Origin.ADOPTED)

    def test_proven_outcome_needs_no_adoption(self) -> None:
        assert decide(self.case(9, allow_adoption=False)) == RecordId(item(9), Origin.INFERRED)
