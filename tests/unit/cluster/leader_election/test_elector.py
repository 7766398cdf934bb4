"""The elector on a test clock: when it may act."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from netbird_streaming.cluster.client import Json, Request
from netbird_streaming.cluster.leader_election.elector import LeaderElector, LeaseLock
from netbird_streaming.errors import ConflictError, LeaseLostError, ObjectGoneError
from netbird_streaming.reasons import Reason
from tests.harness.cases import LEASE_TIMING, WALL
from tests.unit.cluster.fakes import ScriptedApi

NAME = LeaseLock("netbird", "streaming", "me")
# The test controls the clock, so the waits between two polls may be short.
BUSY = replace(LEASE_TIMING, retry=0.001)


class Lease:
    """The Lease of the API server, and a clock that each request advances by two seconds."""

    def __init__(self) -> None:
        self.stored: Json | None = None
        self.clock = 100.0

    def answer(self, request: Request) -> Any:
        self.clock += 2
        if request.body is not None:
            self.stored = {**request.body, "metadata": {"resourceVersion": str(self.clock)}}
        return self.stored or ObjectGoneError(Reason.KUBERNETES_REFUSED, "gone")


def elector(lease: Lease) -> LeaderElector:
    client = ScriptedApi(lease.answer).api
    return LeaderElector(client, NAME, lambda: WALL, clock=lambda: lease.clock, timing=LEASE_TIMING)


def test_deadline_counts_from_the_start_of_the_renewal_regardless_of_sleep() -> None:
    lease = Lease()
    candidate = elector(lease)
    lost: list[float] = []

    async def lead() -> None:
        began = lease.clock - 2
        lease.clock = began + 9.9
        candidate.ensure_leading()
        lease.clock = began + 10
        with pytest.raises(LeaseLostError):
            candidate.ensure_leading()
        lost.append(began)

    asyncio.run(candidate.run(lead))
    assert lost == [102.0]


def test_elector_leads_only_while_it_runs_and_a_clean_end_releases() -> None:
    lease = Lease()
    candidate = elector(lease)
    assert not candidate.is_leader
    with pytest.raises(LeaseLostError):
        candidate.ensure_leading()

    async def lead() -> None:
        assert candidate.is_leader
        assert lease.stored is not None
        assert lease.stored["spec"]["holderIdentity"] == "me"

    asyncio.run(candidate.run(lead))
    assert lease.stored is not None
    assert lease.stored["spec"]["holderIdentity"] == ""
    assert not candidate.is_leader


def test_error_of_the_leader_is_raised_after_the_release() -> None:
    lease = Lease()

    async def lead() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        asyncio.run(elector(lease).run(lead))
    assert lease.stored is not None
    assert lease.stored["spec"]["holderIdentity"] == ""


def test_cancelling_waits_for_the_work_and_keeps_the_lease_until_then() -> None:
    lease = Lease()
    candidate = elector(lease)
    seen: list[str] = []

    async def lead() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            candidate.ensure_leading()
            assert lease.stored is not None
            seen.append(lease.stored["spec"]["holderIdentity"])

    async def scenario() -> None:
        running = asyncio.create_task(candidate.run(lead))
        while not candidate.is_leader:  # noqa: ASYNC110 - the elector has no such event to offer
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait({running})
        assert running.cancelled()

    asyncio.run(scenario())
    assert seen == ["me"]
    assert lease.stored is not None
    assert lease.stored["spec"]["holderIdentity"] == ""


def test_applied_but_unanswered_renewal_does_not_prevent_the_release() -> None:
    lease = Lease()
    conflicts: list[Request] = []

    def answer(request: Request) -> Any:
        released = request.body is not None and not request.body["spec"]["holderIdentity"]
        if released and not conflicts:
            conflicts.append(request)
            return ConflictError(Reason.PROGRESSING, "changed")
        return lease.answer(request)

    client = ScriptedApi(answer).api
    candidate = LeaderElector(client, NAME, lambda: WALL, clock=lambda: lease.clock, timing=LEASE_TIMING)

    async def lead() -> None:
        candidate.ensure_leading()

    asyncio.run(candidate.run(lead))
    assert len(conflicts) == 1
    assert lease.stored is not None
    assert lease.stored["spec"]["holderIdentity"] == ""


def test_lease_of_another_holder_is_not_released() -> None:
    lease = Lease()

    def answer(request: Request) -> Any:
        if request.body is not None and not request.body["spec"]["holderIdentity"]:
            lease.stored = {"metadata": {"resourceVersion": "theirs"}, "spec": {"holderIdentity": "other"}}
            return ConflictError(Reason.PROGRESSING, "changed")
        return lease.answer(request)

    scripted = ScriptedApi(answer)
    candidate = LeaderElector(scripted.api, NAME, lambda: WALL, clock=lambda: lease.clock, timing=LEASE_TIMING)

    async def lead() -> None:
        candidate.ensure_leading()

    asyncio.run(candidate.run(lead))
    assert lease.stored is not None
    assert lease.stored["spec"]["holderIdentity"] == "other"
    assert [request.method for request in scripted.requests[-2:]] == ["PATCH", "GET"]


def test_late_response_to_an_acquire_gives_no_leadership() -> None:
    lease = Lease()
    led: list[float] = []

    def answer(request: Request) -> Any:
        late = request.body is not None and lease.stored is None
        answered = lease.answer(request)
        lease.clock += 60 if late else 0
        return answered

    candidate = LeaderElector(
        ScriptedApi(answer).api, NAME, lambda: datetime.now(UTC), clock=lambda: lease.clock, timing=BUSY
    )

    async def lead() -> None:
        candidate.ensure_leading()
        led.append(lease.clock)

    asyncio.run(candidate.run(lead))
    # A read, and the write that took a minute; then another read, and a renewal.
    assert led == [100.0 + 2 + 62 + 2 + 2]


def test_follower_acquires_a_deleted_lease_only_after_its_holder_must_have_stopped() -> None:
    lease = Lease()
    lease.stored = {
        "metadata": {"resourceVersion": "theirs"},
        "spec": {"holderIdentity": "other", "leaseDurationSeconds": 15, "leaseTransitions": 4},
    }
    looks = 0

    def answer(request: Request) -> Any:
        nonlocal looks
        looks += 1
        if looks == 2:
            lease.stored = None
        return lease.answer(request)

    scripted = ScriptedApi(answer)
    candidate = LeaderElector(scripted.api, NAME, lambda: datetime.now(UTC), clock=lambda: lease.clock, timing=BUSY)

    async def lead() -> None:
        candidate.ensure_leading()

    asyncio.run(candidate.run(lead))
    created = next(number for number, each in enumerate(scripted.requests) if each.method == "POST")
    # The second read finds it absent. Each read takes two seconds.
    assert (created - 2) * 2 >= 15
    body = scripted.requests[created].body
    assert body is not None
    assert body["spec"]["leaseTransitions"] == 5


def test_second_cancellation_still_ends_the_renewal_and_releases() -> None:
    lease = Lease()
    candidate = LeaderElector(
        ScriptedApi(lease.answer).api, NAME, lambda: datetime.now(UTC), clock=lambda: lease.clock, timing=BUSY
    )
    ending = asyncio.Event()

    async def lead() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ending.set()
            await asyncio.sleep(0.01)

    async def scenario() -> None:
        running = asyncio.create_task(candidate.run(lead))
        while not candidate.is_leader:  # noqa: ASYNC110 - the elector has no such event to offer
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        running.cancel()
        await ending.wait()
        running.cancel()
        await asyncio.wait({running})
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scenario())
    assert lease.stored is not None
    assert lease.stored["spec"]["holderIdentity"] == ""


def test_jumping_wall_clock_has_no_effect() -> None:
    years = iter([2026, 1971, 2300, 2026, 1999] * 40)
    assert sent_by(lambda: datetime(next(years), 6, 1, tzinfo=UTC)) == sent_by(lambda: datetime(2026, 6, 1, tzinfo=UTC))


def sent_by(now: Callable[[], datetime]) -> list[tuple[float, str, Any]]:
    """Return the elector's requests with their times, in a term that it loses and one that it regains."""
    lease, sent = Lease(), list[tuple[float, str, Any]]()

    def answer(request: Request) -> Any:
        spec = None if request.body is None else request.body["spec"]
        summary = None if spec is None else (spec["holderIdentity"], spec["leaseTransitions"])
        sent.append((lease.clock, request.method, summary))
        if len(sent) == 8:
            # Written in a far future, and renewed no more.
            spec = {"holderIdentity": "other", "leaseTransitions": 1, "renewTime": "2999-01-01T00:00:00.000000Z"}
            lease.stored = {"metadata": {"resourceVersion": "theirs"}, "spec": spec}
            return ConflictError(Reason.PROGRESSING, "changed")
        return lease.answer(request)

    candidate = LeaderElector(ScriptedApi(answer).api, NAME, now, clock=lambda: lease.clock, timing=BUSY)
    terms = iter((asyncio.Event().wait, lambda: asyncio.sleep(0)))

    async def lead() -> None:
        await next(terms)()

    asyncio.run(candidate.run(lead))
    return sent
