"""The status of a connection: its readable part, and the recorded accounts."""

from datetime import timedelta
from typing import Any, Final

import pytest

from netbird_streaming.api.connection_status import ConfirmedAccount, ConnectionInternal, ConnectionStatus
from netbird_streaming.api.status import Condition
from netbird_streaming.api.types import RECONCILE_ANNOTATION, ClusterNetBirdConnection, Connection, NetBirdConnection
from netbird_streaming.core.status.connection_updates import (
    AccountObservation,
    ConnectionObservation,
    connection_status,
)
from netbird_streaming.errors import EditError, WaitError
from netbird_streaming.reasons import Reason
from tests.harness.cases import KEY, UID, WALL

EARLIER: Final = WALL - timedelta(hours=1)
REJECTED: Final = WaitError(Reason.TOKEN_REJECTED, "NetBird rejects the token.")
UNUSABLE: Final = EditError(Reason.CONNECTION_INVALID, "spec.url must be https://host.")
ALONE: Final = AccountObservation(None, "acc-1", None)
PROVEN: Final = ConnectionInternal(proof="proof-1", key_id=KEY.id)
GOLD: Final = AccountObservation("gold", "acc-2", None)


def raw(**metadata: Any) -> dict[str, Any]:
    metadata = {"name": "netbird", "uid": UID, "resourceVersion": "7", "generation": 4, **metadata}
    metadata["creationTimestamp"] = "2026-05-01T10:00:00Z"
    return {"metadata": metadata, "spec": {"tokenSecretRef": {"name": "netbird", "key": "token"}}}


def connection(status: ConnectionStatus | None = None, **metadata: Any) -> NetBirdConnection:
    parsed = NetBirdConnection.model_validate(raw(**metadata))
    return parsed.model_copy(update={"status": status or ConnectionStatus()})


def shared(tenants: list[str | None], status: ConnectionStatus | None = None) -> ClusterNetBirdConnection:
    """Return a cluster connection that acts in each of these tenants."""
    whole = raw()
    whole["spec"]["access"] = [{"namespaces": [f"team-{each}"], "tenantID": each} for each in tenants]
    parsed = ClusterNetBirdConnection.model_validate(whole)
    return parsed.model_copy(update={"status": status or ConnectionStatus()})


def found(*reached: AccountObservation, users: tuple[str, ...] = (), **more: Any) -> ConnectionObservation:
    return ConnectionObservation(
        reached, more.get("problem"), more.get("path_family"), users, more.get("proof", "proof-1")
    )


def confirmed(reached: AccountObservation) -> ConfirmedAccount:
    return ConfirmedAccount(tenant_id=reached.tenant_id, account_id=reached.account_id or "")


def status_of(connection: Connection, seen: ConnectionObservation) -> ConnectionStatus:
    return connection_status(connection, seen, KEY, WALL)


def said(status: ConnectionStatus) -> list[tuple[str, str, str]]:
    return [(each.type, each.status, each.reason) for each in status.conditions]


def test_accepted_token_makes_it_ready_and_names_the_account() -> None:
    status = status_of(connection(), found(ALONE, path_family="/api/event-streaming"))
    ready = Condition(
        type="Ready",
        status="True",
        reason="Synced",
        message="NetBird accepts the token. The account is acc-1.",
        observed_generation=4,
        last_transition_time=WALL,
    )
    assert status == ConnectionStatus(
        path_family="/api/event-streaming",
        accounts=(confirmed(ALONE),),
        observed_generation=4,
        conditions=(ready,),
        internal=PROVEN.model_copy(update={"owner_uid": UID}),
    )


@pytest.mark.parametrize("reached", [(), (AccountObservation(None, None, None),), (ALONE, GOLD)])
def test_account_is_named_only_if_exactly_one_is_known(reached: tuple[AccountObservation, ...]) -> None:
    assert status_of(connection(), found(*reached)).conditions[0].message == "NetBird accepts the token."


def test_known_account_stays_until_a_new_response() -> None:
    before = ConnectionStatus(
        path_family="/api/event-streaming",
        accounts=(confirmed(ALONE),),
        last_handled_reconcile_at="then",
        conditions=(Condition(type="Ready", status="True", reason="Synced", last_transition_time=EARLIER),),
        internal=PROVEN,
    )
    after = status_of(connection(before), found())
    assert (after.path_family, after.accounts, after.last_handled_reconcile_at) == (
        before.path_family,
        before.accounts,
        "then",
    )
    assert after.conditions[0].last_transition_time == EARLIER


