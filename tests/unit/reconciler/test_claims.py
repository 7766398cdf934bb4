"""One resource for each integration, and one for each configuration."""

import pytest

from netbird_streaming.core.resources import Identity
from netbird_streaming.reconciler.claims import UNNAMED, Claims, Hold, Holder, Place, Scope
from tests.support.cases import AUTHORITY, WALL, integration, intent_of

SCOPE = ("acc-1", "digest")


def identity(name: str) -> Identity:
    return Identity("EventStreamingIntegration", "team-a", name)


def holder(name: str, account_id: str | None = "acc-1", authority: str = AUTHORITY) -> Holder:
    return Holder(f"uid-{name}", identity(name), Place(authority, account_id))


def offer(claims: Claims, name: str, age: int, hold: Hold = Hold.NOTHING, scope: Scope = SCOPE) -> str | None:
    return claims.offer({scope: hold}, holder(name), WALL.timestamp() - 60 * age)


def test_the_older_of_two_goes_first_and_the_other_is_told_its_name() -> None:
    claims = Claims(lambda _: None)
    assert offer(claims, "young", 1) is None
    assert offer(claims, "old", 2) is None
    assert offer(claims, "young", 1) == "team-a/old"


def test_who_holds_keeps_it_though_an_older_one_comes() -> None:
    claims = Claims(lambda _: None)
    offer(claims, "young", 1, Hold.INTEGRATION)
    assert offer(claims, "old", 2) == "team-a/young"


def test_the_rival_is_woken_when_the_holder_goes_or_changes() -> None:
    woken: list[Identity] = []
    claims = Claims(woken.append)
    offer(claims, "first", 2, Hold.INTEGRATION)
    offer(claims, "second", 1)
    offer(claims, "first", 2, scope=("acc-1", "other"))
    assert woken == [identity("second")]
    assert offer(claims, "second", 1) is None


def test_an_id_is_held_until_another_is_or_the_resource_goes() -> None:
    claims = Claims(lambda _: None)
    claims.hold(holder("a"), 5)
    assert claims.holders(holder("b", "acc-1")).other(5) == "team-a/a"
    assert claims.holders(holder("a", "acc-1")).other(5) is None
    claims.hold(holder("a"), 6)
    assert claims.holders(holder("b", "acc-1")).other(5) is None
    claims.withdraw("uid-a")
    assert claims.holders(holder("b", "acc-1")).other(6) is None


def test_the_same_id_in_another_account_is_another_integration() -> None:
    claims = Claims(lambda _: None)
    claims.hold(holder("a"), 5)
    assert claims.holders(holder("b", "acc-2")).other(5) is None
    assert claims.holders(holder("b", None)).other(5) == "team-a/a"


def test_what_another_server_says_of_the_same_account_is_of_no_account_of_ours() -> None:
    claims = Claims(lambda _: None)
    claims.hold(holder("a", authority="authority-2"), 5)
    assert claims.holders(holder("b")).other(5) is None
    claims.hold(Holder("uid-c", identity("c"), Place(None, "acc-1")), 6)
    assert claims.holders(Holder("uid-d", identity("d"), Place(None, "acc-1"))).other(6) is None


def test_an_owner_is_one_whose_account_is_known() -> None:
    claims = Claims(lambda _: None)
    claims.hold(holder("a", None), 5)
    assert claims.holders(holder("b")).other(5) == "team-a/a"
    assert claims.holders(holder("b")).owner(5) is None
    claims.hold(holder("a"), 5)
    assert claims.holders(holder("b")).owner(5) == "team-a/a"
    assert claims.holders(holder("b", None)).owner(5) is None


@pytest.mark.parametrize(("own", "other", "named"), [(True, True, True), (True, False, False), (False, True, False)])
def test_a_name_of_another_namespace_is_for_those_who_share_a_cluster_connection(
    own: bool,  # noqa: FBT001 # pytest passes it
    other: bool,  # noqa: FBT001 # pytest passes it
    named: bool,  # noqa: FBT001 # pytest passes it
) -> None:
    claims = Claims(lambda _: None)
    theirs = Holder("uid-a", Identity("EventStreamingIntegration", "team-b", "a"), Place(AUTHORITY, "acc-1"), other)
    mine = holder("b")._replace(shared=own)
    claims.hold(theirs, 5)
    expected = "team-b/a" if named else UNNAMED
    assert claims.holders(mine).other(5) == claims.holders(mine).owner(5) == expected
    claims.offer({SCOPE: Hold.INTEGRATION}, theirs, 0.0)
    assert claims.offer({SCOPE: Hold.NOTHING}, mine, 0.0) == expected
    intent = intent_of(integration(), authority=AUTHORITY)
    claims.announce(theirs, intent)
    assert claims.unheard(mine, "another", intent.signature) == expected
