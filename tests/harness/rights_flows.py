"""Every flow of the operator, each started on demand: for tests of its rights."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from netbird_streaming.api.types import GROUP, RECONCILE_ANNOTATION, VERSION
from tests.doubles.netbird.process import RunningNetBird
from tests.doubles.netbird.tenancy import Account, Token
from tests.harness import manifests
from tests.harness.controlplane import AuditEvent
from tests.harness.end_to_end import Objects
from tests.harness.kubectl_team import SECRETS, secret
from tests.harness.manifests import Manifest, reference
from tests.harness.operator import LEASE, apply
from tests.harness.release import Release
from tests.harness.rights import Granted

CERTIFICATE: Final = Path(__file__).parents[1] / "contract" / "netbird_tls" / "certificate.pem"
LABELS: Final = {"netbird": "allowed"}
_PLURALS: Final = {
    "esi": "eventstreamingintegrations",
    "nbc": "netbirdconnections",
    "cnbc": "clusternetbirdconnections",
}
_OWN: Final = {"kind": "NetBirdConnection", "name": "netbird"}
_EDITS: Final = 20


class Flows:
    """A team, its administrator and their actions. `cluster` says whether there are cluster connections."""

    def __init__(self, release: Release, netbird: RunningNetBird, team: str, *, cluster: bool = True) -> None:
        """Create the account, the Secrets and the CA bundles. The namespaces and the definitions must exist."""
        self.release: Final = release
        self.plane: Final = release.plane
        self.team: Final = team
        # The administrator's client is used, because a process for each edit would be too slow to conflict with a
        # write.
        self._client: Final = Objects(release.plane)._client
        self._cluster: Final = cluster
        netbird.control.add_account(Account(team))
        netbird.control.add_token(Token(team, f"nbp_{team}", team))
        self._bundle: Final[dict[str, Any]] = {
            "caBundleConfigMapRef": reference("company-ca", "ca.crt"),
            "url": netbird.url,
        }
        for namespace in {team, release.namespace}:
            self._apply(secret("netbird", token=f"nbp_{team}"), _authority(), namespace=namespace)
        self._apply(*(secret(name, **values) for name, values in SECRETS.items()))

    def connect(self) -> None:
        """Create a connection of each kind, with a CA bundle, and wait until there is one of each platform."""
        self._apply(manifests.connection(**self._bundle))
        platforms = list(manifests.BLOCKS)
        self._apply(*(self._integration(each.replace("_", "-"), platform=each) for each in platforms))
        names = [each.replace("_", "-") for each in platforms]
        if self._cluster:
            access = [{"namespaceSelector": {"matchLabels": LABELS}}]
            apply(self.plane, manifests.cluster_connection(**self._bundle, access=access))
            self.webhook("shared", connectionRef={"kind": "ClusterNetBirdConnection", "name": "default"})
            names.append("shared")
        self.ready(*names)

    def webhook(self, name: str, namespace: str | None = None, **spec: Any) -> None:
        """Create an integration with a unique URL."""
        block = {"url": f"https://siem.example.com/{namespace or self.team}/{name}"}
        self._apply(self._integration(name, platform="generic_http", genericHTTP=block, **spec), namespace=namespace)

    def ready(self, *names: str) -> None:
        """Wait until they are Ready."""
        self._kubectl("wait", "--for=condition=Ready", "--timeout=45s", *(f"esi/{name}" for name in names))

    def ask(self, kind: str, name: str) -> None:
        """Request a reconcile."""
        self._kubectl("annotate", "--overwrite", kind, name, f"{RECONCILE_ANNOTATION}={uuid4().hex}")

    def collide(self, kind: str, name: str) -> None:
        """Edit it many times, so that a write of the operator conflicts with an edit."""
        place = "" if kind == "cnbc" else f"/namespaces/{self.team}"
        path = f"/apis/{GROUP}/{VERSION}{place}/{_PLURALS[kind]}/{name}"
        for _ in range(_EDITS):
            patch = {"metadata": {"annotations": {RECONCILE_ANNOTATION: uuid4().hex}}}
            self._client.patch(path, json=patch, headers={"Content-Type": "application/merge-patch+json"})

    def rotate(self, namespace: str | None = None) -> None:
        """Change the token's Secret irrelevantly, which the operator can only see by reading it."""
        self._apply(secret("netbird", token=f"nbp_{self.team}", rotation=uuid4().hex), namespace=namespace)

    def orphan(self) -> None:
        """Delete an integration and keep it in NetBird, which an Event reports."""
        name = f"orphan-{uuid4().hex[:8]}"
        self.webhook(name, deletionPolicy="Orphan")
        self.ready(name)
        self._kubectl("delete", "esi", name, "--timeout=45s")

    def reject(self) -> None:
        """Let NetBird reject the cluster connection's token and accept it again, which Events report."""
        for token, ready in (("nbp_unknown", "False"), (f"nbp_{self.team}", "True")):
            self._apply(secret("netbird", token=token), namespace=self.release.namespace)
            self.ask("cnbc", "default")
            self._kubectl("wait", f"--for=condition=Ready={ready}", "--timeout=45s", "cnbc/default")

    def another_connection(self, kind: str) -> None:
        """Create a connection, and an integration that uses it."""
        name = f"another-{uuid4().hex[:8]}"
        if kind == "cnbc":
            access = [{"namespaces": [self.team]}]
            apply(self.plane, manifests.cluster_connection(name, **self._bundle, access=access))
        else:
            self._apply(manifests.connection(name, **self._bundle))
        long = {"cnbc": "ClusterNetBirdConnection", "nbc": "NetBirdConnection"}[kind]
        self.webhook(name, connectionRef={"kind": long, "name": name})

    def another_namespace(self) -> None:
        """Create a namespace that is allowed by its labels, and an integration in it."""
        name = f"{self.team}-{uuid4().hex[:8]}"
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": LABELS}}
        apply(self.plane, namespace)
        self.webhook("shared", name, connectionRef={"kind": "ClusterNetBirdConnection", "name": "default"})

    def hand_over(self) -> None:
        """Name a removed installation as the one that manages the connection."""
        mark = {"status": {"internal": {"installation": f"{self.team}/{LEASE}"}}}
        options = ("--subresource=status", "--type=merge", f"--patch={json.dumps(mark)}")
        self._kubectl("patch", "nbc", "netbird", *options)
        self.ask("nbc", "netbird")

    def delete_lease(self) -> None:
        """Delete the Lease, as an administrator may."""
        self.plane.kubectl("delete", "lease", "--all", f"--namespace={self.release.namespace}")

    def start(self, right: Granted, place: str) -> None:
        """Start the flow that uses this right in a namespace (`""`: the whole cluster). It may be called repeatedly."""
        own = place == self.release.namespace != self.team
        kind = next((short for short, plural in _PLURALS.items() if right[1].partition("/")[0] == plural), "")
        name = {"esi": "datadog", "nbc": "netbird", "cnbc": "default"}.get(kind, "")
        match right[1:]:
            case [resource, "get"] if kind:
                self.collide(kind, name)
            case [resource, "patch"] if resource.endswith("/status"):
                self.ask(kind, name)
            case ["eventstreamingintegrations", "patch"]:
                self.webhook(f"hook-{uuid4().hex[:8]}")
            case [_, "patch"] if kind:
                self.another_connection(kind)
            case ["secrets", "get"]:
                self.rotate(self.release.namespace if own else None)
            case ["configmaps", "get"]:
                self.ask("cnbc" if own else "nbc", "default" if own else "netbird")
            case ["namespaces", "get"]:
                self.another_namespace()
            case ["events", "create"]:
                self.orphan()
            case ["leases" | "leases=netbird-streaming-operator", "create" | "get"]:
                self.delete_lease()
            case _:
                pass  # it started with the process, and continues by itself

    def refusals(self) -> str:
        """Return the refusals of Kubernetes in the resources' conditions."""
        messages = "{..conditions[?(@.reason=='KubernetesRefused')].message}"
        return self.plane.kubectl("get", "esi,nbc,cnbc", "--all-namespaces", f"--output=jsonpath={messages}")

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def asked(self, since: int) -> Iterator[AuditEvent]:
        """Return the operator's requests to the API server."""
        user = f"system:serviceaccount:{self.release.namespace}:{self.release.name}-netbird-streaming-operator"
        return (each for each in self.plane.audit(since) if each.user == user)

    def _integration(self, name: str, **spec: Any) -> Manifest:
        return manifests.integration(name=name, **{"connectionRef": dict(_OWN), **spec})

    def _apply(self, *documents: Manifest, namespace: str | None = None) -> None:
        for each in documents:
            each["metadata"]["namespace"] = namespace or self.team
        apply(self.plane, *documents)

    def _kubectl(self, *arguments: str) -> str:
        return self.plane.kubectl(f"--namespace={self.team}", *arguments)


def _authority() -> Manifest:
    data = {"ca.crt": CERTIFICATE.read_text()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "company-ca"}, "data": data}
