"""`examples/gitops` in two git repositories on loopback, and what the owner of a cluster adds to it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.doubles.netbird.process import RunningNetBird, running_netbird
from tests.doubles.netbird.records import Integration
from tests.doubles.netbird.tenancy import Account, Token
from tests.harness import manifests
from tests.harness.controlplane import ControlPlane
from tests.harness.end_to_end import QUICK_LEASE, Json, Objects, eventually
from tests.harness.gitops import definitions
from tests.harness.gitops.controllers import apply, define
from tests.harness.gitops.repository import GitServer, git_server
from tests.harness.kubectl_team import INTEGRATIONS, secret
from tests.harness.manifests import Manifest
from tests.harness.operator import LEASE, NAMESPACE, Operator
from tests.harness.release import Release
from tools.chart import ROOT

EXAMPLE: Final = ROOT / "examples" / "gitops"
TEAM: Final = "team-a"
NAMES: Final = ("datadog", "archive", "stream", "webhook")
"""The integrations that the example declares."""
RECOVERY_SECONDS: Final = 90.0
"""Longer than the longest pause between two tries of the operator."""
_ACCOUNT: Final = "company"
_TOKEN: Final = "nbp_company"
_ADDRESS: Final = "https://git.example.com/platform/{}.git"
_NETBIRD: Final = "https://api.netbird.io"
_SECRETS: Final = {
    (NAMESPACE, "netbird"): {"token": _TOKEN},
    (TEAM, "datadog"): {"api_key": "example-api-key"},
    (TEAM, "aws"): {"access_key": "example-access-key", "secret_key": "example-secret-key"},
    (TEAM, "webhook"): {"token": "example-token"},
}
_DELIVERED: Final = {"status": {"conditions": [{"type": "Ready", "status": "True", "reason": "SecretSynced"}]}}


class Example:
    """A cluster whose owner uses the example: the repositories, NetBird, and the operator's process."""

    def __init__(self, plane: ControlPlane, netbird: RunningNetBird, git: GitServer) -> None:
        """Commit the example with the addresses of this machine; nothing is in the cluster yet."""
        self.plane: Final = plane
        self.netbird: Final = netbird.control
        self.objects: Final = Objects(plane)
        self._repositories = {name: git.create(name) for name in ("netbird-streaming-operator", "clusters")}

        self._operator: Operator | None = None
        netbird.control.add_account(Account(_ACCOUNT))
        netbird.control.add_token(Token("company", _TOKEN, _ACCOUNT))
        define(plane, [definitions.external_secrets()])
        self._repositories["netbird-streaming-operator"].commit(_texts(ROOT / "deploy", "deploy"), tag="v0.1.0")
        self.files: Final = {
            name: text.replace(_NETBIRD, netbird.url)
            for name, text in _texts(EXAMPLE / "netbird", "gitops/netbird").items()
        }
        self.revision = self.commit()

    def commit(self, **changes: str | None) -> str:
        """Commit `gitops/netbird/NAME.yaml` with this content, or without it; return the commit."""
        for name, text in changes.items():
            path = f"gitops/netbird/{name}.yaml"
            self.files.pop(path, None)
            if text is not None:
                self.files[path] = text
        kustomization = "gitops/netbird/kustomization.yaml"
        resources = sorted(Path(each).name for each in self.files if each != kustomization)
        if changes:
            self.files[kustomization] = json.dumps({"resources": resources})
        self.revision = self._repositories["clusters"].commit(self.files)
        return self.revision

    def write_tool_files(self, tool: str) -> Path:
        """Write the files for `flux` or `argocd`, with the addresses of the repositories; return the folder."""
        folder = self.plane.folder / f"example-{tool}"
        folder.mkdir()
        for name, text in _texts(EXAMPLE / tool, "").items():
            for repository, found in self._repositories.items():
                text = text.replace(_ADDRESS.format(repository), found.url)  # noqa: PLW2901  # one address at a time
            (folder / name).write_text(text)
        return folder

    def deliver_secrets(self) -> None:
        """Do what External Secrets does: write each Secret once its ExternalSecret exists, and report it."""
        for (namespace, name), values in _SECRETS.items():
            path = f"/apis/external-secrets.io/v1/namespaces/{namespace}/externalsecrets/{name}"
            eventually(lambda path=path: self.objects.read(path), f"ExternalSecret {namespace}/{name} exists")  # type: ignore[misc]
            found = secret(name, **values)
            found["metadata"]["namespace"] = namespace
            apply(self.plane, found)
            target = ("externalsecret", name, f"--namespace={namespace}", "--subresource=status")
            self.plane.kubectl("patch", *target, "--type=merge", f"--patch={json.dumps(_DELIVERED)}")

    def start_operator(self) -> None:
        """Start what the Deployment's pod would run, and wait until it leads."""
        release = Release(self.plane, NAMESPACE, LEASE)
        self._operator = Operator(release.installation(), *QUICK_LEASE).leading()

    def stop_operator(self) -> None:
        """End the operator in good order."""
        if self._operator is not None:
            self._operator.stop()
            self._operator.kill()

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl in the team's namespace. Raises KubectlError."""
        return self.plane.kubectl(f"--namespace={TEAM}", *arguments)

    def find(self, name: str) -> Json | None:
        """Return an integration of the team, or None."""
        return self.objects.ours(INTEGRATIONS, name, TEAM)

    def ready(self, *names: str) -> None:
        """Wait until these integrations are Ready in their present generation."""
        for name in names or NAMES:
            eventually(lambda name=name: self.reason(name) == "Synced", f"{name} is Ready", RECOVERY_SECONDS)  # type: ignore[misc]

    def reason(self, name: str) -> str | None:
        """Return the reason of Ready for the present generation, or None."""
        found = self.find(name)
        if found is None:
            return None
        generation = found["metadata"]["generation"]
        conditions = found["status"]["conditions"]
        reasons = [
            each["reason"]
            for each in conditions
            if (each["type"], each.get("observedGeneration")) == ("Ready", generation)
        ]
        return reasons[0] if reasons else None

    def versions(self) -> dict[str, str]:
        """Return the resourceVersion of the connection and of each integration."""
        connection = self.objects.ours("clusternetbirdconnections", "default")
        found = {"default": connection, **{name: self.find(name) for name in NAMES}}
        return {name: each["metadata"]["resourceVersion"] for name, each in found.items() if each is not None}

    def held(self) -> list[Integration]:
        """Return what NetBird holds."""
        return self.netbird.integrations(_ACCOUNT)

    def config(self, platform: str) -> dict[str, Any]:
        """Return the configuration that NetBird holds for a platform."""
        (found,) = (each for each in self.held() if each.platform == platform)
        return dict(found.config)

    def writes(self, since: int) -> list[str]:
        """Return the methods of the requests that changed NetBird, from a number of requests on."""
        return [each.method for each in self.netbird.journal(since) if each.method != "GET"]

    def requests(self) -> int:
        """Return how many requests NetBird has seen."""
        return self.netbird.figures().requests

    def close(self) -> None:
        """End the operator at once."""
        if self._operator is not None:
            self._operator.kill()
        self.objects.close()


def webhook(name: str, **spec: Any) -> Manifest:
    """Return a manifest of one more integration of the team; it differs from all others by its URL."""
    block = {"url": f"https://siem.example.com/{name}"}
    made = manifests.integration("generic_http", name, **{"genericHTTP": block, **spec})
    made["metadata"]["namespace"] = TEAM
    return made


@contextmanager
def example(folder: Path) -> Iterator[Example]:
    """Start a control plane, NetBird and the git server; everything ends with the block."""
    with ControlPlane.start() as plane, running_netbird() as netbird, git_server(folder) as git:
        found = Example(plane, netbird, git)
        try:
            yield found
        finally:
            found.close()


def _texts(folder: Path, prefix: str) -> dict[str, str]:
    """Read all files of a folder, by their paths below the prefix."""
    files = (each for each in sorted(folder.rglob("*")) if each.is_file())
    return {str(Path(prefix) / each.relative_to(folder)): each.read_text() for each in files}
