"""The folders that Argo CD has for each kind that it knows: scripts, and their tests in the format of its own tests.

`make manifests` writes them to `deploy/argocd/resource_customizations`, from the scripts beside it and the recordings.
Format: argoproj/argo-cd, docs/operator-manual/health.md and resource_actions.md.
"""

import copy
import shutil
from pathlib import Path
from typing import Any, Final

from netbird_streaming.api.types import GROUP, RECONCILE_ANNOTATION, EventStreamingIntegration
from tests.harness.gitops import argocd
from tests.harness.gitops.recordings import read
from tools.crds.definitions import DEFINITIONS

FOLDER: Final = argocd.FOLDER / "resource_customizations"
JUDGED: Final = (
    "pending",
    "synced",
    "synced-edited",
    "synced-suspended",
    "suspended",
    "secret-not-found",
    "connection-invalid",
    "ownership-conflict",
    "unavailable-deleted",
)
"""The situations of a folder's tests, each where the kind has it. The project's own tests have all."""


def files() -> dict[str, str]:
    """Return the content of each file, by its path in the folder."""
    found: dict[str, str] = {}
    for each in DEFINITIONS:
        kind = each.model.__name__
        inside = {**_health(kind), **{f"actions/{name}": text for name, text in _actions(kind).items()}}
        found |= {f"{GROUP}/{kind}/{name}": text for name, text in inside.items()}
    return found


def _health(kind: str) -> dict[str, str]:
    script, recorded = argocd.SCRIPT.read_text(), read(kind)
    made, tests = {"health.lua": script}, []
    for name in JUDGED:
        if name not in recorded:
            continue
        path = f"testdata/{name.replace('-', '_')}.yaml"
        judgement = argocd.compute(recorded[name], script)
        status = {"status": judgement.health.value, "message": judgement.message}
        tests.append({"healthStatus": status, "inputPath": path})
        made[path] = argocd.dump(recorded[name])
    return {**made, "health_test.yaml": argocd.dump({"tests": tests})}


def _actions(kind: str) -> dict[str, str]:
    scripts = argocd.actions(kind)
    made = {argocd.DISCOVERY: (argocd.ACTIONS / argocd.DISCOVERY).read_text()}
    made |= {f"{name}/action.lua": text for name, text in scripts.items()}
    objects = {"synced": read(kind)["synced"]}
    objects["reconciled"] = copy.deepcopy(objects["synced"])
    metadata = objects["reconciled"]["metadata"]
    metadata["annotations"] = {RECONCILE_ANNOTATION: f"argocd-{metadata['resourceVersion']}"}
    offers, runs = [_offer("synced", scripts)], [_run("reconcile", "synced", "reconciled")]
    if kind == EventStreamingIntegration.__name__:
        objects["suspended"] = copy.deepcopy(objects["synced"])
        objects["suspended"]["spec"]["suspend"] = True
        offers.append(_offer("suspended", scripts, suspended=True))
        runs += [_run("suspend", "synced", "suspended"), _run("resume", "suspended", "synced")]
    made |= {_path(name): argocd.dump(each) for name, each in objects.items()}
    return {**made, "action_test.yaml": argocd.dump({"discoveryTests": offers, "actionTests": runs})}


def _offer(name: str, scripts: dict[str, str], *, suspended: bool = False) -> dict[str, Any]:
    disabled = {"suspend": suspended, "resume": not suspended}
    result = [{"name": action, "disabled": disabled.get(action, False)} for action in scripts]
    return {"inputPath": _path(name), "result": result}


def _run(action: str, before: str, after: str) -> dict[str, str]:
    return {"action": action, "inputPath": _path(before), "expectedOutputPath": _path(after)}


def _path(name: str) -> str:
    return f"testdata/{name}.yaml"


def written(folder: Path = FOLDER) -> dict[str, str]:
    """Return the files of the folder as they are."""
    return {str(each.relative_to(folder)): each.read_text() for each in folder.rglob("*") if each.is_file()}


def main() -> None:
    """Write the folder, and remove what it should not have."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    for name, text in files().items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
