"""Ownership: one resource for each integration, and one for each configuration."""

import pytest

from netbird_streaming.api.timestamps import parse_time
from netbird_streaming.api.types import ObjectKey
from netbird_streaming.reconciler.ownership import UNNAMED, Claim, ConfigKey, Owner, Ownership, Place
from tests.harness.cases import AUTHORITY, WALL, integration, intent_of, item

SCOPE = ("acc-1", "digest")


def identity(name: str) -> ObjectKey:
    return ObjectKey("EventStreamingIntegration", "team-a", name)


def holder(name: str, account_id: str | None = "acc-1", authority: str = AUTHORITY) -> Owner:
    return Owner(f"uid-{name}", identity(name), Place(authority, account_id))


def offer(ownership: Ownership, name: str, age: int, claim: Claim = Claim.NONE, scope: ConfigKey = SCOPE) -> str | None:
    return ownership.contend({scope: claim}, holder(name), WALL.timestamp() - 60 * age)


def test_older_of_two_has_precedence_and_the_other_gets_its_name() -> None:
    ownership = Ownership(lambda _: None)
    assert offer(ownership, "young", 1) is None
    assert offer(ownership, "old", 2) is None
    assert offer(ownership, "young", 1) == "team-a/old"


def test_owner_keeps_it_although_an_older_one_comes() -> None:
    ownership = Ownership(lambda _: None)
    offer(ownership, "young", 1, Claim.OWNED)
    assert offer(ownership, "old", 2) == "team-a/young"


def test_contender_is_requeued_when_the_owner_is_removed_or_changes() -> None:
    woken: list[ObjectKey] = []
    ownership = Ownership(woken.append)
    offer(ownership, "first", 2, Claim.OWNED)
    offer(ownership, "second", 1)
    offer(ownership, "first", 2, scope=("acc-1", "other"))
    assert woken == [identity("second")]
    assert offer(ownership, "second", 1) is None


def test_id_is_owned_until_another_is_or_the_resource_is_removed() -> None:
    ownership = Ownership(lambda _: None)
    ownership.own(holder("a"), 5)
    assert ownership.other_owners(holder("b", "acc-1")).other(item(5)) == "team-a/a"
    assert ownership.other_owners(holder("a", "acc-1")).other(item(5)) is None
    ownership.own(holder("a"), 6)
    assert ownership.other_owners(holder("b", "acc-1")).other(item(5)) is None
    ownership.release_all("uid-a")
    assert ownership.other_owners(holder("b", "acc-1")).other(item(6)) is None


def test_same_id_in_another_account_is_another_integration() -> None:
    ownership = Ownership(lambda _: None)
    ownership.own(holder("a"), 5)
    assert ownership.other_owners(holder("b", "acc-2")).other(item(5)) is None
    assert ownership.other_owners(holder("b", None)).other(item(5)) == "team-a/a"


def test_another_servers_claim_of_the_same_account_is_separate() -> None:
    ownership = Ownership(lambda _: None)
    ownership.own(holder("a", authority="authority-2"), 5)
    assert ownership.other_owners(holder("b")).other(item(5)) is None
    ownership.own(Owner("uid-c", identity("c"), Place(None, "acc-1")), 6)
    assert ownership.other_owners(Owner("uid-d", identity("d"), Place(None, "acc-1"))).other(item(6)) is None


def test_owner_needs_a_known_account() -> None:
    ownership = Ownership(lambda _: None)
    ownership.own(holder("a", None), 5)
    assert ownership.other_owners(holder("b")).other(item(5)) == "team-a/a"
    assert ownership.other_owners(holder("b")).owner(item(5)) is None
    ownership.own(holder("a"), 5)
    assert ownership.other_owners(holder("b")).owner(item(5)) == "team-a/a"
    assert ownership.other_owners(holder("b", None)).owner(item(5)) is None


@pytest.mark.parametrize(("own", "other", "named"), [(True, True, True), (True, False, False), (False, True, False)])
def test_name_of_another_namespace_is_shown_only_for_a_shared_cluster_connection(
    own: bool,  # noqa: FBT001 # pytest passes it
    other: bool,  # noqa: FBT001 # pytest passes it
    named: bool,  # noqa: FBT001 # pytest passes it
) -> None:
    ownership = Ownership(lambda _: None)
    theirs = Owner("uid-a", ObjectKey("EventStreamingIntegration", "team-b", "a"), Place(AUTHORITY, "acc-1"), other)
    mine = holder("b")._replace(shared=own)
    ownership.own(theirs, 5)
    expected = "team-b/a" if named else UNNAMED
    assert ownership.other_owners(mine).other(item(5)) == ownership.other_owners(mine).owner(item(5)) == expected
    ownership.contend({SCOPE: Claim.OWNED}, theirs, 0.0)
    assert ownership.contend({SCOPE: Claim.NONE}, mine, 0.0) == expected
    intent = intent_of(integration(), authority=AUTHORITY)
    ownership.add_restored_create(theirs, intent)
    assert ownership.find_restored_create(mine, "another", lambda _: intent.signature) == expected


def test_same_id_of_another_time_is_another_integration() -> None:
    ownership = Ownership(lambda _: None)
    ownership.own(holder("a")._replace(created=parse_time("2026-05-01T11:00:00Z")), 5)
    others = ownership.other_owners(holder("b"))
    assert others.other(item(5, created_at="2026-05-01T11:00:01Z")) == "team-a/a"
    assert others.other(item(5, created_at="2026-05-01T11:00:02Z")) is None
    assert others.other(item(5, created_at=None)) == "team-a/a"
