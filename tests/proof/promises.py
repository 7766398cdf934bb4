"""The promises, checked from outside: the content and the requests of the two servers."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Final

from netbird_streaming.api.status import CONDITION_TYPES
from netbird_streaming.core.netbird.endpoints import authority
from netbird_streaming.reasons import Reason
from tests.doubles.netbird.records import DASHBOARD
from tests.doubles.netbird.request_log import Entry
from tests.doubles.netbird.wire import Operation
from tests.proof.api_user import CANARIES, ApiUser
from tests.proof.expectations import Writes

MOST_BYTES: Final = 262_144
"""The size of an object with its status that `kubectl apply` can still annotate."""
MOST_AT_ONCE: Final = 8
"""Concurrent requests to NetBird for one user, who has at most three resources and two connections."""
MOST_MEMORY: Final = 256 * 2**20
"""The chart's limit of an operator's memory."""
_REASONS = frozenset(reason.value for reason in Reason)


@dataclass(slots=True)
class PromiseChecks:
    """An observer of a user's watch that collects violations. The promises' names are those of the documentation."""

    user: ApiUser
    breaches: list[str] = field(default_factory=list)
    _before: Counter[Operation] = field(default_factory=Counter)
    _owned: dict[int, set[str]] = field(default_factory=dict)
    """The resources whose own status has named an integration."""
    _declared: dict[str, set[str]] = field(default_factory=dict)
    """The URLs that each resource has declared."""

    def begin(self) -> None:
        """Begin the part with the fault: earlier changes of NetBird are not counted."""
        self._before = self._effects()

    def see(self, kind: str, found: dict[str, Any]) -> None:
        """Check an event of the user's watch: promises that hold at every moment."""
        status = found.get("status", {})
        live = self.user.netbird.model.integrations
        held = status.get("id")
        self._check_size(found)
        if kind == "DELETED":
            is_forced = found["metadata"]["name"] in self.user.forced
            if held in live and held not in self.user.left and not is_forced:
                self._breach("S8", f"{found['metadata']['name']} is gone, and {held} is still in NetBird")
            return
        self._check_owner(found)
        for each in status.get("conditions", ()):
            if each["type"] not in CONDITION_TYPES:
                continue
            if each["reason"] not in _REASONS or not each["message"]:
                self._breach("L3", f"a condition without reason or remedy: {each}")
            is_current = each.get("observedGeneration") == found["metadata"]["generation"]
            is_missed = held not in live and held not in self._lost()
            if each["type"] == "Ready" and each["status"] == "True" and is_current and is_missed:
                self._breach("S4", f"Ready, and NetBird has no integration {held}")

    async def end(self, writes: Writes, slack: int) -> None:
        """Check the final state.

        Args:
            writes: the expected changes of NetBird.
            slack: how many responses to a PUT may have been lost, each of which requires another one.
        """
        self._check_lives()
        self._check_targets()
        self._check_writes(writes, slack)
        self._check_bounds()
        await self._check_secrets()

    def _check_lives(self) -> None:
        """Check S1: never two integrations of one resource. S3: no foreign one was touched."""
        live: dict[int, str] = {}
        left = self.user.left
        for moment, effect in enumerate(self.user.netbird.model.history):
            if effect.operation is Operation.DELETE:
                live.pop(effect.integration_id, None)
            if effect.by == DASHBOARD:
                continue
            if moment >= left.get(effect.integration_id, moment + 1):
                self._breach("S3", f"{effect.operation} of {effect.integration_id}, which was to be left alone")
            if effect.operation is Operation.CREATE:
                url = effect.config["url"]
                if url in live.values():
                    self._breach("S1", f"a second integration for {url}")
                live[effect.integration_id] = url

    def _check_owner(self, found: dict[str, Any]) -> None:
        """Check S9: an id is from the connection's own server, and no two resources own it."""
        name, held = found["metadata"]["name"], found.get("status", {}).get("id")
        self._declared.setdefault(name, set()).add(found["spec"]["genericHTTP"]["url"])
        if held is None or not _is_own(found):
            return
        if found["status"]["internal"].get("authority") != authority(self.user.netbird_url, trusted_by=None):
            self._breach("S9", f"{name} owns integration {held} of another server")
        self._owned.setdefault(held, set()).add(name)
        for other, beside in self.user.objects.items():
            if other != name and _is_own(beside) and beside["status"].get("id") == held:
                self._breach("S9", f"{name} and {other} own integration {held}")

    def _check_targets(self) -> None:
        """Check S9: a write goes to an id that NetBird returned for this resource."""
        created: set[int] = set()
        for effect in self.user.netbird.model.history:
            if effect.by == DASHBOARD:
                continue
            owners = self._owned.get(effect.integration_id, set())
            if effect.operation is Operation.CREATE:
                created.add(effect.integration_id)
            elif effect.operation is Operation.DELETE:
                if not owners and effect.integration_id not in created:
                    self._breach("S9", f"a DELETE of {effect.integration_id}, which no resource has owned")
            elif not any(effect.config["url"] in self._declared[name] for name in owners):
                self._breach("S9", f"a PUT of {effect.integration_id}, whose owners {owners} declare another URL")

    def _check_bounds(self) -> None:
        """Check S10: memory, and concurrent requests."""
        most = most_at_once(self.user.netbird.journal.entries)
        if most > MOST_AT_ONCE:
            self._breach("S10", f"{most} requests to NetBird at once")
        memory = self.user.peak_memory()
        if memory > MOST_MEMORY:
            self._breach("S10", f"an operator has held {memory >> 20} MiB")

    def _check_size(self, found: dict[str, Any]) -> None:
        """Check S10: an object can still be stored and annotated."""
        size = len(json.dumps(found).encode())
        if size > MOST_BYTES:
            self._breach("S10", f"{found['metadata']['name']} has {size} bytes")

    def _check_writes(self, wanted: Writes, slack: int) -> None:
        """Check S5: as many writes as changes, one PUT more for a lost response and an inferred integration."""
        counted = self._effects() - self._before
        inferred = any(each.get("status", {}).get("origin") == "Inferred" for each in self.user.objects.values())
        most = wanted.puts + slack + inferred
        posts, puts, deletes = (counted[each] for each in (Operation.CREATE, Operation.UPDATE, Operation.DELETE))
        if posts != wanted.posts or deletes > wanted.deletes or not wanted.puts <= puts <= most:
            self._breach("S5", f"NetBird was changed by {dict(counted)}, and {wanted} was called for")

    async def _check_secrets(self) -> None:
        """Check S6: no secret is visible to anyone but the Secrets' readers."""
        for leak in CANARIES.search(await self.user.survey()):
            self._breach("S6", str(leak))

    def _lost(self) -> set[int]:
        """The integrations that another client deleted, which the operator detects later."""
        return {id_ for id_, stone in self.user.netbird.model.tombstones.items() if stone.by == DASHBOARD}

    def _effects(self) -> Counter[Operation]:
        ours = (each for each in self.user.netbird.model.history if each.by != DASHBOARD)
        return Counter(each.operation for each in ours)

    def _breach(self, promise: str, what: str) -> None:
        self.breaches.append(f"{promise}: {what}")


def _is_own(found: dict[str, Any]) -> bool:
    """Return whether the operator wrote the status for this object: a restored one names another uid."""
    return bool(found.get("status", {}).get("internal", {}).get("ownerUID") == found["metadata"]["uid"])


def most_at_once(entries: Iterable[Entry]) -> int:
    """Return the maximum number of concurrent requests."""
    ended = [(each.received_at, each.answered_at) for each in entries if each.answered_at is not None]
    changes = sorted([(began, 1) for began, _ in ended] + [(end, -1) for _, end in ended])
    return max(accumulate(change for _, change in changes), default=0)
