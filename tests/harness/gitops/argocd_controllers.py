"""Argo CD's own application-controller, repo-server and API server, as processes beside a control plane."""

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx

from tests.harness.controlplane import ControlPlane, KeptProcess, versions
from tests.harness.controlplane.commands import LOOPBACK, free_port
from tests.harness.controlplane.gobuild import sources
from tests.harness.end_to_end import eventually
from tests.harness.gitops import definitions
from tests.harness.gitops.controllers import apply, cluster_admin, define
from tests.harness.manifests import Manifest

NAMESPACE: Final = "argocd"
_CONFIG_MAPS: Final = (
    "argocd-cm",
    "argocd-rbac-cm",
    "argocd-cmd-params-cm",
    "argocd-ssh-known-hosts-cm",
    "argocd-tls-certs-cm",
    "argocd-gpg-keys-cm",
)
_LABELS: Final = {"app.kubernetes.io/part-of": "argocd"}
"""Argo CD takes a ConfigMap without this label for missing."""
_SYNC_SECONDS: Final = 120.0
"""Longer than the pauses of Argo CD between its tries of a sync: 5, 10, 20 and 40 seconds."""
_REFRESH: Final = "argocd.argoproj.io/refresh"


class ArgoCD:
    """The three processes and a Redis; use it as a context manager. They don't outlive this process."""

    def __init__(self, plane: ControlPlane, settings: Mapping[str, str]) -> None:
        """Install the definitions and start the processes; `settings` are the data of argocd-cm."""
        self._plane = plane
        self._folder = plane.folder / "argocd"
        self._folder.mkdir()
        define(plane, definitions.argocd())
        self._environment = self._prepare(settings)
        redis, repo_server, api_server = (f"{LOOPBACK}:{free_port()}" for _ in range(3))
        self._processes = [self._start_redis(redis)]
        without_tls = ("--disable-tls", "--client-ca-path=")
        self._start("argocd-repo-server", f"--redis={redis}", *without_tls, *_listen(repo_server))
        to_repo_server = (f"--redis={redis}", f"--repo-server={repo_server}", "--repo-server-plaintext")
        self._start(
            "argocd-application-controller",
            *to_repo_server,
            f"--namespace={NAMESPACE}",
            f"--metrics-port={free_port()}",
        )
        open_api = ("--disable-auth", "--insecure", "--dex-server=")
        self._start("argocd-server", *to_repo_server, f"--namespace={NAMESPACE}", *open_api, *_listen(api_server))
        self._client = httpx.Client(base_url=f"http://{api_server}/api/v1", trust_env=False, timeout=30.0)

    def _prepare(self, settings: Mapping[str, str]) -> dict[str, str]:
        kubeconfig = cluster_admin(self._plane, NAMESPACE, "argocd")
        apply(self._plane, *map(_config_map, _CONFIG_MAPS), _secret(), _project())
        self.configure(settings)
        # They call these programs by name.
        programs = self._folder / "bin"
        programs.mkdir()
        for tool in ("helm", "kustomize"):
            (programs / tool).symlink_to(self._plane.binaries.find(tool))
        wrapper = programs / "git-verify-wrapper.sh"
        wrapper.write_bytes((sources(versions.argocd(), versions.ARGOCD) / "hack" / wrapper.name).read_bytes())
        wrapper.chmod(0o700)
        temporary = self._folder / "tmp"
        temporary.mkdir()
        return {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(self._folder),
            "TMPDIR": str(temporary),
            "KUBECONFIG": str(kubeconfig),
            "ARGOCD_FAKE_IN_CLUSTER": "true",
            "ARGOCD_GPG_ENABLED": "false",
        }

    def configure(self, settings: Mapping[str, str]) -> None:
        """Merge these keys into argocd-cm."""
        patch = json.dumps({"data": dict(settings)})
        self._plane.kubectl("patch", "configmap", "argocd-cm", f"--namespace={NAMESPACE}", f"--patch={patch}")

    def _start_redis(self, address: str) -> KeptProcess:
        command = [str(self._plane.binaries.find("redis")), address]
        return KeptProcess(command, self.log("redis"), self._environment)

    def _start(self, name: str, *flags: str) -> None:
        command = [str(self._plane.binaries.find("argocd")), *flags]
        environment = {**self._environment, "ARGOCD_BINARY_NAME": name}
        self._processes.append(KeptProcess(command, self.log(name), environment))

    def log(self, name: str) -> Path:
        """Return the file that a process logs to."""
        return self._folder / f"{name}.log"

    def read(self, name: str) -> Manifest:
        """Read an Application."""
        found: Manifest = json.loads(self._kubectl("get", "application", name, "--output=json"))
        return found

    def status(self, name: str) -> dict[str, Any]:
        """Read the status of an Application; empty while there is none."""
        found: dict[str, Any] = self.read(name).get("status", {})
        return found

    def request_refresh(self, name: str) -> None:
        """Request a comparison of an Application with git, and don't wait."""
        self._kubectl("annotate", "application", name, "--overwrite", f"{_REFRESH}=normal")

    def refresh(self, name: str) -> None:
        """Compare an Application with git, and wait until that is done."""
        self.request_refresh(name)
        eventually(
            lambda: _REFRESH not in self.read(name)["metadata"].get("annotations", {}),
            f"application {name} is refreshed",
        )

    def automate(self, name: str, policy: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """Set the automated sync policy of an Application, None for no automated sync; return the former one."""
        former: dict[str, Any] | None = self.read(name)["spec"]["syncPolicy"].get("automated")
        patch = json.dumps({"spec": {"syncPolicy": {"automated": policy}}})
        self._kubectl("patch", "application", name, "--type=merge", f"--patch={patch}")
        return former

    def is_synced(self, name: str, health: str = "Healthy", revision: str | None = None) -> bool:
        """Return whether an Application is Synced, at a revision if one is given, and has this health."""
        status = self.status(name)
        sync, found = status.get("sync", {}), status.get("health", {}).get("status")
        return (sync.get("status"), found) == ("Synced", health) and revision in (None, sync.get("revision"))

    def synced(self, name: str, health: str = "Healthy", revision: str | None = None) -> None:
        """Wait until `is_synced`."""
        what = f"application {name} is Synced and {health}"
        eventually(lambda: self.is_synced(name, health, revision), what, _SYNC_SECONDS)

    def resources(self, name: str) -> dict[tuple[str, str], dict[str, Any]]:
        """Return what Argo CD's API shows of an Application's resources, by kind and name."""
        answer = self._client.get(f"/applications/{name}/resource-tree")
        answer.raise_for_status()
        return {(each["kind"], each["name"]): each for each in answer.json()["nodes"]}

    def actions(self, name: str, resource: Manifest) -> dict[str, bool]:
        """Return the actions that Argo CD's API offers for a resource, and whether each is enabled."""
        answer = self._client.get(f"/applications/{name}/resource/actions", params=_identity(resource))
        answer.raise_for_status()
        return {each["name"]: not each.get("disabled", False) for each in answer.json()["actions"]}

    def act(self, name: str, resource: Manifest, action: str) -> None:
        """Run an action on a resource by Argo CD's API."""
        body = {**_identity(resource), "action": action}
        self._client.post(f"/applications/{name}/resource/actions/v2", json=body).raise_for_status()

    def _kubectl(self, *arguments: str) -> str:
        return self._plane.kubectl(f"--namespace={NAMESPACE}", *arguments)

    def __enter__(self) -> Self:
        """Return itself; it runs already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all processes at once."""
        self._client.close()
        for each in reversed(self._processes):
            each.kill()


def _listen(address: str) -> tuple[str, ...]:
    host, _, port = address.partition(":")
    metrics = (f"--metrics-address={host}", f"--metrics-port={free_port()}")
    return (f"--address={host}", f"--port={port}", *metrics)


def _config_map(name: str) -> Manifest:
    metadata = {"name": name, "namespace": NAMESPACE, "labels": _LABELS}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def _secret() -> Manifest:
    metadata = {"name": "argocd-secret", "namespace": NAMESPACE, "labels": _LABELS}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "stringData": {"server.secretkey": secrets.token_urlsafe(32)},
    }


def _project() -> Manifest:
    everything = [{"group": "*", "kind": "*"}]
    spec = {
        "sourceRepos": ["*"],
        "destinations": [{"server": "*", "namespace": "*"}],
        "clusterResourceWhitelist": everything,
    }
    metadata = {"name": "default", "namespace": NAMESPACE}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": metadata, "spec": spec}


def _identity(resource: Manifest) -> dict[str, str]:
    group, _, version = resource["apiVersion"].rpartition("/")
    metadata = resource["metadata"]
    return {
        "namespace": metadata.get("namespace", ""),
        "resourceName": metadata["name"],
        "group": group,
        "version": version,
        "kind": resource["kind"],
    }
