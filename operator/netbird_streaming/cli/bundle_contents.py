"""The contents of a bundle: what the command reads of the cluster, and never a Secret's value."""

import json
import platform
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Final, NamedTuple

from netbird_streaming.api.destinations import BLOCKS
from netbird_streaming.api.types import EventStreamingIntegration
from netbird_streaming.cli.session import Session
from netbird_streaming.cluster.client import Json, Request
from netbird_streaming.cluster.parsing import API_VERSION, KINDS
from netbird_streaming.core.netbird.compare import host_of
from netbird_streaming.core.netbird.payload import secret_names
from netbird_streaming.errors import OperatorError
from netbird_streaming.version import PROGRAM, program_version

LOG_LINES: Final = 5000
CONTAINER: Final = "operator"
"""The name of the chart's container. A pod may have others, which a service mesh adds."""
_SELECTOR: Final = {"labelSelector": f"app.kubernetes.io/name={PROGRAM}"}
_METADATA: Final = (
    "name",
    "namespace",
    "uid",
    "generation",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
    "finalizers",
)
_PLATFORM_BLOCKS: Final = frozenset(block.name for block in BLOCKS.values())
_EVENT: Final = ("type", "reason", "message", "count", "firstTimestamp", "lastTimestamp", "eventTime")


@dataclass(slots=True)
class Contents:
    """Files by name, the names that they contain, and what could not be read."""

    files: dict[str, str] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    missing: list[str] = field(default_factory=list)

    def add(self, name: str, value: object) -> None:
        """Add a file, as JSON."""
        self.files[name] = json.dumps(value, indent=1, ensure_ascii=False) + "\n"


async def gather(session: Session) -> Contents:
    """Read everything; what can't be read is noted and does not end it."""
    contents = Contents()
    await _try(contents, "versions", lambda: _versions(session, contents))
    contents.add("settings.json", asdict(session.settings))
    contents.names |= {session.namespace, *session.settings.namespaces, *session.settings.secret_namespaces}
    for kind in KINDS:
        await _try(contents, kind, partial(_resources, session, contents, kind))
        await _try(contents, f"Events of {kind}", partial(_events, session, contents, kind))
    await _try(contents, "secrets", lambda: _learn_secrets(session))
    await _try(contents, "Lease", lambda: _lease(session, contents))
    await _try(contents, "pods", lambda: _pods(session, contents))
    return contents


async def _try(contents: Contents, what: str, work: Callable[[], Awaitable[None]]) -> None:
    try:
        await work()
    except OperatorError as problem:
        contents.missing.append(f"{what}: {problem.message}")


async def _versions(session: Session, contents: Contents) -> None:
    session.output.progress("reading versions")
    own = {"operator": program_version(), "python": platform.python_version()}
    contents.add("versions.json", own)
    answer = await session.kubernetes.call(Request("the API server's version", "/version"))
    contents.add("versions.json", {**own, "kubernetes": answer.get("gitVersion"), "platform": answer.get("platform")})


async def _resources(session: Session, contents: Contents, kind: str) -> None:
    session.output.progress(f"reading {kind}")
    found = [described_object(each) for path in _paths(session, kind) async for each in _items(session, path)]
    contents.add(f"resources/{kind}.json", found)
    for each in found:
        contents.names |= set(_names(each))


async def _events(session: Session, contents: Contents, kind: str) -> None:
    query, found = {"fieldSelector": f"involvedObject.kind={kind}"}, list[Json]()
    for namespace in session.resources.scopes(kind):
        scope = f"/namespaces/{namespace}" if namespace else ""
        async for each in _items(session, f"/api/v1{scope}/events", query):
            regarding = each.get("involvedObject") or {}
            found.append({**_some(each, _EVENT), "object": _some(regarding, ("kind", "namespace", "name"))})
    contents.add(f"events/{kind}.json", found)


async def _learn_secrets(session: Session) -> None:
    """Read each Secret that a resource references, so that the filter knows the values."""
    referenced: set[tuple[str, str]] = set()

    def take(resource: Any) -> None:  # noqa: ANN401  # any of the kinds
        namespace = resource.metadata.namespace or session.namespace
        if isinstance(resource, EventStreamingIntegration):
            referenced.update((namespace, name) for name in secret_names(resource.spec))
        else:
            referenced.add((namespace, resource.spec.token_secret_ref.name))

    for kind in KINDS:
        for namespace in session.resources.scopes(kind):
            await session.resources.list_resources(kind, namespace, lambda *_: True, take)
    session.output.progress("reading Secrets, to search for their values")
    for namespace, name in sorted(referenced):
        await session.resources.secret(namespace, name)


