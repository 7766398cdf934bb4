"""The steps of the demonstration."""

import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from demo.terminal import MANIFESTS, DemoError, Kubectl, Terminal, asked, held
from netbird_streaming.api.types import RECONCILE_ANNOTATION
from tests.doubles.netbird.control import NetBirdControl
from tests.doubles.netbird.records import Integration
from tests.doubles.netbird.request_log import Entry

NAMESPACE: Final = "demo"
_READY: Final = f"wait --for=condition=Ready esi --all --namespace {NAMESPACE} --timeout=60s"
_WRITES: Final = (4, 3, 1)
_WAIT_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Story:
    """The steps from the first resource on. Each shows Kubernetes and NetBird."""

    terminal: Terminal
    kubectl: Kubectl
    netbird: NetBirdControl

    def tell(self, netbird_url: str) -> None:
        """Run all steps.

        Raises:
            DemoError: a step failed.
        """
        self.connect(netbird_url)
        self.create()
        self.rotate()
        self.change()
        self.repair()
        self.delete()
        self.sum_up()

    def connect(self, url: str) -> None:
        """Create a token for the operator, and allow the namespace to use it."""
        self.terminal.step(
            "Connect to NetBird",
            "A connection says which NetBird to use, with the token of which Secret, and which namespaces may use it: "
            f"none by default, here `{NAMESPACE}`.",
        )
        self.kubectl(f"apply -f {MANIFESTS}/secrets.yaml")
        self.kubectl("apply -f -", _CONNECTION.format(url=url, namespace=NAMESPACE))
        self.kubectl("wait --for=condition=Ready clusternetbirdconnection/default --timeout=60s")

    def create(self) -> None:
        """Create one integration for each platform."""
        self.terminal.step(
            "Create four integrations",
            "One resource for each platform that NetBird streams events to. Their keys are in Secrets; the resources "
            "only name them.",
        )
        since = self.netbird.figures().requests
        self.kubectl(f"apply -f {MANIFESTS}/integrations.yaml")
        self.kubectl(_READY)
        self.kubectl("get esi -A")
        self.kubectl(f"describe esi datadog --namespace {NAMESPACE}")
        self.terminal.say("Each was created with exactly one POST, and ID is the one that NetBird gave it:")
        self.terminal.table(asked(self.netbird.journal(since)))
        self._show_held()

    def rotate(self) -> None:
        """Change a Secret's value, and nothing else."""
        self.terminal.step(
            "Rotate a key",
            "The Secret of `datadog` gets a new value; the resource itself is not touched. The operator notices, and "
            "sends NetBird the new key.",
        )
        since, old_key = self.netbird.figures().requests, self._held("datadog").config["api_key"]
        self.kubectl(f"apply -f {MANIFESTS}/rotated-key.yaml")
        begun = time.monotonic()
        entry = self._next_write(since)
        self.terminal.say(
            f"{time.monotonic() - begun:.1f} s later NetBird got the key of integration {entry.integration_id}:"
        )
        self.terminal.table(asked([entry]))
        if self._held("datadog").config["api_key"] == old_key:
            message = "NetBird still holds the old key"
            raise DemoError(message)
        self.terminal.say("It holds the new one now. Neither is shown here, nor in any log, event or status.")

    def change(self) -> None:
        """Change a spec."""
        self.terminal.step("Change a setting", "The events of `archive` should go to another bucket from now on.")
        since = self.netbird.figures().requests
        patch = '{"spec":{"s3":{"bucketName":"netbird-events-2"}}}'
        self.kubectl(f"patch esi archive --namespace {NAMESPACE} --type=merge --patch '{patch}'")
        self.kubectl(f"wait --for=condition=Ready esi/archive --namespace {NAMESPACE} --timeout=60s")
        self.terminal.table(asked(self.netbird.journal(since)))
        self._show_held("s3")

    def repair(self) -> None:
        """Correct a change from the dashboard."""
        self.terminal.step(
            "Correct a manual change",
            "A user disables the stream in NetBird's dashboard and changes its region. The operator compares NetBird "
            "with the resources every five minutes. An annotation requests it now.",
        )
        self.netbird.edit(self._held("firehose").id, {"region": "us-east-1"}, enabled=False)
        self._show_held("firehose")
        since, moment = self.netbird.figures().requests, datetime.now(UTC).isoformat(timespec="seconds")
        self.kubectl(f"annotate esi stream --namespace {NAMESPACE} {RECONCILE_ANNOTATION}={moment}")
        handled = f"--for=jsonpath='{{.status.lastHandledReconcileAt}}'={moment}"
        self.kubectl(f"wait {handled} esi/stream --namespace {NAMESPACE} --timeout=60s")
        self.terminal.table(asked(self.netbird.journal(since)))
        self._show_held("firehose")
        self.terminal.say("It also published Events:")
        self.kubectl(f"get events --namespace {NAMESPACE}")

    def delete(self) -> None:
        """Delete one, on both sides."""
        self.terminal.step(
            "Delete one", "The resource goes only after NetBird has deleted its integration, so that none is forgotten."
        )
        since = self.netbird.figures().requests
        self.kubectl(f"delete esi webhook --namespace {NAMESPACE} --timeout=60s")
        self.terminal.table(asked(self.netbird.journal(since)))
        self.kubectl("get esi -A")
        self._show_held()

    def sum_up(self) -> None:
        """Count all requests to NetBird.

        Raises:
            DemoError: a write was needless, or one is missing.
        """
        methods = Counter(entry.method for entry in self.netbird.journal())
        counts = ", ".join(f"{methods[method]} {method}" for method in ("POST", "PUT", "DELETE", "GET"))
        self.terminal.step(
            "In all", f"NetBird got {counts}. Each write makes it send a test event, so there is one for each change."
        )
        if (methods["POST"], methods["PUT"], methods["DELETE"]) != _WRITES:
            message = "these are not the writes of four creations, three changes and one deletion"
            raise DemoError(message)

    def _show_held(self, platform: str | None = None) -> None:
        """Print NetBird's integrations, as NetBird itself returns them; of one platform or all."""
        kept = [each for each in self.netbird.integrations() if platform in {None, each.platform}]
        self.terminal.say("What NetBird holds now (secrets masked):")
        self.terminal.table(held(kept))

    def _held(self, platform: str) -> Integration:
        """Return the single integration of a platform in NetBird."""
        (found,) = (each for each in self.netbird.integrations() if each.platform == platform)
        return found

    def _next_write(self, since: int) -> Entry:
        """Wait until NetBird has answered a write after `since`.

        Raises:
            DemoError: none came in time.
        """
        deadline = time.monotonic() + _WAIT_SECONDS
        while time.monotonic() < deadline:
            for entry in self.netbird.journal(since):
                if entry.method != "GET" and entry.answered_at is not None:
                    return entry
            time.sleep(_POLL_SECONDS)
        message = f"NetBird got no write within {_WAIT_SECONDS:g} s"
        raise DemoError(message)


_CONNECTION: Final = """\
apiVersion: integrations.netbird.io/v1alpha1
kind: ClusterNetBirdConnection
metadata:
  name: default
spec:
  url: {url}
  tokenSecretRef: {{name: netbird, key: token}}
  access:
    - namespaces: [{namespace}]
"""
