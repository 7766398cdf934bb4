"""What people and other programs do to an operator, each for as long as a block lasts."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import Any, Final

import aiohttp

from netbird_streaming.api.types import GROUP
from tests.harness.kubernetes_client import BASE
from tests.proof.cluster.case_runner import Trial
from tests.proof.cluster.fault_proxy import Fault
from tests.proof.cluster.scenario import Lasting

WRITER_SECONDS: Final = 0.1
"""Between two writes of another writer: often enough to meet ours, and not so often that none of ours gets through."""
_ADMISSION: Final = "/apis/admissionregistration.k8s.io/v1"
_RBAC: Final = "/apis/rbac.authorization.k8s.io/v1"
_PROBE: Final = "proof/probe"
_PLURAL: Final = "eventstreamingintegrations"
_IN_FORCE_SECONDS: Final = 20.0
_NOBODY: Final = "https://127.0.0.1:9/"
"""A webhook whose server is not there: nothing listens on the discard port."""


def under(fault: Fault) -> Lasting:
    """What passes between the operator and its API server suffers the fault; watches that were open are cut."""

    @asynccontextmanager
    async def lasting(trial: Trial) -> AsyncIterator[None]:
        trial.weather.fault = fault
        trial.weather.cut()
        try:
            yield
        finally:
            trial.weather.fault = None

    return lasting


def under_cuts(fault: Fault | None = None) -> Lasting:
    """The same, and the watches are cut again and again."""

    @asynccontextmanager
    async def lasting(trial: Trial) -> AsyncIterator[None]:
        trial.weather.fault = fault
        cutting = asyncio.create_task(trial.weather.cut_all_the_time())
        try:
            yield
        finally:
            trial.weather.fault = None
            cutting.cancel()
            await asyncio.gather(cutting, return_exceptions=True)

    return lasting


def refusing(subresource: str) -> Lasting:
    """A ValidatingAdmissionPolicy refuses the operator's writes of integrations, or of a subresource of them."""
    expression = (
        f"!(has(object.metadata.annotations) && '{_PROBE}' in object.metadata.annotations) && "
        f"!(request.userInfo.username == '{{user}}' && request.?subResource.orValue('') == '{subresource}')"
    )

    @asynccontextmanager
    async def lasting(trial: Trial) -> AsyncIterator[None]:
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
async def broken_webhook(trial: Trial) -> AsyncIterator[None]:
    """A webhook that nobody serves any more fails each write of the operator's."""
    async with _webhook(trial, _NOBODY, seconds=1):
        yield


@asynccontextmanager
async def hanging_webhook(trial: Trial) -> AsyncIterator[None]:
    """A that takes connections and says nothing: the API server gives up after ten seconds, and fails the write."""
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
async def _webhook(trial: Trial, url: str, seconds: int) -> AsyncIterator[None]:
    """Each write of the operator's has to be admitted by whoever serves this URL, within so many seconds."""
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
async def no_room_for_events(trial: Trial) -> AsyncIterator[None]:
    """A quota lets no Event be made in the namespace."""
    hard = {"count/events.events.k8s.io": "0", "count/events": "0"}
    quotas = f"/api/v1/namespaces/{trial.namespace}/resourcequotas"
    async with made(trial, quotas, {"metadata": {"name": "none"}, "spec": {"hard": hard}}):
        # Its controller does not run here.
        await trial.kubernetes.call(
            "PATCH", f"{quotas}/none/status", {"status": {"hard": hard, "used": hard}}, patch=True
        )
        yield


@asynccontextmanager
async def without_rights(trial: Trial) -> AsyncIterator[None]:
    """Every binding of the operator's ServiceAccount is taken away, and given back."""
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
        trial.weather.cut()
        yield
    finally:
        for path, each in taken:
            await trial.kubernetes.call("POST", path, each)


@asynccontextmanager
async def another_writer(trial: Trial) -> AsyncIterator[None]:
    """Another controller writes annotations and a condition of its own into each resource, all the time."""
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


async def _write(trial: Trial, name: str) -> None:
    path = f"{BASE.format(namespace=trial.namespace)}/{name}"
    for number in itertools.count():
        condition = {
            "type": "Seen",
            "status": "True",
            "reason": "Watched",
            "message": str(number),
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        with suppress(aiohttp.ClientResponseError):  # it is not there, or the operator was quicker
            patch = {"metadata": {"annotations": {"example.com/seen": str(number)}}}
            found = await trial.kubernetes.call("PATCH", path, patch, patch=True)
            others = [each for each in found.get("status", {}).get("conditions", ()) if each["type"] != "Seen"]
            found["status"] = {**found.get("status", {}), "conditions": [*others, condition]}
            await trial.kubernetes.call("PUT", f"{path}/status", found)
        await asyncio.sleep(WRITER_SECONDS)


def together(*all_of_them: Lasting) -> Lasting:
    """An after the other, each within those before it."""

    @asynccontextmanager
    async def lasting(trial: Trial) -> AsyncIterator[None]:
        first, *others = all_of_them
        async with first(trial):
            if others:
                async with together(*others)(trial):
                    yield
            else:
                yield

    return lasting


@asynccontextmanager
async def made(trial: Trial, path: str, body: dict[str, Any]) -> AsyncIterator[None]:
    """An object that is there as long as the block lasts."""
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


def _only(trial: Trial) -> dict[str, Any]:
    return {"matchLabels": {"kubernetes.io/metadata.name": trial.namespace}}


async def _until_refused(trial: Trial) -> None:
    """The API server takes a moment to know what it admits: it has when a write like the operator's is refused."""
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
