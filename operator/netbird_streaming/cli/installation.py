"""The installed operator: its namespace and its settings, so that a command decides as it does."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from netbird_streaming.cluster.client import Json, KubernetesClient, Request
from netbird_streaming.cluster.parsing import API_VERSION, KINDS
from netbird_streaming.config.options import ENVIRONMENT_PREFIX
from netbird_streaming.config.settings import add_flags
from netbird_streaming.errors import OperatorError
from netbird_streaming.version import PROGRAM

FIRST_PROCESS: Final = Path("/proc/1/cmdline")
_SELECTOR: Final = {"labelSelector": f"app.kubernetes.io/name={PROGRAM}"}
_CONNECTIONS: Final = tuple(kind.plural for name, kind in KINDS.items() if name.endswith("Connection"))


@dataclass(frozen=True, slots=True)
class Installation:
    """Installed operator, as far as it is known; `service_account` is the name of its ServiceAccount."""

    namespace: str | None = None
    arguments: tuple[str, ...] = ()
    variables: Mapping[str, str] | None = None
    service_account: str | None = None


UNKNOWN: Final = Installation()


def of_this_pod(first_process: Path = FIRST_PROCESS) -> Installation:
    """Return the operator that is the first process of this container, if it is one."""
    try:
        words = first_process.read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return UNKNOWN
    if "netbird_streaming" not in words or "run" not in words:
        return UNKNOWN
    return Installation(arguments=tuple(word for word in words[words.index("run") + 1 :] if word))


async def find(client: KubernetesClient, namespace: str | None) -> Installation:
    """Return the installation of a namespace, or of the cluster, as far as the user may read it.

    Its Deployment says so, or else the connections that it manages. Of several nothing is assumed.
    """
    scope = f"/namespaces/{namespace}" if namespace else ""
    deployments = await _items(client, f"/apis/apps/v1{scope}/deployments", _SELECTOR)
    if len(deployments) == 1:
        return _of_deployment(deployments[0])
    if namespace is not None or deployments:
        return Installation(namespace=namespace)
    marks: set[str] = set()
    for plural in _CONNECTIONS:
        for each in await _items(client, f"/apis/{API_VERSION}/{plural}", {}):
            mark = _at(each, "status", "internal").get("installation")
            marks |= {mark} if isinstance(mark, str) else set()
    if len(marks) != 1:
        return UNKNOWN
    found, _, lease = marks.pop().partition("/")
    return Installation(namespace=found, arguments=(f"--lease-name={lease}",))


def with_settings(arguments: argparse.Namespace, installation: Installation) -> argparse.Namespace:
    """Return the arguments of a command, completed with those that the operator runs with."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    add_flags(parser)
    try:
        known, _ = parser.parse_known_args(installation.arguments)
    except (argparse.ArgumentError, SystemExit):
        known = argparse.Namespace()
    given = {name: value for name, value in vars(arguments).items() if value is not None}
    return argparse.Namespace(**{**vars(known), **given})


def _of_deployment(deployment: Json) -> Installation:
    pod = _at(deployment, "spec", "template", "spec")
    containers = pod.get("containers")
    container = containers[0] if isinstance(containers, list) and containers else {}
    words: Sequence[Any] = container.get("args") or ()
    variables = {
        str(each.get("name")): str(each["value"])
        for each in container.get("env") or ()
        if str(each.get("name")).startswith(ENVIRONMENT_PREFIX) and "value" in each
    }
    return Installation(
        namespace=str(_at(deployment, "metadata").get("namespace")),
        arguments=tuple(str(word) for word in words if word != "run"),
        variables=variables,
        service_account=str(pod.get("serviceAccountName") or "default"),
    )


async def _items(client: KubernetesClient, path: str, query: Mapping[str, str]) -> list[Json]:
    try:
        answer = await client.call(Request("the list of installations", path, query=query))
    except OperatorError:
        return []
    items = answer.get("items")
    return [each for each in items if isinstance(each, dict)] if isinstance(items, list) else []


def _at(raw: Json, *names: str) -> Json:
    for name in names:
        inner = raw.get(name)
        raw = inner if isinstance(inner, dict) else {}
    return raw
