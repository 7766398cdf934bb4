"""Argo CD's judgement by `deploy/argocd/health.lua`, and its ConfigMap with that and the actions (`make manifests`).

Argo CD runs a script in a Lua 5.1 without `string`, `io` and the like; source: argoproj/argo-cd, util/lua/lua.go.
"""

from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml
from lupa import lua51

from netbird_streaming.api.types import GROUP, EventStreamingIntegration
from tools.chart import ROOT
from tools.crds.definitions import DEFINITIONS

FOLDER: Final = ROOT / "deploy" / "argocd"
SCRIPT: Final = FOLDER / "health.lua"
ACTIONS: Final = FOLDER / "actions"
DISCOVERY: Final = "discovery.lua"
CONFIG_MAP: Final = FOLDER / "argocd-cm.yaml"
_NOTE: Final = (
    "# Made from health.lua and actions/ by `make manifests`; changes here are lost.\n"
    "# A merge patch for Argo CD's own ConfigMap: docs/gitops.md has the command. Never use `kubectl apply` with this\n"
    "# file: it can delete every setting that the file does not contain.\n"
)
_ABSENT: Final = ("string", "math", "io", "debug", "coroutine", "python")


class Health(StrEnum):
    """The health states of Argo CD."""

    HEALTHY = "Healthy"
    PROGRESSING = "Progressing"
    DEGRADED = "Degraded"
    SUSPENDED = "Suspended"


class Judgement(NamedTuple):
    """The result of a script."""

    health: Health
    message: str


def compute(resource: dict[str, Any], script: str) -> Judgement:
    """Run a script for a resource. Errors of the script are raised."""
    runtime = lua51.LuaRuntime(unpack_returned_tuples=True)
    names = runtime.globals()
    for name in _ABSENT:
        names[name] = None
    names["obj"] = runtime.table_from(resource, recursive=True)
    answer: Any = runtime.execute(script)
    return Judgement(Health(answer["status"]), answer["message"])


def scripts(file: Path = CONFIG_MAP) -> dict[str, str]:
    """Return the scripts of a ConfigMap, by key."""
    data: dict[str, str] = yaml.safe_load(file.read_text())["data"]
    return data


def key(kind: str) -> str:
    """Return the key of Argo CD's ConfigMap for the health of one kind."""
    return f"resource.customizations.health.{GROUP}_{kind}"


def actions_key(kind: str) -> str:
    """Return the key of Argo CD's ConfigMap for the actions on one kind."""
    return f"resource.customizations.actions.{GROUP}_{kind}"


def actions(kind: str) -> dict[str, str]:
    """Return the scripts of the actions on a kind, by name. A connection can't be suspended."""
    names = ("reconcile", "suspend", "resume") if kind == EventStreamingIntegration.__name__ else ("reconcile",)
    return {name: (ACTIONS / f"{name}.lua").read_text() for name in names}


def config_map() -> str:
    """Return the content of argocd-cm.yaml: the scripts once for each kind, because the keys have no wildcard."""
    script = SCRIPT.read_text()
    data: dict[str, str] = {}
    for definition in DEFINITIONS:
        kind = definition.model.__name__
        definitions = [{"name": name, "action.lua": text} for name, text in actions(kind).items()]
        offered = {DISCOVERY: (ACTIONS / DISCOVERY).read_text(), "definitions": definitions}
        data |= {key(kind): script, actions_key(kind): dump(offered)}
    metadata = {"name": "argocd-cm", "namespace": "argocd"}
    return _NOTE + dump({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


def dump(document: object) -> str:
    """Return YAML that keeps a script readable."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=120)


class _Dumper(yaml.SafeDumper):
    """A dumper that keeps a script readable."""


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


def main() -> None:
    """Write argocd-cm.yaml."""
    CONFIG_MAP.write_text(config_map())


if __name__ == "__main__":
    main()
