"""Actions of users and other programs that affect an operator, each for the duration of a block."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import Any, Final

import aiohttp

from netbird_streaming.api.types import GROUP
from tests.harness.kubernetes_client import BASE
from tests.proof.cluster.case_runner import CaseRun
from tests.proof.cluster.fault_proxy import Fault
from tests.proof.cluster.scenario import Lasting

WRITER_SECONDS: Final = 0.1
"""Seconds between two writes of another writer: often enough to conflict, and rare enough to let some of ours through.
"""
_ADMISSION: Final = "/apis/admissionregistration.k8s.io/v1"
_RBAC: Final = "/apis/rbac.authorization.k8s.io/v1"
_PROBE: Final = "proof/probe"
_PLURAL: Final = "eventstreamingintegrations"
_IN_FORCE_SECONDS: Final = 20.0
_NOBODY: Final = "https://127.0.0.1:9/"
"""A webhook without a server: nothing listens on the discard port."""


def under(fault: Fault) -> Lasting:
    """Apply the fault to the traffic between the operator and its API server. Open watches are cut."""

    @asynccontextmanager
    async def lasting(trial: CaseRun) -> AsyncIterator[None]:
        trial.proxy.fault = fault
        trial.proxy.cut()
        try:
            yield
        finally:
            trial.proxy.fault = None

    return lasting


def under_cuts(fault: Fault | None = None) -> Lasting:
    """Apply the fault, and cut the watches again and again."""

    @asynccontextmanager
    async def lasting(trial: CaseRun) -> AsyncIterator[None]:
        trial.proxy.fault = fault
        cutting = asyncio.create_task(trial.proxy.cut_all_the_time())
        try:
            yield
        finally:
            trial.proxy.fault = None
            cutting.cancel()
            await asyncio.gather(cutting, return_exceptions=True)

    return lasting


def refusing(subresource: str) -> Lasting:
    """Refuse the operator's writes of integrations, or of a subresource, by a ValidatingAdmissionPolicy."""
    expression = (
        f"!(has(object.metadata.annotations) && '{_PROBE}' in object.metadata.annotations) && "
        f"!(request.userInfo.username == '{{user}}' && request.?subResource.orValue('') == '{subresource}')"
    )

    @asynccontextmanager
    async def lasting(trial: CaseRun) -> AsyncIterator[None]:
        name = f"refuse-{trial.namespace}"
        policy = {
            "matchConstraints": {"resourceRules": [_rule()]},
            "validations": [{"expression": expression.replace("{user}", trial.user), "message": "so it is"}],
        }
        binding = {
            "policyName": name,
            "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": _only(trial)},
        }
        policies = f"{_ADMISSION}/validatingadmissionpolicies"
        async with (
            made(trial, policies, {"metadata": {"name": name}, "spec": policy}),
            made(
                trial, f"{_ADMISSION}/validatingadmissionpolicybindings", {"metadata": {"name": name}, "spec": binding}
            ),
        ):
            await _until_refused(trial)
            yield

    return lasting


@asynccontextmanager
async def broken_webhook(trial: CaseRun) -> AsyncIterator[None]:
    """Fail each write of the operator by a webhook without a server."""
    async with _webhook(trial, _NOBODY, seconds=1):
        yield


@asynccontextmanager
async def hanging_webhook(trial: CaseRun) -> AsyncIterator[None]:
    """Fail each write by a webhook that does not respond: the API server gives up after ten seconds."""
    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: writers.append(writer), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with _webhook(trial, f"https://127.0.0.1:{port}/", seconds=30):
            yield
    finally:
        server.close()
        for each in writers:
            each.close()


@asynccontextmanager
async def _webhook(trial: CaseRun, url: str, seconds: int) -> AsyncIterator[None]:
    """Let this URL admit each write of the operator, within so many seconds."""
    hook = {
        "name": "webhook.example.com",
        "clientConfig": {"url": url},
        "rules": [_rule()],
        "namespaceSelector": _only(trial),
        "matchConditions": [
            {
                "name": "ours",
                "expression": f"request.userInfo.username == '{trial.user}' || "
                f"has(object.metadata.annotations) && '{_PROBE}' in object.metadata.annotations",
            }
        ],
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": seconds,
    }
    body = {"metadata": {"name": f"webhook-{trial.namespace}"}, "webhooks": [hook]}
    async with made(trial, f"{_ADMISSION}/validatingwebhookconfigurations", body):
        await _until_refused(trial)
        yield


@asynccontextmanager
async def no_room_for_events(trial: CaseRun) -> AsyncIterator[None]:
    """Prevent new Events in the namespace by a quota."""
    hard = {"count/events.events.k8s.io": "0", "count/events": "0"}
    quotas = f"/api/v1/namespaces/{trial.namespace}/resourcequotas"
    async with made(trial, quotas, {"metadata": {"name": "none"}, "spec": {"hard": hard}}):
        # Its controller does not run here.
        await trial.kubernetes.call(
            "PATCH", f"{quotas}/none/status", {"status": {"hard": hard, "used": hard}}, patch=True
        )
        yield


