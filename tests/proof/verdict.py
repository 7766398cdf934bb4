"""The promises, as they are to be seen from outside: what the two servers hold, were asked and were told."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from netbird_streaming.api.status import CONDITION_TYPES
from netbird_streaming.reasons import Reason
from tests.doubles.netbird.records import DASHBOARD
from tests.doubles.netbird.wire import Operation
from tests.proof.user import CANARIES, User
from tests.proof.wanted import Writes

_REASONS = frozenset(reason.value for reason in Reason)


@dataclass(slots=True)
class Verdict:
    """Watches what a user sees, and says what was broken; the promises' names are those of the documentation."""

    user: User
    breaches: list[str] = field(default_factory=list)
    _before: Counter[Operation] = field(default_factory=Counter)

    def begin(self) -> None:
        """The struck part begins: what NetBird was changed by until now is not counted."""
        self._before = self._effects()

    def see(self, kind: str, found: dict[str, Any]) -> None:
        """An event of the user's own watch: what holds at every moment."""
        status = found.get("status", {})
        live = self.user.netbird.model.integrations
        held = status.get("id")
        if kind == "DELETED":
            is_forced = found["metadata"]["name"] in self.user.forced
            if held in live and held not in self.user.left and not is_forced:
                self._breach("S8", f"{found['metadata']['name']} is gone, and {held} is still in NetBird")
            return
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
        """Everything has come to rest.

        Args:
            writes: how NetBird was to be changed.
            slack: how many answers to a PUT may have been lost, each of which calls for another one.
        """
        self._check_lives()
        self._check_writes(writes, slack)
        await self._check_secrets()

    def _check_lives(self) -> None:
        """S1: never two at once of one resource's making. S3: nobody else's was touched."""
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

    def _check_writes(self, wanted: Writes, slack: int) -> None:
        """S5: as many as there are changes; one PUT more where an answer was lost, and one for what was inferred."""
        counted = self._effects() - self._before
        inferred = any(each.get("status", {}).get("origin") == "Inferred" for each in self.user.objects.values())
        most = wanted.puts + slack + inferred
        posts, puts, deletes = (counted[each] for each in (Operation.CREATE, Operation.UPDATE, Operation.DELETE))
        if posts != wanted.posts or deletes > wanted.deletes or not wanted.puts <= puts <= most:
            self._breach("S5", f"NetBird was changed by {dict(counted)}, and {wanted} was called for")

    async def _check_secrets(self) -> None:
        """S6: in nothing that anybody but the Secrets' readers can see."""
        for leak in CANARIES.search(await self.user.survey()):
            self._breach("S6", str(leak))

    def _lost(self) -> set[int]:
        """What somebody else deleted, which is noticed by and by."""
        return {id_ for id_, stone in self.user.netbird.model.tombstones.items() if stone.by == DASHBOARD}

    def _effects(self) -> Counter[Operation]:
        ours = (each for each in self.user.netbird.model.history if each.by != DASHBOARD)
        return Counter(each.operation for each in ours)

    def _breach(self, promise: str, what: str) -> None:
        self.breaches.append(f"{promise}: {what}")