def test_new_response_replaces_it() -> None:
    before = ConnectionStatus(path_family="/api/event-streaming", accounts=(confirmed(ALONE),))
    other = AccountObservation(None, "acc-9", None)
    annotations = {RECONCILE_ANNOTATION: "now"}
    after = status_of(connection(before, annotations=annotations), found(other, path_family="/api/other"))
    assert (after.path_family, after.accounts) == ("/api/other", (confirmed(other),))
    assert after.last_handled_reconcile_at == "now"


@pytest.mark.parametrize(
    ("problem", "conditions"),
    [
        (REJECTED, [("Ready", "False", "TokenRejected"), ("Reconciling", "True", "TokenRejected")]),
        (UNUSABLE, [("Ready", "False", "ConnectionInvalid"), ("Stalled", "True", "ConnectionInvalid")]),
    ],
)
def test_problem_is_reported_in_its_own_words(problem: WaitError | EditError, conditions: list[Any]) -> None:
    whole = status_of(connection(), found(problem=problem))
    tenants = status_of(shared(["gold"]), found(ALONE, AccountObservation("gold", None, problem)))
    assert said(whole) == said(tenants) == conditions
    assert whole.conditions[0].message == problem.message
    assert tenants.conditions[0].message == f"Tenant gold: {problem.message}"


def test_no_tenant_is_named_without_one() -> None:
    status = status_of(connection(), found(AccountObservation(None, None, REJECTED)))
    assert status.conditions[0].message == REJECTED.message


def test_accounts_of_tenants_in_use_are_listed_in_order() -> None:
    first = AccountObservation("1st", "acc-3", None)
    status = status_of(shared([None, "gold", "1st"]), found(GOLD, first, ALONE))
    assert status.accounts == (confirmed(ALONE), confirmed(first), confirmed(GOLD))


def test_account_is_kept_while_its_tenant_is_named() -> None:
    before = ConnectionStatus(accounts=(confirmed(ALONE), confirmed(GOLD)), internal=PROVEN)
    unknown = AccountObservation("gold", None, REJECTED)
    assert status_of(shared(["gold"], before), found(unknown)).accounts == before.accounts
    assert status_of(shared([None], before), found()).accounts == (confirmed(ALONE),)


def test_accounts_confirmed_by_another_token_are_dropped() -> None:
    before = ConnectionStatus(accounts=(confirmed(ALONE), confirmed(GOLD)), internal=PROVEN)
    after = status_of(shared(["gold"], before), found(ALONE, proof="proof-2"))
    assert after.accounts == (confirmed(ALONE),)
    assert after.internal.proof == "proof-2"
    lost = before.model_copy(update={"internal": PROVEN.model_copy(update={"key_id": "lost"})})
    assert status_of(shared(["gold"], lost), found(ALONE)).accounts == (confirmed(ALONE),)


def test_accounts_are_kept_while_the_token_is_unreadable() -> None:
    before = ConnectionStatus(accounts=(confirmed(ALONE),), internal=PROVEN)
    after = status_of(connection(before), found(proof=None))
    assert (after.accounts, after.internal.proof, after.internal.key_id) == (before.accounts, "proof-1", KEY.id)


class TestDeleting:
    def message(self, *users: str) -> str:
        status = status_of(connection(deletionTimestamp="2026-05-01T11:00:00Z"), found(ALONE, users=users))
        assert said(status) == [("Ready", "False", "Deleting"), ("Reconciling", "True", "Deleting")]
        return status.conditions[0].message

    def test_blocking_dependents_are_named_with_the_remedy(self) -> None:
        assert self.message("team-a/web", "team-b/web") == (
            "It is being deleted, and waits for the resources that need it to delete their integrations: "
            "team-a/web, team-b/web. Delete them, or let them refer to another connection of the same account."
        )

    @pytest.mark.parametrize(("number", "others"), [(10, False), (11, True)])
    def test_at_most_ten_dependents_are_named(self, number: int, others: bool) -> None:  # noqa: FBT001 # pytest passes it
        message = self.message(*(f"team-a/{each}." for each in range(number)))
        assert message.count("team-a/") == 10
        assert (" and others. " in message) is others
