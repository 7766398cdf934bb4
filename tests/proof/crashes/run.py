"""One run of a flow: a namespace, a NetBird and operators of its own, with taps between them that can strike."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import aiohttp

from netbird_streaming.core.resources import GROUP, VERSION
from tests.proof.crashes import nursery
from tests.proof.crashes.points import Gate, Plan
from tests.proof.crashes.wanted import Wanted, is_ready, url_of
from tests.support.controlplane import ControlPlane
from tests.support.kubernetes import BASE, Kubernetes
from tests.support.netbird.behaviour import Behaviour
from tests.support.netbird.model import NetBird
from tests.support.netbird.records import Draft
from tests.support.netbird.server import SimulatedNetBird
from tests.support.netbird.tenancy import Account, Token
from tests.support.operator import Installation

ACCOUNT: Final = "account"
TOKENS: Final = {"netbird": "nbp_canary-first-token", "other": "nbp_canary-other-token"}
"""The value of each connection's token, by the connection's name; all of them act in one account."""
SECRET: Final = "canary-key"
FOREIGN_URL: Final = "https://siem.example.com/foreign"
PATIENCE: Final = 90.0
"""Seconds. A run takes a few; a machine that does much else may need far more."""
_FLAGS: Final = (
    "--cluster-connections=false",
    "--late-commit-window=500ms",
    "--request-timeout=5s",
    "--log-level=debug",
    "--health-host=127.0.0.1",
    "--health-port=0",
    "--metrics=false",
)
_NO_LEASE: Final = ("--lease=false",)
_QUICK_LEASE: Final = ("--lease=true", "--lease-duration=6", "--lease-renew-deadline=4", "--lease-retry-period=0.5")
_NO_LIMIT: Final = 60_000
_POLL_SECONDS: Final = 0.01
_OURS: Final = f"/apis/{GROUP}/{VERSION}/namespaces"


class StuckError(AssertionError):
    """Something did not happen in time."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What all runs share."""

    plane: ControlPlane
    kubernetes: Kubernetes
    nursery: nursery.Nursery


