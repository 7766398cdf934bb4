"""Tests of the checks of rights and CRDs."""

import asyncio
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import pytest

from netbird_streaming.api.validation.structural import structural
from netbird_streaming.cluster.client import Request
from netbird_streaming.cluster.parsing import KINDS
from netbird_streaming.cluster.preflight import CHECK_SECONDS, Preflight
from netbird_streaming.cluster.rbac import Permission
from netbird_streaming.cluster.served_fields import missing_fields
from netbird_streaming.errors import RetryError, WaitError
from netbird_streaming.reasons import Reason
from tests.unit.cluster.fakes import ScriptedApi

RIGHT = Permission("list", "integrations.netbird.io", "eventstreamingintegrations", "team-b")
KIND = "x-kubernetes-group-version-kind"


def document() -> dict[str, Any]:
    """The OpenAPI document of CRDs of this version."""
    schemas = {f"io.netbird.{name}": {**structural(kind.model), KIND: [{"kind": name}]} for name, kind in KINDS.items()}
    return {"components": {"schemas": deepcopy(schemas)}}


def without(*fields: str) -> dict[str, Any]:
    found = document()
    status = found["components"]["schemas"]["io.netbird.EventStreamingIntegration"]["properties"]["status"]
    for field in fields:
        *parents, name = field.split(".")
        node = status["properties"]
        for parent in parents:
            node = node[parent].get("items", node[parent])["properties"]
        del node[name]
    return found


class Server:
    """Answers reviews and the document, with changeable responses."""

    def __init__(self, served: object, *, allowed: bool = True) -> None:
        self.served, self.allowed = served, allowed
        self.api = ScriptedApi(self._answer).api

    def _answer(self, request: Request) -> Any:
        return {"status": {"allowed": self.allowed}} if request.method == "POST" else self.served


def lacking(served: object) -> tuple[str, ...]:
    return asyncio.run(missing_fields(Server(served).api))


def test_crds_of_this_version_lack_nothing() -> None:
    assert lacking(document()) == ()


def test_each_field_that_an_older_crd_lacks_is_named() -> None:
    assert lacking(without("internal.ownerUID", "internal.creation.proof", "internal.unresolvedCreations.proof")) == (
        "EventStreamingIntegration.status.internal.creation.proof",
        "EventStreamingIntegration.status.internal.ownerUID",
        "EventStreamingIntegration.status.internal.unresolvedCreations.proof",
    )


@pytest.mark.parametrize(
    "served",
    [{}, {"components": None}, {"components": {"schemas": {"a": None, "b": {KIND: [None]}}}}],
    ids=["empty", "no schemas", "strange schemas"],
)
def test_document_without_the_operators_kinds_is_inconclusive(served: Mapping[str, Any]) -> None:
    assert lacking(served) == ()


def test_unreadable_document_is_inconclusive_unless_the_server_is_down() -> None:
    assert lacking(WaitError(Reason.KUBERNETES_REFUSED, "denied")) == ()
    with pytest.raises(RetryError):
        lacking(RetryError(Reason.UNAVAILABLE, "gone"))


class Steps:
    """A clock that only a sleeper advances, and that ends the sleeper after some time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.refused: set[str] = set()

    async def run(self, preflight: Preflight, seconds: float) -> None:
        end = self.now + seconds

        async def sleep(pause: float) -> None:
            self.now += pause
            if self.now > end:
                raise EOFError

        with pytest.raises(EOFError):
            await preflight.run(sleep, lambda: frozenset(self.refused))


def test_missing_right_is_logged_again_when_a_list_is_refused_and_every_ten_minutes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story() -> list[int]:
        steps, server = Steps(), Server(document(), allowed=False)
        preflight = Preflight(server.api, [RIGHT], lambda: steps.now)
        await preflight.check()
        counts = [len(caplog.records)]
        await steps.run(preflight, 300)
        counts.append(len(caplog.records))
        await steps.run(preflight, 400)
        return [*counts, len(caplog.records)]

    assert asyncio.run(story()) == [1, 1, 2]
    assert caplog.records[0].getMessage() == (
        "a right is missing: list eventstreamingintegrations.integrations.netbird.io in namespace team-b; grant it, "
        "or narrow the scope by --namespace"
    )


def test_right_removed_at_run_time_is_logged_when_a_list_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        steps, server = Steps(), Server(document())
        preflight = Preflight(server.api, [RIGHT], lambda: steps.now)
        await preflight.check()

        async def sleep(pause: float) -> None:
            steps.now += pause
            server.allowed = False
            if steps.now > CHECK_SECONDS:
                raise EOFError

        seen = iter(["before"])
        with pytest.raises(EOFError):
            await preflight.run(sleep, lambda: next(seen, "refused"))

    asyncio.run(story())
    assert "a right is missing" in caplog.text


def test_older_crds_make_it_unready_until_they_are_applied(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> tuple[str | None, str | None]:
        steps, server = Steps(), Server(without("internal.ownerUID"))
        preflight = Preflight(server.api, [], lambda: steps.now)
        await preflight.check()
        before = preflight.trouble()
        server.served = document()
        await steps.run(preflight, CHECK_SECONDS)
        return before, preflight.trouble()

    before, after = asyncio.run(story())
    assert before == (
        "the CRDs are older than this version of the operator and lack "
        "EventStreamingIntegration.status.internal.ownerUID: apply the CRDs of this version"
    )
    assert after is None
    assert [each.levelname for each in caplog.records] == ["WARNING"]
