"""An user of the one operator that serves all cells: with a NetBird of their own, whose answers can be wrong."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from netbird_streaming.reasons import Reason
from tests.doubles.netbird.request_log import Entry
from tests.proof.api_user import TOKENS, User
from tests.proof.expectations import is_ready

PASSING: Final = frozenset({Reason.PENDING, Reason.PROGRESSING, Reason.DELETING})
"""What says that the operator is at it, and not that something is wrong."""
QUIET: Final = timedelta(seconds=4)
"""How long NetBird is not asked once all is done; a read is repeated sooner."""


class Gathering:
    """Something that is done once, for all who wait for it, when the last of them has come."""

    def __init__(self, awaited: set[str], do: Callable[[], Awaitable[None]]) -> None:
        """Take the names of those who will come, or will be said not to."""
        self._awaited = awaited
        self._do = do
        self._complete = asyncio.Event()
        self._turn = asyncio.Lock()
        self._is_done = False

    def excuse(self, name: str) -> None:
        """They do not come any more."""
        self._awaited.discard(name)
        if not self._awaited:
            self._complete.set()

    async def join(self, name: str) -> None:
        """Come, and return when it is done."""
        self.excuse(name)
        await self._complete.wait()
        async with self._turn:
            if not self._is_done:
                await self._do()
            self._is_done = True


@dataclass(frozen=True, slots=True)
class Condition:
    """What a user reads of a resource that is not Ready; `state` is the condition beside it."""

    reason: str
    message: str
    state: str


@dataclass(slots=True, kw_only=True)
class Tenant(User):
    """A user whose resource, or connection, is read for what it says of a fault."""

    restart: Gathering
    about: str
    expected: frozenset[Reason]
    """The reasons that the flow itself leads to, whatever NetBird answers."""
    log: Path
    poll: float = 0.05
    spare: str = "other"
    """The name of a token that is not in use."""
    connections: dict[str, dict[str, Any]] = field(default_factory=dict)
    misleading: dict[str, str] = field(default_factory=dict)
    """What is wrong with the spec of a connection that is still to be made."""
    heard: list[Condition] = field(default_factory=list)
    """What the resource has said of what is wrong, since `listen`."""
    _ignored: Condition | None = None
    _mark: int = 0

    @property
    def customer(self) -> str:
        """The account of a customer of theirs."""
        return f"customer-of-{self.namespace}"

    def behave(self, **habits: Any) -> None:
        """Change how NetBird behaves."""
        model = self.netbird.model
        model.behaviour = replace(model.behaviour, **habits)

    def held(self) -> int:
        """The id that the integration has in its status."""
        (found,) = self.objects.values()
        held: int = found["status"]["id"]
        return held

    def says(self, reason: Reason) -> bool:
        """Whether the integration is not Ready for that reason."""
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
        """Put the spare token into the connection's Secret."""
        await self.secret("netbird", token=self.token(self.spare))
        (self.spare,) = TOKENS.keys() - {self.spare}

    def listen(self) -> None:
        """From now on what is said is heard, and what is asked is counted; what is said already is no news."""
        self._mark = self.netbird.journal.next_sequence
        for found in self.objects.values():
            self._ignored = _wrong(found)
        self.heard.clear()

    def hear(self, found: Mapping[str, Any]) -> None:
        """A new version of what is listened to."""
        said = _wrong(found)
        if said is None or said.reason in self.expected or said == self._ignored or said in self.heard:
            return
        self.heard.append(said)

    def asked(self) -> list[Entry]:
        """What NetBird was asked since `listen`."""
        return self.netbird.journal.since(self._mark)

    def story(self) -> str:
        """Where it stands, with what the operator has logged of this user."""
        lines = [each for each in self.log.read_text(errors="replace").splitlines() if f'"{self.namespace}/' in each]
        return "\n".join([User.story(self), json.dumps(self.connections), *lines[-40:]])

    def is_settled(self) -> bool:
        """Whether all is as it shall be, and the connection too."""
        connections = self.connections.values()
        return self.missing() is None and bool(connections) and all(is_ready(each) for each in connections)

    def is_quiet(self) -> bool:
        """Whether nothing is asked of NetBird, nor was a moment ago."""
        recently = self.netbird.now() - QUIET
        return all(each.answered_at is not None and each.answered_at < recently for each in self.asked())


def _wrong(found: Mapping[str, Any], reason: Reason | None = None) -> Condition | None:
    """What an object says is wrong with it (for that reason); None where nothing is."""
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