@asynccontextmanager
async def without_rights(trial: CaseRun) -> AsyncIterator[None]:
    """Remove every binding of the operator's ServiceAccount, and restore it."""
    taken: list[tuple[str, dict[str, Any]]] = []
    for plural, kind in (("clusterrolebindings", "ClusterRoleBinding"), ("rolebindings", "RoleBinding")):
        for each in (await trial.kubernetes.call("GET", f"{_RBAC}/{plural}"))["items"]:
            subjects = (f"{one.get('namespace')}:{one['name']}" for one in each.get("subjects", ()))
            if trial.user.removeprefix("system:serviceaccount:") in subjects:
                namespace = each["metadata"].get("namespace")
                path = f"{_RBAC}/namespaces/{namespace}/{plural}" if namespace else f"{_RBAC}/{plural}"
                metadata = {"name": each["metadata"]["name"]}
                taken.append((path, {**each, "kind": kind, "apiVersion": _RBAC[6:], "metadata": metadata}))
    for path, each in taken:
        await trial.kubernetes.call("DELETE", f"{path}/{each['metadata']['name']}")
    try:
        trial.proxy.cut()
        yield
    finally:
        for path, each in taken:
            await trial.kubernetes.call("POST", path, each)


@asynccontextmanager
async def another_writer(trial: CaseRun) -> AsyncIterator[None]:
    """Write annotations and a condition into each resource all the time, as another controller."""
    writing = [asyncio.create_task(_write(trial, name)) for name in ("kept", "made", "doomed")]
    try:
        yield
    finally:
        for each in writing:
            each.cancel()
        await asyncio.gather(*writing, return_exceptions=True)
    for name in ("kept", "made"):
        conditions = (await trial.kubernetes.call("GET", f"{BASE.format(namespace=trial.namespace)}/{name}"))["status"]
        if not any(each["type"] == "Seen" for each in conditions["conditions"]):
            trial.breaches.append(f"S3: the condition of another controller is gone from {name}")


async def _write(trial: CaseRun, name: str) -> None:
    path = f"{BASE.format(namespace=trial.namespace)}/{name}"
    for number in itertools.count():
        condition = {
            "type": "Seen",
            "status": "True",
            "reason": "Watched",
            "message": str(number),
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        with suppress(aiohttp.ClientResponseError):  # it is missing, or the operator was quicker
            patch = {"metadata": {"annotations": {"example.com/seen": str(number)}}}
            found = await trial.kubernetes.call("PATCH", path, patch, patch=True)
            others = [each for each in found.get("status", {}).get("conditions", ()) if each["type"] != "Seen"]
            found["status"] = {**found.get("status", {}), "conditions": [*others, condition]}
            await trial.kubernetes.call("PUT", f"{path}/status", found)
        await asyncio.sleep(WRITER_SECONDS)


def together(*all_of_them: Lasting) -> Lasting:
    """Enter the blocks one after the other, nested."""

    @asynccontextmanager
    async def lasting(trial: CaseRun) -> AsyncIterator[None]:
        first, *others = all_of_them
        async with first(trial):
            if others:
                async with together(*others)(trial):
                    yield
            else:
                yield

    return lasting


@asynccontextmanager
async def made(trial: CaseRun, path: str, body: dict[str, Any]) -> AsyncIterator[None]:
    """Create an object for the duration of the block."""
    await trial.kubernetes.call("POST", path, body)
    try:
        yield
    finally:
        await trial.kubernetes.call("DELETE", f"{path}/{body['metadata']['name']}")


def _rule() -> dict[str, Any]:
    return {
        "apiGroups": [GROUP],
        "apiVersions": ["*"],
        "operations": ["UPDATE"],
        "resources": [_PLURAL, f"{_PLURAL}/status"],
    }


def _only(trial: CaseRun) -> dict[str, Any]:
    return {"matchLabels": {"kubernetes.io/metadata.name": trial.namespace}}


async def _until_refused(trial: CaseRun) -> None:
    """Wait until a write like the operator's is refused: the API server takes a moment to load a policy."""
    path = f"{BASE.format(namespace=trial.namespace)}/kept?dryRun=All"
    probe = {"metadata": {"annotations": {_PROBE: ""}}}
    async with asyncio.timeout(_IN_FORCE_SECONDS):
        while True:
            try:
                await trial.kubernetes.call("PATCH", path, probe, patch=True)
            except aiohttp.ClientResponseError as error:
                if error.status == HTTPStatus.NOT_FOUND:
                    raise
                return
            await asyncio.sleep(0.1)
