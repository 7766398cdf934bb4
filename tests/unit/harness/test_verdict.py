"""The checks of the proof suites detect broken promises."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from netbird_streaming.core.netbird.endpoints import authority
from tests.doubles.netbird.records import Draft
from tests.doubles.netbird.request_log import Entry
from tests.doubles.netbird.wire import Caller, Operation, Request
from tests.proof.api_user import ApiUser
from tests.proof.expectations import Writes, url_of
from tests.proof.promises import MOST_AT_ONCE, MOST_BYTES, PromiseChecks, most_at_once

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SERVER = "http://127.0.0.1:8080"


class QuietUser(ApiUser):
    """A user without an API server."""

    async def survey(self) -> dict[str, str | bytes]:
        return {}


@pytest.fixture
def user() -> ApiUser:
    user = QuietUser(kubernetes=cast("Any", None), namespace="team")
    user.netbird_url = SERVER
    return user


def seen(name: str, held: int | None, *, uid: str = "", server: str = SERVER) -> dict[str, Any]:
    internal = {"ownerUID": uid or f"uid of {name}", "authority": authority(server, trusted_by=None)}
    return {
        "metadata": {"name": name, "uid": f"uid of {name}", "generation": 1},
        "spec": {"genericHTTP": {"url": url_of(name)}},
        "status": {"id": held, "internal": internal},
    }


def see(user: ApiUser, verdict: PromiseChecks, found: dict[str, Any]) -> None:
    user.objects[found["metadata"]["name"]] = found
    verdict.see("MODIFIED", found)


def send(user: ApiUser, operation: Operation, held: int | None, name: str) -> int:
    body = {"platform": "generic_http", "config": {"url": url_of(name)}, "enabled": True}
    request = Request(operation, Caller(f"Token {user.token()}"), held, body)
    answer: Any = user.netbird.model.handle(request, NOW)
    assert answer.status == 200
    return held or int(answer.body["id"])


async def breaches(verdict: PromiseChecks, **writes: int) -> list[str]:
    await verdict.end(Writes(**writes), slack=0)
    return [each.partition(":")[0] for each in verdict.breaches]


async def test_scenario_without_a_fault_breaks_nothing(user: ApiUser) -> None:
    verdict = PromiseChecks(user)
    made = send(user, Operation.CREATE, None, "events")
    see(user, verdict, seen("events", made))
    send(user, Operation.UPDATE, made, "events")
    send(user, Operation.DELETE, made, "events")
    assert await breaches(verdict, posts=1, puts=1, deletes=1) == []


async def test_two_owners_of_one_integration_are_detected(user: ApiUser) -> None:
    verdict = PromiseChecks(user)
    made = send(user, Operation.CREATE, None, "events")
    see(user, verdict, seen("events", made))
    see(user, verdict, seen("audit", made))
    assert await breaches(verdict, posts=1) == ["S9"]


async def test_id_of_another_server_is_detected_and_a_restored_one_is_not(user: ApiUser) -> None:
    verdict = PromiseChecks(user)
    see(user, verdict, seen("events", 7, server="https://evil.example", uid="another"))
    assert await breaches(verdict) == []
    see(user, verdict, seen("events", 7, server="https://evil.example"))
    assert await breaches(verdict) == ["S9"]


@pytest.mark.parametrize("operation", [Operation.UPDATE, Operation.DELETE])
async def test_write_to_an_id_never_returned_for_the_resource_is_detected(user: ApiUser, operation: Operation) -> None:
    verdict = PromiseChecks(user)
    draft = Draft("generic_http", {"url": url_of("victim"), "headers": "{}", "body_template": ""})
    victim = user.netbird.model.dashboard_create(user.account, draft, NOW)
    see(user, verdict, seen("events", None))
    send(user, operation, victim, "events")
    counted = {"puts": 1} if operation is Operation.UPDATE else {"deletes": 1}
    assert await breaches(verdict, **counted) == ["S9"]


async def test_put_with_the_settings_of_another_resource_is_detected(user: ApiUser) -> None:
    verdict = PromiseChecks(user)
    made = send(user, Operation.CREATE, None, "events")
    see(user, verdict, seen("events", made))
    see(user, verdict, seen("audit", None))
    send(user, Operation.UPDATE, made, "audit")
    assert await breaches(verdict, posts=1, puts=1) == ["S9"]


async def test_too_large_object_is_detected(user: ApiUser) -> None:
    verdict = PromiseChecks(user)
    see(user, verdict, {**seen("events", None), "padding": "x" * MOST_BYTES})
    assert await breaches(verdict) == ["S10"]


async def test_too_many_concurrent_requests_are_detected(user: ApiUser) -> None:
    verdict = PromiseChecks(user)
    for _ in range(MOST_AT_ONCE + 1):
        user.netbird.journal.add(Entry(0, NOW, "GET", "/", "", answered_at=NOW + timedelta(seconds=1)))
    assert await breaches(verdict) == ["S10"]


def test_consecutive_requests_are_not_concurrent() -> None:
    ends = [NOW + timedelta(seconds=second) for second in (1, 2)]
    entries = [Entry(0, end - timedelta(seconds=1), "GET", "/", "", answered_at=end) for end in ends]
    assert most_at_once(entries) == 1


async def test_operator_above_its_memory_limit_is_detected(user: ApiUser) -> None:
    class Large(QuietUser):
        def peak_memory(self) -> int:
            return 2**40

    large = Large(kubernetes=user.kubernetes, namespace="team")
    assert await breaches(PromiseChecks(large)) == ["S10"]
