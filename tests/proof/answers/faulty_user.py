"""A user of the operator that serves all cells, with a NetBird whose responses can be wrong."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from netbird_streaming.reasons import Reason
from tests.doubles.netbird.request_log import Entry
from tests.proof.api_user import TOKENS, ApiUser
from tests.proof.expectations import is_ready

PASSING: Final = frozenset({Reason.PENDING, Reason.PROGRESSING, Reason.DELETING})
"""Reasons of an operation in progress, in contrast to a failure."""
QUIET: Final = timedelta(seconds=4)
"""Seconds without a request to NetBird once everything is done. Reads are repeated sooner."""


class Barrier:
    """A barrier: an action that runs once, when the last of its participants has arrived."""

    def __init__(self, awaited: set[str], do: Callable[[], Awaitable[None]]) -> None:
        """Store the names of the participants."""
        self._awaited = awaited
        self._do = do
        self._complete = asyncio.Event()
        self._turn = asyncio.Lock()
        self._is_done = False

    def excuse(self, name: str) -> None:
        """Remove participants."""
        self._awaited.discard(name)
        if not self._awaited:
            self._complete.set()

    async def join(self, name: str) -> None:
        """Arrive, and return when the action is done."""
        self.excuse(name)
        await self._complete.wait()
        async with self._turn:
            if not self._is_done:
                await self._do()
            self._is_done = True


@dataclass(frozen=True, slots=True)
class Condition:
    """The condition of a resource that is not Ready. `state` is the other condition of it."""

    reason: str
    message: str
    state: str


@dataclass(slots=True, kw_only=True)
class FaultyUser(ApiUser):
    """A user whose resource or connection reports a fault."""

    restart: Barrier
    about: str
    expected: frozenset[Reason]
    """The reasons to which the flow leads with any response of NetBird."""
    log: Path
    poll: float = 0.05
    spare: str = "other"
    """The name of an unused token."""
    connections: dict[str, dict[str, Any]] = field(default_factory=dict)
    misleading: dict[str, str] = field(default_factory=dict)
    """An error in the spec of a connection that is created later."""
    reported: list[Condition] = field(default_factory=list)
    """The reported failures since `listen`."""
    _ignored: Condition | None = None
    _mark: int = 0

    @property
    def customer(self) -> str:
        """The account of a customer."""
        return f"customer-of-{self.namespace}"

    def behave(self, **habits: Any) -> None:
        """Change NetBird's behaviour."""
        model = self.netbird.model
        model.behaviour = replace(model.behaviour, **habits)

    def held(self) -> int:
        """The integration's id in its status."""
        (found,) = self.objects.values()
        held: int = found["status"]["id"]
        return held

    def says(self, reason: Reason) -> bool:
        """Return whether the integration is not Ready for that reason."""
        return any(_wrong(each, reason) for each in self.objects.values())

    async def connected(self, name: str = "netbird") -> None:
        """Wait until a connection is Ready."""
        await self.until(lambda: is_ready(self.connections.get(name)), f"connection {name} is Ready")

    async def follow_connections(self) -> None:
        """Watch the connections until cancelled."""
        async for _, found in self.events("netbirdconnections"):
            self.connections[found["metadata"]["name"]] = found
            if self.about == "connection":
                self.hear(found)

    async def replace_token(self) -> None:
        """Write the spare token into the connection's Secret."""
        await self.secret("netbird", token=self.token(self.spare))
        (self.spare,) = TOKENS.keys() - {self.spare}

    def listen(self) -> None:
        """Start recording conditions and requests. Present conditions are ignored."""
        self._mark = self.netbird.journal.next_sequence
        for found in self.objects.values():
            self._ignored = _wrong(found)
        self.reported.clear()

    def hear(self, found: Mapping[str, Any]) -> None:
        """Record a new version of the observed object."""
        said = _wrong(found)
        if said is None or said.reason in self.expected or said == self._ignored or said in self.reported:
            return
        self.reported.append(said)

    def asked(self) -> list[Entry]:
        """Return the requests to NetBird since `listen`."""
        return self.netbird.journal.since(self._mark)

    def story(self) -> str:
        """Return the current state, with the operator's log about this user."""
        lines = [each for each in self.log.read_text(errors="replace").splitlines() if f'"{self.namespace}/' in each]
        return "\n".join([ApiUser.story(self), json.dumps(self.connections), *lines[-40:]])

    def is_settled(self) -> bool:
        """Return whether everything is in sync, including the connection."""
        connections = self.connections.values()
        return self.missing() is None and bool(connections) and all(is_ready(each) for each in connections)

    def is_quiet(self) -> bool:
        """Return whether NetBird has received no request for a while."""
        recently = self.netbird.now() - QUIET
        return all(each.answered_at is not None and each.answered_at < recently for each in self.asked())


def _wrong(found: Mapping[str, Any], reason: Reason | None = None) -> Condition | None:
    """Return the reported problem of an object (for that reason), or None."""
    conditions = {each["type"]: each for each in found.get("status", {}).get("conditions", ())}
    ready = conditions.get("Ready")
    if (
        ready is None
        or ready["status"] == "True"
        or ready["reason"] in PASSING
        or reason not in {None, ready["reason"]}
    ):
        return None
    state = next((each for each in ("Stalled", "Reconciling") if each in conditions), "")
    return Condition(ready["reason"], ready["message"], state)
