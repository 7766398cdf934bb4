"""Checks of the cluster: what each answer of the API server means, and the fix."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from netbird_streaming.api.types import NetBirdConnection
from netbird_streaming.cli import check_kubernetes
from netbird_streaming.cli.check import Report
from netbird_streaming.cli.exit_codes import ExitCode
from netbird_streaming.cli.installation import Installation
from netbird_streaming.cli.output import Finding, State
from netbird_streaming.cli.session import Session
from netbird_streaming.cluster.client import Request
from netbird_streaming.config.settings import Settings
from netbird_streaming.errors import ObjectGoneError, RetryError, WaitError
from netbird_streaming.reasons import Reason
from tests.unit.cluster.fakes import ScriptedApi

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
GONE = ObjectGoneError(Reason.KUBERNETES_REFUSED, "Lease a/b: not found in Kubernetes.")
DOWN = RetryError(Reason.UNAVAILABLE, f"The API server does not answer. {Reason.UNAVAILABLE.remedy}")
KINDS = ("eventstreamingintegrations", "netbirdconnections", "clusternetbirdconnections")


def session(answer: Callable[[Request], Any], **changes: Any) -> Session:
    known: dict[str, Any] = {"settings": Settings(), "installation": Installation(), "namespace": "netbird-system"}
    parts = {**known, "kubernetes": ScriptedApi(answer).api, **changes}
    return cast("Session", SimpleNamespace(**parts))


def lease(**spec: Any) -> Finding:
    shown = {"holderIdentity": "pod_1", "renewTime": "2026-05-01T11:59:50.000000Z", "leaseDurationSeconds": 15, **spec}
    return asyncio.run(check_kubernetes.lease(session(lambda _: {"spec": shown}), NOW))


def test_renewed_lease_is_held() -> None:
    found = lease()
    assert (found.state, found.message) == (State.OK, "held by pod_1")
    assert found.subject == "Lease netbird-system/netbird-streaming-operator"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"renewTime": "2026-05-01T11:58:59Z"}, "was last renewed 61 s ago by pod_1"),
        ({"holderIdentity": ""}, "is held by no replica"),
        ({"holderIdentity": None, "renewTime": None}, "is held by no replica"),
        ({"renewTime": "yesterday"}, "was last renewed inf s ago by pod_1"),
    ],
)
def test_lease_without_renewals_is_a_problem(spec: dict[str, Any], message: str) -> None:
    found = lease(**spec)
    assert (found.state, found.message, found.remedy) == (State.PROBLEM, message, Reason.PENDING.remedy)


def test_missing_lease_is_a_problem_and_unused_lease_is_a_note() -> None:
    missing = asyncio.run(check_kubernetes.lease(session(lambda _: GONE), NOW))
    assert missing.state is State.PROBLEM
    assert "--operator-namespace" in (missing.remedy or "")
    unused = asyncio.run(check_kubernetes.lease(session(lambda _: GONE, settings=Settings(lease=False)), NOW))
    assert unused.state is State.NOTE


def served(*names: str) -> Callable[[Request], Any]:
    def answer(request: Request) -> Any:
        if request.path.startswith("/openapi"):
            return {}
        return {"resources": [{"name": name} for name in names]} if names else GONE

    return answer


@pytest.mark.parametrize(
    ("names", "installed", "state", "is_served"),
    [
        (KINDS, True, State.OK, True),
        (KINDS[:2], True, State.PROBLEM, False),
        (KINDS[:2], False, State.PROBLEM, False),
        ((), True, State.PROBLEM, False),
        ((), False, State.NOTE, False),
    ],
)
def test_definitions(names: tuple[str, ...], *, installed: bool, state: State, is_served: bool) -> None:
    found = asyncio.run(check_kubernetes.definitions(session(served(*names)), installed=installed))
    assert (found.finding.state, found.served) == (state, is_served)
    if state is State.PROBLEM:
        assert "kubectl apply --server-side -f crds/" in (found.finding.remedy or "")
        assert KINDS[2] in found.finding.message


def test_unreachable_api_server_is_a_problem_of_each_check() -> None:
    down = session(lambda _: DOWN, installation=Installation(service_account="operator"))
    findings = [
        asyncio.run(check_kubernetes.version(down)),
        asyncio.run(check_kubernetes.definitions(down, installed=True)).finding,
        *asyncio.run(check_kubernetes.permissions(down, in_pod=False)),
        asyncio.run(check_kubernetes.lease(down, NOW)),
    ]
    assert {each.state for each in findings} == {State.PROBLEM}
    assert {each.message for each in findings} == {"The API server does not answer."}
    assert {each.remedy for each in findings} == {Reason.UNAVAILABLE.remedy}


def connection(mark: str | None) -> NetBirdConnection:
    metadata = {"name": "n", "namespace": "a", "uid": "1", "resourceVersion": "1", "creationTimestamp": NOW}
    spec = {"tokenSecretRef": {"name": "netbird", "key": "token"}}
    status = {"internal": {"installation": mark}}
    return NetBirdConnection.model_validate({"metadata": metadata, "spec": spec, "status": status})


def test_another_installation_is_named_with_what_it_manages() -> None:
    here = session(lambda _: GONE)
    own = "netbird-system/netbird-streaming-operator"
    assert check_kubernetes.installations(here, [connection(None), connection(own)]) == []
    (found,) = check_kubernetes.installations(here, [connection("other/lease"), connection(own)])
    assert (found.state, found.reason) == (State.PROBLEM, Reason.OTHER_INSTALLATION)
    assert found.message == "the one with the Lease other/lease manages a/n"


def test_permissions_of_an_operator_that_was_not_found_are_not_checked() -> None:
    denied = WaitError(Reason.KUBERNETES_REFUSED, "denied")
    (found,) = asyncio.run(check_kubernetes.permissions(session(lambda _: denied), in_pod=False))
    assert found.state is State.NOTE


def test_each_missing_permission_is_a_problem_of_its_own() -> None:
    def answer(request: Request) -> Any:
        if request.body is None:
            return {}
        return {"status": {"allowed": request.body["spec"]["resourceAttributes"]["resource"] != "leases"}}

    found = asyncio.run(check_kubernetes.permissions(session(answer), in_pod=False))
    assert [each.message for each in found] == [
        "missing: create leases.coordination.k8s.io in namespace netbird-system",
        "missing: get leases.coordination.k8s.io netbird-streaming-operator in namespace netbird-system",
        "missing: patch leases.coordination.k8s.io netbird-streaming-operator in namespace netbird-system",
    ]


def test_exit_code_shows_whether_there_is_a_problem() -> None:
    good, note = Finding("a", State.OK, "b"), Finding("a", State.NOTE, "b")
    assert Report((good, note)).exit_code == ExitCode.OK
    assert Report((good, Finding("a", State.PROBLEM, "b"))).exit_code == ExitCode.PROBLEM


def test_time_of_a_renewal_may_have_an_offset() -> None:
    assert lease(renewTime=(NOW - timedelta(seconds=1)).isoformat()).state is State.OK
