"""A user with a namespace and a NetBird: its resources, and their state."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import aiohttp

from netbird_streaming.api.types import GROUP, VERSION
from tests.doubles.netbird.behaviour import Behaviour
from tests.doubles.netbird.model import NetBird
from tests.doubles.netbird.records import Draft
from tests.doubles.netbird.server import SimulatedNetBird
from tests.doubles.netbird.tenancy import Account, Token
from tests.harness.kubernetes_client import BASE, Kubernetes
from tests.harness.leaks import Canaries, canary
from tests.harness.secret_sinks import objects_sink
from tests.proof.expectations import Expected, is_ready, url_of

TOKENS: Final = {name: f"nbp_{canary(name, '-')}" for name in ("netbird", "other")}
"""The prefix of each connection's token, by the connection's name. All tokens of a user act in one account."""
SECRET: Final = canary("key", "/+=%&?")
CANARIES: Final = Canaries({**TOKENS, "key": SECRET})
FOREIGN_URL: Final = "https://siem.example.com/foreign"
PATIENCE: Final = 240.0
"""Seconds. An absence takes a minute to prove, and much longer on a busy machine."""
_NO_LIMIT: Final = 60_000
_KEY_HEADER: Final = "X-Api-Key"
"""The header with the key from the Secret. A bearer token may not contain all characters of the key."""
_OURS: Final = f"/apis/{GROUP}/{VERSION}/namespaces"
_BESIDE: Final = {
    "NetBirdConnection": f"{_OURS}/{{}}/netbirdconnections",
    "Event": "/apis/events.k8s.io/v1/namespaces/{}/events",
    "Secret": "/api/v1/namespaces/{}/secrets",
}
"""Other readable kinds of a namespace."""


def headers_with(key: str) -> str:
    """Return the headers of an integration whose Secret holds this key, as NetBird has them."""
    return json.dumps({_KEY_HEADER: key})


class StuckError(AssertionError):
    """An expected state was not reached in time."""


@dataclass(slots=True, kw_only=True)
class ApiUser:
    """The actions and reads of one user. `poll` is the interval of reads, in seconds."""

    kubernetes: Kubernetes
    namespace: str
    netbird: SimulatedNetBird = field(init=False)
    netbird_url: str = ""
    poll: float = 0.01
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    gone: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The last versions of deleted objects."""
    wanted: dict[str, Expected] = field(default_factory=dict)
    forced: set[str] = field(default_factory=set)
    """The resources whose finalizers the user removes, regardless of NetBird."""
    left: dict[int, int] = field(default_factory=dict)
    """Integrations that are unowned from a moment on: foreign ones, and those that the user orphaned.

    The moment is the number of changes in NetBird by then.
    """

    def __post_init__(self) -> None:
        """Prepare everything that needs no server."""
        model = NetBird(Behaviour(requests_per_minute=float(_NO_LIMIT), burst=_NO_LIMIT, post_ignores_enabled=False))
        model.directory.add_account(Account(self.account))
        for name in TOKENS:
            model.directory.add_token(Token(name, self.token(name), self.account))
        self.netbird = SimulatedNetBird(model)

    @property
    def account(self) -> str:
        """The user's account in NetBird."""
        return f"account-of-{self.namespace}"

    def token(self, name: str = "netbird") -> str:
        """Return a connection's token. It is unique, because a later NetBird may get the port of an earlier one."""
        return f"{TOKENS[name]}-{self.namespace}"

    # Writes of a user.

    async def arrive(self) -> None:
        """Create the namespace."""
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        await self.kubernetes.call("POST", "/api/v1/namespaces", namespace)

    async def connect(self, name: str = "netbird", **spec: Any) -> None:
        """Create a connection and its token."""
        await self.secret(name, token=self.token(name))
        whole = {
            "url": self.netbird_url,
            "tokenSecretRef": {"name": name, "key": "token"},
            "rateLimit": {"requestsPerMinute": _NO_LIMIT, "burst": _NO_LIMIT},
            **spec,
        }
        await self._post(f"{_OURS}/{self.namespace}/netbirdconnections", "NetBirdConnection", name, spec=whole)

    async def reconnect(self, name: str = "netbird", **spec: Any) -> None:
        """Change a connection's spec."""
        path = f"{_OURS}/{self.namespace}/netbirdconnections/{name}"
        await self.kubernetes.call("PATCH", path, {"spec": spec}, patch=True)

    async def disconnect(self, name: str = "netbird") -> None:
        """Delete a connection."""
        await self.kubernetes.call("DELETE", f"{_OURS}/{self.namespace}/netbirdconnections/{name}")

    async def secret(self, name: str, **values: str) -> None:
        """Create a Secret, or change its values."""
        path = f"/api/v1/namespaces/{self.namespace}/secrets"
        try:
            await self._post(path, "Secret", name, stringData=values)
        except aiohttp.ClientResponseError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            await self.kubernetes.call("PATCH", f"{path}/{name}", {"stringData": values}, patch=True)

    async def create(self, name: str, **spec: Any) -> None:
        """Create an integration with a unique URL, with a key from a Secret."""
        block: dict[str, Any] = {
            "url": url_of(name),
            "auth": {"header": {"name": _KEY_HEADER, "valueSecretRef": {"name": "siem", "key": "key"}}},
        }
        whole: dict[str, Any] = {
            "connectionRef": {"kind": "NetBirdConnection", "name": "netbird"},
            "platform": "generic_http",
            "genericHTTP": block,
            **spec,
        }
        self.wanted[name] = Expected({"url": block["url"]}, enabled=whole.get("enabled", True))
        await self._post(self._path(), "EventStreamingIntegration", name, spec=whole)

    async def patch(self, name: str, **spec: Any) -> None:
        """Change an integration's spec."""
        await self.kubernetes.call("PATCH", self._path(name), {"spec": spec}, patch=True)

    async def annotate(self, name: str, key: str, value: str) -> None:
        """Annotate an integration."""
        change = {"metadata": {"annotations": {key: value}}}
        await self.kubernetes.call("PATCH", self._path(name), change, patch=True)

    async def delete(self, name: str) -> None:
        """Delete an integration."""
        self.wanted.pop(name, None)
        await self.kubernetes.call("DELETE", self._path(name))

    async def delete_namespace(self) -> None:
        """Delete everything at once."""
        self.wanted.clear()
        await self.kubernetes.call("DELETE", f"/api/v1/namespaces/{self.namespace}")

    def foreign(self) -> int:
        """Create an integration in NetBird's dashboard, as another client; return its id."""
        config = {"url": FOREIGN_URL, "headers": "{}", "body_template": ""}
        made = self.netbird.model.dashboard_create(self.account, Draft("generic_http", config), self.netbird.now())
        self.leave(made)
        return made

    def leave(self, integration_id: int) -> None:
        """Declare that nothing may change it from now on."""
        self.left[integration_id] = len(self.netbird.model.history)

    # Reads of a user.

    async def ready(self, *names: str) -> None:
        """Wait until these are Ready."""
        await self.until(lambda: all(is_ready(self.objects.get(name)) for name in names), f"{names} are Ready")

    async def connection(self, name: str = "netbird") -> dict[str, Any]:
        """Read a connection."""
        found: dict[str, Any] = await self.kubernetes.call("GET", f"{_OURS}/{self.namespace}/netbirdconnections/{name}")
        return found

    async def connected(self, name: str = "netbird") -> None:
        """Wait until a connection is Ready."""
        while not is_ready(await self.connection(name)):  # noqa: ASYNC110 # another process's doing
            await asyncio.sleep(self.poll)

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until it holds.

        Raises:
            StuckError: it does not in time. The message has the current state.
        """
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                message = f"not within {PATIENCE:.0f} s: {what}; {self.story()}"
                raise StuckError(message)
            await asyncio.sleep(self.poll)

    def logged(self) -> str:
        """Return the log lines about this user since then."""
        return ""

    def peak_memory(self) -> int:
        """Return the maximum memory of an operator with only this user; 0 if others share it."""
        return 0

    def missing(self) -> str | None:
        """Return what is not in sync yet, or None."""
        live = set(self.netbird.model.integrations)
        held = {each.get("status", {}).get("id") for each in self.objects.values()} - {None}
        unowned = live - held - self.left.keys()
        if unowned:
            return f"integrations {sorted(unowned)} have no owner"
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
        """Return what an action changes: the number of changes in NetBird, and each resource's version."""
        versions = sorted(each["metadata"]["resourceVersion"] for each in self.objects.values())
        return len(self.netbird.model.history), versions

    def story(self) -> str:
        """Return the current state, for debugging."""
        conditions = {name: each.get("status", {}).get("conditions") for name, each in self.objects.items()}
        return "\n".join([f"{self.missing()}", json.dumps(conditions), *self.logged().splitlines()[-25:]])

    async def survey(self) -> dict[str, str | bytes]:
        """Return everything that others may see of this user, by place. None of it may contain a secret."""
        found = [*self.objects.values(), *self.gone.values()]
        for kind, path in _BESIDE.items():
            listed = await self.kubernetes.call("GET", path.format(self.namespace))
            found += [{"kind": kind, **each} for each in listed["items"]]
        return {"objects": objects_sink(found), "log": self.logged()}

    async def follow(self, see: Callable[[str, dict[str, Any]], None]) -> None:
        """Watch the integrations until cancelled, and report each event."""
        async for kind, found in self.events("eventstreamingintegrations", self.objects):
            name = found["metadata"]["name"]
            self.objects[name] = found
            if kind == "DELETED":
                self.gone[name] = self.objects.pop(name)
            see(kind, found)

    async def events(
        self, plural: str, before: Mapping[str, dict[str, Any]] | None = None
    ) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """Yield the namespace's objects of a kind and then their events, without end.

        Objects from `before`, by name, that are missing now were deleted.
        """
        path = f"{_OURS}/{self.namespace}/{plural}"
        known = dict(before or {})
        while True:
            listed = await self.kubernetes.call("GET", path)
            found = {each["metadata"]["name"]: each for each in listed["items"]}
            for name in known.keys() - found.keys():
                yield "DELETED", known[name]
            for each in found.values():
                yield "ADDED", each
            known = found
            async for event in self.kubernetes.watch(path, listed["metadata"]["resourceVersion"]):
                if event["type"] == "ERROR":
                    break  # too much has happened since the list
                name = event["object"]["metadata"]["name"]
                known[name] = event["object"]
                if event["type"] == "DELETED":
                    del known[name]
                yield event["type"], event["object"]

    async def rest(self, seconds: float) -> None:
        """Return once nothing has changed for so long."""
        before = None
        while before != (before := self.state()):  # noqa: ASYNC110 # that nothing happens is no event
            await asyncio.sleep(seconds)

    def _path(self, name: str = "") -> str:
        return BASE.format(namespace=self.namespace) + (f"/{name}" if name else "")

    async def _post(self, path: str, kind: str, name: str, **parts: Any) -> None:
        group = f"{GROUP}/{VERSION}" if GROUP in path else "v1"
        body: dict[str, Any] = {"apiVersion": group, "kind": kind, "metadata": {"name": name}, **parts}
        await self.kubernetes.call("POST", path, body)
