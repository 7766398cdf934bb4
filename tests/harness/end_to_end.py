"""The base of end-to-end tests: an API server, a NetBird and the operator as processes, shared by many tests."""

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
"""The operator's user in the audit log."""
PATIENCE: Final = 45.0
"""Seconds. A wait takes a fraction of one, but much longer on a busy machine."""
QUICK_LEASE: Final = ("--lease-duration=4", "--lease-renew-deadline=3", "--lease-retry-period=0.5")
"""Short, so that the next process need not wait long for the Lease of a killed one."""
_POLL_SECONDS: Final = 0.05


def eventually(look: Callable[[], T | None], what: str, seconds: float = PATIENCE) -> T:
    """Poll until there is a value, and return it. On timeout the test fails with the description of the wait."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(_POLL_SECONDS)


class Objects:
    """Reads objects as the administrator, without a process for each read."""

    def __init__(self, plane: ControlPlane) -> None:
        """Read the address, the certificate and the token of the administrator's kubeconfig."""
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
        """Return an object or a list; None if it is missing or the API server is down."""
        try:
            answer = self._client.get(path)
        except httpx.TransportError:
            return None
        if answer.status_code != httpx.codes.OK:
            return None
        found: Json = answer.json()
        return found

    def ours(self, plural: str, name: str, namespace: str | None = None) -> Json | None:
        """Return an object of one of the operator's kinds."""
        place = f"/namespaces/{namespace}" if namespace else ""
        return self.read(f"/apis/{GROUP}/{VERSION}{place}/{plural}/{name}")

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class Scene:
    """All processes of a test, and access to them. The operator can be stopped and started again."""

    def __init__(
        self, installation: Installation, netbird: RunningNetBird, arguments: tuple[str, ...], **process: Any
    ) -> None:
        """Start the operator, and wait until it leads. `process` is for `Operator`."""
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
        """Stop the operator gracefully, and return its exit code."""
        code = self.operator.stop()
        self.operator.kill()
        return code

    def start(self) -> None:
        """Start the operator again, and wait until it leads. All processes write into one log."""
        self.operator = self._operator()

    def log(self) -> str:
        """Return the log of all operators of this scene."""
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
    """Install the operator and start it with its own NetBird. Both end with the block.

    Args:
        plane: the control plane.
        arguments: flags of the operator, in addition to the chart's.
        values: the chart's values that differ.
        process: further arguments of `Operator`.
    """
    installation = install(plane, values)
    with running_netbird() as netbird:
        scene = Scene(installation, netbird, arguments, **process)
        try:
            yield scene
        finally:
            scene.operator.kill()
            scene.objects.close()
            # The Lease of a killed one would delay the next scene.
            scene.kubectl("delete", "lease", LEASE, f"--namespace={NAMESPACE}", "--ignore-not-found")
