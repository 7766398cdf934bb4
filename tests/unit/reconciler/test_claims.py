"""One resource for each integration, and one for each configuration."""

from netbird_streaming.core.resources import Identity
from netbird_streaming.reconciler.claims import Claimant, Claims, Hold, Scope
from tests.support.cases import WALL

SCOPE = ("acc-1", "digest")


def identity(name: str) -> Identity:
    return Identity("EventStreamingIntegration", "team-a", name)


def offer(claims: Claims, name: str, age: int, hold: Hold = Hold.NOTHING, scope: Scope = SCOPE) -> str | None:
    claimant = Claimant(f"uid-{name}", identity(name), WALL.timestamp() - 60 * age)
    return claims.offer({scope: hold}, claimant)


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
    claims.hold("uid-a", identity("a"), 5, "acc-1")
    assert claims.holders("uid-b", "acc-1").other(5) == "team-a/a"
    assert claims.holders("uid-a", "acc-1").other(5) is None
    claims.hold("uid-a", identity("a"), 6, "acc-1")
    assert claims.holders("uid-b", "acc-1").other(5) is None
    claims.withdraw("uid-a")
    assert claims.holders("uid-b", "acc-1").other(6) is None


def test_the_same_id_in_another_account_is_another_integration() -> None:
    claims = Claims(lambda _: None)
    claims.hold("uid-a", identity("a"), 5, "acc-1")
    assert claims.holders("uid-b", "acc-2").other(5) is None
    assert claims.holders("uid-b", None).other(5) == "team-a/a"
