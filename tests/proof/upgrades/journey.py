"""A release at a former commit, its upgrade to the working tree, and its rollback: each step with what it changed."""

import io
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from netbird_streaming.api.types import RECONCILE_ANNOTATION
from tests.doubles.netbird.faults import Fault, Moment, Reply, Reset
from tests.doubles.netbird.process import RunningNetBird
from tests.doubles.netbird.tenancy import Account, Token
from tests.doubles.netbird.wire import Operation
from tests.harness.controlplane import ControlPlane
from tests.harness.end_to_end import QUICK_LEASE, Json, Objects, eventually
from tests.harness.kubectl_team import INTEGRATIONS
from tests.harness.manifests import integration
from tests.harness.operator import Operator, apply
from tests.harness.release import SOURCE, Release
from tools.chart import CHART, ROOT

SETTLED: Final = "settled"
"""An integration that was Ready before the upgrade."""
PENDING: Final = "pending"
"""An integration whose create NetBird has done, and whose operator ended before it got the response."""
NAMES: Final = (SETTLED, PENDING)
_RESOLVED_SECONDS: Final = 240.0
"""Longer than NetBird may take to commit a create whose response was lost."""
_TEAM: Final = "team-a"
_ACCOUNT: Final = "company"
_TOKEN: Final = "nbp_" + "t" * 36
_DOWN: Final = Fault(Reply(503), operation=Operation.LIST, times=None)
_LOST: Final = Fault(Reset(), operation=Operation.CREATE, moment=Moment.AFTER)


@dataclass(frozen=True, slots=True)
class Step:
    """The state after a step: for each resource its id and the reason of Ready; the requests and NetBird's ids."""

    ids: dict[str, int | None]
    reasons: dict[str, str]
    writes: tuple[str, ...]
    held: tuple[int, ...]


class Journey:
    """A release, a team and its NetBird account."""

    def __init__(self, plane: ControlPlane, netbird: RunningNetBird) -> None:
        """Create the account, the namespaces and the Secret."""
        self._plane = plane
        self._netbird = netbird.control
        self._objects = Objects(plane)
        self._release = Release(plane, "upgraded")
        self._url = netbird.url
        self._asked = 0
        self._netbird.add_account(Account(_ACCOUNT))
        self._netbird.add_token(Token("company", _TOKEN, _ACCOUNT))
        metadata = {"name": "netbird", "namespace": self._release.namespace}
        namespaces = (self._release.namespace, _TEAM)
        apply(plane, *({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": each}} for each in namespaces))
        apply(plane, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"token": _TOKEN}})

    def install(self, chart: Path, source: Path) -> Step:
        """Install a former chart, and end its operator while a create is in flight."""
        token, access = {"name": "netbird"}, {"namespaces": [_TEAM]}
        self._release.install(chart, connection={"tokenSecret": token, "access": access, "url": self._url})
        with self._operator(source) as operator:
            self._declare(SETTLED)
            eventually(lambda: self._reason(SETTLED) == "Synced", f"{SETTLED} is Ready")
            self._netbird.add_fault(_LOST)
            lists = self._netbird.add_fault(Fault(Reply(503), operation=Operation.LIST, skip=1, times=None))
            self._declare(PENDING)
            eventually(lambda: len(self._netbird.integrations(_ACCOUNT)) == len(NAMES), "NetBird has created both")
            operator.kill()
            self._netbird.remove_fault(lists)
        return self._step()

    def upgrade(self) -> Step:
        """Upgrade to the chart of the working tree, and run its operator."""
        self._release.upgrade()
        return self._run(SOURCE)

    def roll_back(self, source: Path) -> Step:
        """Roll back to the former chart, and run its operator."""
        self._release.rollback(1)
        return self._run(source)

    def delete(self) -> Step:
        """Delete both resources while the operator of the working tree runs."""
        self._release.upgrade()
        with self._operator(SOURCE):
            self._plane.kubectl("delete", "esi", "--all", f"--namespace={_TEAM}", "--wait=false")
            eventually(lambda: not any(map(self._read, NAMES)), "both resources are gone", _RESOLVED_SECONDS)
        return self._step()

    def close(self) -> None:
        """Close the connections to the API server."""
        self._objects.close()

    def _operator(self, source: Path) -> Operator:
        """Start the operator of a commit. A former one may not support the image's Python."""
        python = None if source == SOURCE else sys.executable
        environment = {"PYTHONPATH": str(source)}
        return Operator(self._release.installation(), *QUICK_LEASE, python=python, environment=environment).leading()

    def _run(self, source: Path) -> Step:
        self._asked += 1
        value = f"step-{self._asked}"
        with self._operator(source):
            command = ("annotate", "esi", *NAMES, "--overwrite", f"--namespace={_TEAM}")
            self._plane.kubectl(*command, f"{RECONCILE_ANNOTATION}={value}")
            for name in NAMES:
                eventually(lambda name=name: self._handled(name) == value, f"{name} is reconciled")  # type: ignore[misc]
                eventually(lambda name=name: self._reason(name) != "Progressing", f"{name} is settled")  # type: ignore[misc]
            return self._step()

    def _step(self) -> Step:
        return Step(
            ids={name: self._status(name).get("id") for name in NAMES},
            reasons={name: self._reason(name) for name in NAMES},
            writes=tuple(each.method for each in self._netbird.journal() if each.method != "GET"),
            held=tuple(sorted(each.id for each in self._netbird.integrations(_ACCOUNT))),
        )

    def _declare(self, name: str) -> None:
        made = integration("generic_http", name, genericHTTP={"url": f"https://siem.example.com/{name}"})
        made["metadata"]["namespace"] = _TEAM
        apply(self._plane, made)

    def _read(self, name: str) -> Json | None:
        return self._objects.ours(INTEGRATIONS, name, _TEAM)

    def _status(self, name: str) -> Json:
        found: Json = (self._read(name) or {}).get("status", {})
        return found

    def _handled(self, name: str) -> Any:
        return self._status(name).get("lastHandledReconcileAt")

    def _reason(self, name: str) -> str:
        conditions = self._status(name).get("conditions", [])
        return next((each["reason"] for each in conditions if each["type"] == "Ready"), "")


def former(commit: str, folder: Path) -> tuple[Path, Path]:
    """Unpack a commit into a folder; return its chart and its operator."""
    paths = [str(each.relative_to(ROOT)) for each in (CHART, SOURCE)]
    archive = subprocess.run(["git", "archive", commit, *paths], cwd=ROOT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as unpacked:
        unpacked.extractall(folder, filter="data")
    return folder / paths[0], folder / paths[1]
