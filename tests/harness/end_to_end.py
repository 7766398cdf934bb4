"""What end-to-end tests run on: an API server, a NetBird and the operator as processes, shared by many tests."""

import json
import time
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import httpx

from netbird_streaming.api.types import GROUP, VERSION
from tests.doubles.netbird.process import RunningNetBird, running_netbird
from tests.harness.certificates import trusting
from tests.harness.controlplane import ControlPlane
from tests.harness.operator import LEASE, NAMESPACE, Installation, Operator, install

Json = dict[str, Any]
T = TypeVar("T")

USER: Final = f"system:serviceaccount:{NAMESPACE}:{LEASE}"
"""Whom the audit log names for what the operator does."""
PATIENCE: Final = 45.0
"""Seconds. What is waited for takes a fraction of one; a machine that does much else may take far longer."""
QUICK_LEASE: Final = ("--lease-duration=4", "--lease-renew-deadline=3", "--lease-retry-period=0.5")
"""So that the next process need not wait long for the Lease of one that was killed."""
_POLL_SECONDS: Final = 0.05


def eventually(look: Callable[[], T | None], what: str, seconds: float = PATIENCE) -> T:
    """Look until there is something to see, and answer it; else the test fails with what was waited for."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(_POLL_SECONDS)


class Objects:
    """Reads objects as the administrator, without a process for each look."""

    def __init__(self, plane: ControlPlane) -> None:
        """Take the address, the certificate and the token of the administrator's kubeconfig."""
        config = json.loads(plane.kubeconfig.read_text())
        authority = b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]).decode()
        self._client = httpx.Client(
            base_url=plane.url,
            headers={"Authorization": f"Bearer {config['users'][0]['user']['token']}"},
            verify=trusting(authority),
            trust_env=False,
            timeout=10.0,
        )

    def read(self, path: str) -> Json | None:
        """Read one object, or a list; None where it is not there or the API server is away."""
        try:
            answer = self._client.get(path)
        except httpx.TransportError:
            return None
        if answer.status_code != httpx.codes.OK:
            return None
        found: Json = answer.json()
        return found

    def ours(self, plural: str, name: str, namespace: str | None = None) -> Json | None:
        """Read an object of one of our kinds."""
        place = f"/namespaces/{namespace}" if namespace else ""
        return self.read(f"/apis/{GROUP}/{VERSION}{place}/{plural}/{name}")

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()


class Scene:
    """Everything that runs, and the ways to look at it; the operator can be ended and started again."""

    def __init__(
        self, installation: Installation, netbird: RunningNetBird, arguments: tuple[str, ...], **process: Any
    ) -> None:
        """Start the operator, and wait until it leads; `process` is for `Operator`."""
        self.installation: Final = installation
        self.plane: Final = installation.plane
        self.netbird_url: Final = netbird.url
        self.netbird: Final = netbird.control
        self.objects: Final = Objects(installation.plane)
        self._arguments = arguments
        self._process = process
        self._log = installation.plane.folder / f"operator-{time.monotonic_ns()}.log"
        self.operator = self._operator()

    def stop(self) -> int:
        """End the operator in good order, and answer its exit code."""
        code = self.operator.stop()
        self.operator.kill()
        return code

    def start(self) -> None:
        """Start the operator again, and wait until it leads; all of them write into one log."""
        self.operator = self._operator()

    def log(self) -> str:
        """Read what all the operators of this scene have logged."""
        return self._log.read_text(errors="replace")

    def kubectl(self, *arguments: str, input: str | None = None) -> str:  # noqa: A002 — as subprocess.run calls it
        """Run kubectl as the administrator. Raises KubectlError."""
        return self.plane.kubectl(*arguments, input=input)

    def _operator(self) -> Operator:
        return Operator(self.installation, *self._arguments, log=self._log, **self._process).leading()


@contextmanager
def raised(
    plane: ControlPlane, *arguments: str, values: Mapping[str, Any] | None = None, **process: Any
) -> Iterator[Scene]:
    """Install the operator and start it beside a NetBird of its own; both end with the block.

    Args:
        plane: where to install it.
        arguments: flags of the operator, beside those of the chart.
        values: the chart's values that differ.
        process: what `Operator` takes beside them.
    """
    installation = install(plane, values)
    with running_netbird() as netbird:
        scene = Scene(installation, netbird, arguments, **process)
        try:
            yield scene
        finally:
            scene.operator.kill()
            scene.objects.close()
            # The Lease of a killed one would make the next scene wait.
            scene.kubectl("delete", "lease", LEASE, f"--namespace={NAMESPACE}", "--ignore-not-found")
