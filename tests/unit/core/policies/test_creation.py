"""Creation and adoption: the checks before the first write."""

from dataclasses import replace
from typing import Any, Final

import pytest

from netbird_streaming.api.status import Origin
from netbird_streaming.core.actions import Action, ConfirmAccount, Create, ReadyState, RecordId, Report, WaitForList
from netbird_streaming.core.decide import decide
from netbird_streaming.core.inputs import Target
from netbird_streaming.core.memory import Memory
from netbird_streaming.errors import OperatorError, WaitError
from netbird_streaming.reasons import Reason
from tests.harness.cases import NOW, Others, case, held, integration, item, view

ROUTE: Final = case(integration()).observed.target
MATCH: Final[dict[str, Any]] = {"adoption": {"policy": "Match", "id": 9}}


def said(action: Action) -> tuple[Reason, str]:
    assert isinstance(action, Report), action
    return action.reason, action.message


def tenants(account: str | OperatorError | None) -> Target:
    assert isinstance(ROUTE, Target)
    return replace(ROUTE, tenant_id="gold", account=account)


def test_list_of_any_time_shows_a_restored_id() -> None:
    restored = integration(status=held(integration(), owner_uid="another"))
    assert decide(case(restored)) == WaitForList(0.0)


def test_adoption_needs_a_list_begun_after_the_finalizer() -> None:
    memory = Memory(finalizer_seen_at=NOW - 0.5)
    assert decide(case(integration(MATCH), memory=memory, snapshot=view(item(9)))) == WaitForList(NOW - 0.5)


def test_adoption_by_match_accepts_a_matching_id() -> None:
    assert decide(case(integration(MATCH), snapshot=view(item(9)))) == RecordId(item(9), Origin.ADOPTED)


def test_tenants_account_is_confirmed_before_a_create() -> None:
    rejected = WaitError(Reason.TOKEN_REJECTED, "NetBird rejects the token.")
    assert decide(case(integration(), snapshot=view(), target=tenants(None))) == ConfirmAccount()
    refused = decide(case(integration(), snapshot=view(), target=tenants(rejected)))
    assert refused == Report(ReadyState.RECONCILING, Reason.TOKEN_REJECTED, "NetBird rejects the token.")
    assert isinstance(decide(case(integration(), snapshot=view(), target=tenants("acc-2"))), Create)


@pytest.mark.parametrize(("age", "enough"), [(20, True), (20.5, False)])
def test_list_is_usable_for_twenty_seconds(age: float, enough: bool) -> None:  # noqa: FBT001 # pytest passes it
    assert isinstance(decide(case(integration(), snapshot=view(begun=NOW - age))), Create) is enough


def test_identical_unowned_integrations_are_named() -> None:
    reason, message = said(decide(case(integration(), snapshot=view(item(9), item(10)))))
    assert reason is Reason.IDENTICAL_EXISTS
    assert message.startswith("Integration 9, 10 with these settings exists and is not managed by the operator.")


def test_owner_of_an_identical_integration_is_named() -> None:
    reason, message = said(decide(case(integration(), snapshot=view(item(9)), owners=Others({9: "team-b/web"}))))
    assert reason is Reason.OWNERSHIP_CONFLICT
    assert message.startswith("Resource team-b/web holds integration 9 with these settings.")