async def _lease(session: Session, contents: Contents) -> None:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{session.namespace}/leases/{session.settings.lease_name}"
    answer = await session.kubernetes.call(Request("the Lease", path))
    contents.add("lease.json", _some(answer, ("spec",)))
    holder = str(_dict(answer, "spec").get("holderIdentity") or "")
    contents.names |= {holder, holder.rpartition("_")[0]}


async def _pods(session: Session, contents: Contents) -> None:
    """Read the end of the log and the metrics of each of the operator's pods."""
    pods, before = f"/api/v1/namespaces/{session.namespace}/pods", len(contents.files)
    async for pod in _items(session, pods, _SELECTOR):
        name, status = str(_dict(pod, "metadata").get("name")), _dict(pod, "status")
        contents.names.add(name)
        contents.add(f"pods/{name}.json", _some(status, ("phase", "conditions", "containerStatuses")))
        session.output.progress(f"reading the log and the metrics of pod {name}")
        query, port = {"container": CONTAINER, "tailLines": str(LOG_LINES)}, session.settings.metrics_port
        log = Request(f"the log of pod {name}", f"{pods}/{name}/log", query=query, accept="*/*")
        metrics = Request(f"the metrics of pod {name}", f"{pods}/{name}:{port}/proxy/metrics", accept="*/*")
        state = _container_state(status)
        reads = (
            (log, f"pods/{name}.log", None if state.has_log else "the container has not started"),
            (metrics, f"pods/{name}.metrics", _why_no_metrics(session, state)),
        )
        for request, file, why_not in reads:
            if why_not is None:
                await _try(contents, f"pod {name}", partial(_text, session, contents, request, file))
            else:
                contents.missing.append(f"{request.subject}: {why_not}")
    if len(contents.files) == before:
        contents.missing.append(f"logs and metrics: namespace {session.namespace} has no pod of the operator")


class _ContainerState(NamedTuple):
    is_running: bool
    has_log: bool


def _container_state(pod_status: Json) -> _ContainerState:
    """Return the state of the operator's container. A container that has never started has no log."""
    statuses = (each for each in pod_status.get("containerStatuses") or () if each.get("name") == CONTAINER)
    found: Json = next(statuses, {})
    state, last = _dict(found, "state"), _dict(found, "lastState")
    return _ContainerState("running" in state, bool({"running", "terminated"} & state.keys()) or "terminated" in last)


def _why_no_metrics(session: Session, state: _ContainerState) -> str | None:
    """Return why a pod serves no metrics, or None if it does."""
    if not session.settings.metrics:
        return "they are turned off (--metrics)"
    return None if state.is_running else "the container is not running"


async def _text(session: Session, contents: Contents, request: Request, file: str) -> None:
    contents.files[file] = (await session.kubernetes.call_raw(request)).decode(errors="replace")


async def _items(session: Session, path: str, query: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401
    """Yield the objects of a list, page by page."""
    more = ""
    while True:
        page = {**(query or {}), "limit": "500", **({"continue": more} if more else {})}
        answer = await session.kubernetes.call(Request(path, path, query=page))
        for each in answer.get("items") or ():
            yield each
        more = str(_dict(answer, "metadata").get("continue") or "")
        if not more:
            return


def _paths(session: Session, kind: str) -> Iterator[str]:
    for namespace in session.resources.scopes(kind):
        scope = f"/namespaces/{namespace}" if namespace else ""
        yield f"/apis/{API_VERSION}{scope}/{KINDS[kind].plural}"


def described_object(raw: Json) -> Json:
    """Return an object without its platform's block, annotations and managed fields."""
    spec = {key: value for key, value in _dict(raw, "spec").items() if key not in _PLATFORM_BLOCKS}
    return {"metadata": _some(_dict(raw, "metadata"), _METADATA), "spec": spec, "status": _dict(raw, "status")}


def _names(described: Json) -> Iterator[str]:
    """Yield what `--redact-names` has to hash: names, accounts, tenants, hosts, and the values of the configuration."""
    metadata, spec, status = described["metadata"], described["spec"], described["status"]
    yield from (str(metadata[key]) for key in ("name", "namespace") if key in metadata)
    for key in ("tokenSecretRef", "caBundleConfigMapRef", "connectionRef"):
        yield str(_dict(spec, key).get("name") or "")
    for entry in (spec, status, *(spec.get("access") or ()), *(status.get("accounts") or ())):
        yield from (str(entry[key]) for key in ("tenantID", "accountID") if entry.get(key))
        yield from map(str, entry.get("namespaces") or ())
    for url in (spec.get("url"), *_dict(status, "config").values()):
        yield host_of(str(url or ""))


def _some(raw: Json, keys: tuple[str, ...]) -> Json:
    return {key: raw[key] for key in keys if key in raw}


def _dict(raw: Json, key: str) -> Json:
    inner = raw.get(key)
    return inner if isinstance(inner, dict) else {}