@dataclass(slots=True)
class Run:
    """The user's hands and eyes in one run."""

    stage: Stage
    installation: Installation
    namespace: str
    plan: Plan | None
    leased: bool = False
    netbird: SimulatedNetBird = field(init=False)
    gate: Gate = field(init=False)
    netbird_url: str = ""
    log: Path = field(init=False)
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    gone: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The last version of what is no more."""
    wanted: dict[str, Wanted] = field(default_factory=dict)
    left: dict[int, int] = field(default_factory=dict)
    """Integrations that are nobody's from a moment on: foreign ones, and those that the user orphaned.

    The moment is told by how many changes NetBird had seen by then.
    """
    processes: list[int] = field(default_factory=list)
    """The operators that shall run, the acting one first."""
    deaths: int = 0
    _kubeconfig: Path = field(init=False)
    _generation: int = 0

    def __post_init__(self) -> None:
        """Prepare what needs no server."""
        model = NetBird(Behaviour(requests_per_minute=float(_NO_LIMIT), burst=_NO_LIMIT, post_ignores_enabled=False))
        model.directory.add_account(Account(ACCOUNT))
        for name, value in TOKENS.items():
            model.directory.add_token(Token(name, value, ACCOUNT))
        self.netbird = SimulatedNetBird(model)
        self.gate = Gate(self._die, self.plan)
        self.log = self.stage.plane.folder / f"{self.namespace}.log"

    def prepare(self, netbird: str, cluster: str, token: str) -> None:
        """Take the addresses of the two taps, and the operator's token."""
        self.netbird_url = netbird
        kubeconfig = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "tap", "cluster": {"server": cluster}}],
            "users": [{"name": "operator", "user": {"token": token}}],
            "contexts": [{"name": "tap", "context": {"cluster": "tap", "user": "operator"}}],
            "current-context": "tap",
        }
        self._kubeconfig = self.log.with_suffix(".kubeconfig")
        self._kubeconfig.touch(mode=0o600)
        self._kubeconfig.write_text(json.dumps(kubeconfig))

    # What a user does.

    async def connect(self, name: str = "netbird") -> None:
        """Make a connection and its token."""
        await self.secret(name, token=TOKENS[name])
        spec = {
            "url": self.netbird_url,
            "tokenSecretRef": {"name": name, "key": "token"},
            "rateLimit": {"requestsPerMinute": _NO_LIMIT, "burst": _NO_LIMIT},
        }
        await self._post(f"{_OURS}/{self.namespace}/netbirdconnections", "NetBirdConnection", name, spec=spec)

    async def secret(self, name: str, **values: str) -> None:
        """Make a Secret, or give it other values."""
        path = f"/api/v1/namespaces/{self.namespace}/secrets"
        try:
            await self._post(path, "Secret", name, stringData=values)
        except aiohttp.ClientResponseError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            await self.stage.kubernetes.call("PATCH", f"{path}/{name}", {"stringData": values}, patch=True)

    async def create(self, name: str, **spec: Any) -> None:
        """Declare an integration that differs from all others by its URL, with a key from a Secret."""
        block: dict[str, Any] = {
            "url": url_of(name),
            "auth": {"bearer": {"tokenSecretRef": {"name": "siem", "key": "key"}}},
        }
        whole: dict[str, Any] = {
            "connectionRef": {"kind": "NetBirdConnection", "name": "netbird"},
            "platform": "generic_http",
            "genericHTTP": block,
            **spec,
        }
        self.wanted[name] = Wanted({"url": block["url"]})
        await self._post(self._path(), "EventStreamingIntegration", name, spec=whole)

    async def patch(self, name: str, **spec: Any) -> None:
        """Change an integration's spec."""
        await self.stage.kubernetes.call("PATCH", self._path(name), {"spec": spec}, patch=True)

    async def delete(self, name: str) -> None:
        """Delete an integration."""
        self.wanted.pop(name, None)
        await self.stage.kubernetes.call("DELETE", self._path(name))

    async def delete_namespace(self) -> None:
        """Delete everything at once."""
        self.wanted.clear()
        await self.stage.kubernetes.call("DELETE", f"/api/v1/namespaces/{self.namespace}")

    def foreign(self) -> int:
        """Somebody makes an integration in NetBird's dashboard; the answer is its id."""
        config = {"url": FOREIGN_URL, "headers": "{}", "body_template": ""}
        made = self.netbird.model.dashboard_create(ACCOUNT, Draft("generic_http", config), self.netbird.now())
        self.leave(made)
        return made

    def leave(self, integration_id: int) -> None:
        """From now on nobody may touch it."""
        self.left[integration_id] = len(self.netbird.model.history)

    async def start(self, *flags: str) -> None:
        """Start an operator beside those that run."""
        environment = {"KUBECONFIG": str(self._kubeconfig), "HOME": "/nonexistent", "PATH": "/usr/bin:/bin"}
        lease = _QUICK_LEASE if self.leased else _NO_LEASE
        arguments = (*self.installation.arguments, *_FLAGS, f"--namespace={self.namespace}", *lease, *flags)
        self.processes.append(await self.stage.nursery.start(arguments, environment, self.log))

    async def stop(self, pid: int | None = None) -> None:
        """End an operator in good order, unless a strike has ended it: this one, or all."""
        await self.until(lambda: bool(self.processes), "an operator runs")
        for each in [each for each in self.processes if pid in {None, each}]:
            self.processes.remove(each)
            await self._end(each)

    async def _end(self, pid: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        await self.until(lambda: not nursery.is_alive(pid), "the operator ends")

    def crash(self) -> None:
        """End the acting operator at once; nothing starts it again."""
        nursery.kill(self.processes.pop(0))

    # What a user sees.

    async def ready(self, *names: str) -> None:
        """Wait until these are Ready."""
        await self.until(lambda: all(is_ready(self.objects.get(name)) for name in names), f"{names} are Ready")

    async def connected(self, name: str = "netbird") -> None:
        """Wait until a connection is Ready."""
        path = f"{_OURS}/{self.namespace}/netbirdconnections/{name}"
        while not is_ready(await self.stage.kubernetes.call("GET", path)):  # noqa: ASYNC110 # another process's doing
            await asyncio.sleep(_POLL_SECONDS)

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until it holds.

        Raises:
            StuckError: it does not in time; the message tells where everything stands.
        """
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                message = f"not within {PATIENCE:.0f} s: {what}; {self.story()}"
                raise StuckError(message)
            await asyncio.sleep(_POLL_SECONDS)

    def logged(self) -> str:
        """What the operators of this run have logged."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def missing(self) -> str | None:
        """What is not yet as it shall be; None where all is."""
        live = set(self.netbird.model.integrations)
        held = {each.get("status", {}).get("id") for each in self.objects.values()} - {None}
        strays = live - held - self.left.keys()
        if strays:
            return f"integrations {sorted(strays)} are nobody's"
        for name in self.objects.keys() - self.wanted.keys():
            return f"{name} is still there"
        for name, wanted in self.wanted.items():
            found = self.objects.get(name)
            if not is_ready(found):
                return f"{name} is not Ready"
            remote = self.netbird.model.integrations.get((found or {}).get("status", {}).get("id"))
            if remote is None:
                return f"NetBird has none for {name}"
            if remote.enabled is not wanted.enabled or not wanted.config.items() <= remote.config.items():
                return f"NetBird holds something else for {name}"
        return None

    def state(self) -> tuple[int, list[str]]:
        """What changes with whatever is done: how often NetBird was changed, and each resource's version."""
        versions = sorted(each["metadata"]["resourceVersion"] for each in self.objects.values())
        return len(self.netbird.model.history), versions

    def story(self) -> str:
        """Where it stands, for who has to find out why."""
        conditions = {name: each.get("status", {}).get("conditions") for name, each in self.objects.items()}
        return "\n".join([f"{self.plan}: {self.missing()}", json.dumps(conditions), *self.logged().splitlines()[-25:]])

    async def revive(self) -> None:
        """Start anew what was killed, as the kubelet does, until cancelled."""
        while True:
            await asyncio.sleep(0.02)
            if self.deaths > self._generation:
                self._generation = self.deaths
                await self.start()

    async def follow(self, see: Callable[[str, dict[str, Any]], None]) -> None:
        """Watch the integrations until cancelled; each event is told."""
        listed = await self.stage.kubernetes.call("GET", self._path())
        version = listed["metadata"]["resourceVersion"]
        while True:
            async for event in self.stage.kubernetes.watch(self._path(), version):
                found = event["object"]
                version = found["metadata"]["resourceVersion"]
                name = found["metadata"]["name"]
                self.objects[name] = found
                if event["type"] == "DELETED":
                    self.gone[name] = self.objects.pop(name)
                see(event["type"], found)

    def _die(self) -> None:
        """The strike: the acting process is gone at once."""
        if self.processes:
            self.deaths += 1
            nursery.kill(self.processes.pop(0))

    def _path(self, name: str = "") -> str:
        return BASE.format(namespace=self.namespace) + (f"/{name}" if name else "")

    async def _post(self, path: str, kind: str, name: str, **parts: Any) -> None:
        group = f"{GROUP}/{VERSION}" if GROUP in path else "v1"
        body: dict[str, Any] = {"apiVersion": group, "kind": kind, "metadata": {"name": name}, **parts}
        await self.stage.kubernetes.call("POST", path, body)
