"""The promises that can be seen in the API server: S3, S4, S6, S8 and L3, at each change of an object."""

from collections.abc import Callable, Iterator
from typing import Final

from netbird_streaming.api.status import Condition, Origin, Status
from netbird_streaming.api.timestamps import CREATED_ROUNDING, is_apart
from netbird_streaming.api.types import (
    AdoptionPolicy,
    ConnectionKind,
    DeletionPolicy,
    EventStreamingIntegration,
    ObjectKey,
    Resource,
)
from netbird_streaming.reasons import Reason
from tests.simulation.bookkeeping import SECRET_WORD, TENANT, Key, Life, Pending, Remote, is_honest, ready_of, url_of
from tests.simulation.loop import BEGIN
from tests.simulation.network import Process

LONG_BLANK: Final = 60.0
"""Seconds after which two observations a minute apart may both have been made in a blank window."""
NAMESPACED: Final = ConnectionKind.NAMESPACED
_REASONS: Final = frozenset(each.value for each in Reason)


class KubernetesPromises:
    """Listens to everything and collects what was broken."""

    def __init__(self, now: Callable[[], float], tell: Callable[[str], None]) -> None:
        """`tell` writes a line of the story."""
        self._now = now
        self._tell = tell
        self.breaches: list[str] = []
        self.remotes: dict[int, Remote] = {}
        self.lives: dict[str, Life] = {}
        self.latest: dict[ObjectKey, str] = {}
        self.values: dict[str, list[tuple[float, str | None]]] = {}
        self.posts = 0
        self.blank_since: float | None = None
        self.hidden_until = float("-inf")
        """Until when a request may rest on a LIST from a blank window that is over."""
        self.restless = False
        """Whether a key does not change, or does not show: a PUT that repeats the last one is then no needless one."""
        self.cut = False
        """Whether lists leave out what there is: which nothing tells where all that is owned is shown."""
        self.writes: list[tuple[float, str]] = []
        self._pending: dict[int, Pending] = {}

    @property
    def hidden(self) -> bool:
        """Whether NetBird has shown nothing for so long that what it holds counts as absent."""
        if self.blank_since is None:
            return self._now() < self.hidden_until
        return self._now() - self.blank_since >= LONG_BLANK

    def breach(self, promise: str, what: str) -> None:
        """Something promised was not kept."""
        self.breaches.append(f"{promise} at {self._now() - BEGIN:.3f}: {what}")
        self._tell(f"!!! {promise}: {what}")

    # What the world says of Kubernetes.

    def secret_value(self, name: str, value: str | None) -> None:
        """A Secret has this value from now on; None: it is gone."""
        self.values.setdefault(name, []).append((self._now(), value))

    def changed(self, before: Resource | None, after: Resource, actor: Process | None, *, gone: bool) -> None:
        """An object was stored or removed, by a process or by somebody else."""
        if actor is not None:
            self.writes.append((self._now(), f"k8s {after.key.label}"))
        if not isinstance(after, EventStreamingIntegration):
            return
        uid = after.metadata.uid
        life = self.lives.get(uid)
        if life is None:
            hostile = after.metadata.namespace == TENANT
            life = self.lives[uid] = Life(uid, after.key, after, hostile=hostile)
        self.latest[after.key] = uid
        life.specs.setdefault(after.metadata.generation, (self._now(), after.spec))
        life.resource = after
        if isinstance(before, EventStreamingIntegration) and before.metadata.uid == uid:
            self._check_finalizer(life, before, after, actor, gone=gone)
            if actor is not None and not gone and before.status != after.status:
                self._check_status(life, before.status, after)
        life.gone = gone

    def published(self, text: str) -> None:
        """An Event, a log line or an exception's message."""
        if SECRET_WORD in text:
            self.breach("S6", f"a secret in: {text.replace(SECRET_WORD, '(secret)')}")

    def _check_finalizer(
        self,
        life: Life,
        before: EventStreamingIntegration,
        after: EventStreamingIntegration,
        actor: Process | None,
        *,
        gone: bool,
    ) -> None:
        lost = before.has_finalizer and (gone or not after.has_finalizer)
        if not lost:
            if gone and actor is None and not before.has_finalizer:
                life.torn = True
            return
        if actor is None:
            life.torn = True
            return
        if before.spec.deletion_policy is DeletionPolicy.ORPHAN:
            life.orphaned = True
            return
        left = [each.id for each in self._held(life) if not each.touched and not self._is_held_by_another(life, each)]
        if life.hostile:
            return
        if left and (self.hidden or (self.cut and life.unknown_posts)):
            life.orphaned = True
        elif left:
            self.breach("S8", f"the finalizer of {life.identity.label} ({life.uid}) went while {left} is live")
        if any(each.life is life and each.threatens for each in self._pending.values()):
            self.breach("S8", f"the finalizer of {life.identity.label} ({life.uid}) went with a POST under way")

    def _is_held_by_another(self, life: Life, remote: Remote) -> bool:
        """A user may let a resource adopt what an unanswered POST of another one's made: then it is that one's."""
        others = [each for each in self.lives.values() if each is not life and not each.gone]
        return any(each.resource.status.id == remote.id and remote.id in each.taken for each in others)

    def _held(self, life: Life) -> Iterator[Remote]:
        for each in self.remotes.values():
            if each.live and (each.maker == life.uid or each.id in life.taken):
                yield each

    def _check_status(self, life: Life, before: Status, after: EventStreamingIntegration) -> None:
        status = after.status
        if SECRET_WORD in status.model_dump_json():
            self.breach("S6", f"a secret in the status of {life.identity.label}")
        another = status.id != before.id or is_apart(status.created_at, before.created_at, by=CREATED_ROUNDING)
        if status.id is not None and is_honest(status) and (another or not is_honest(before)):
            self._check_taking(life, before, after)
            if status.origin is Origin.ADOPTED:
                self._pass_over(life, before, status.id)
        if (
            before.id is not None
            and before.id != status.id
            and before.internal.owner_uid == life.uid
            and not life.hostile
        ):
            remote = self.remotes.get(before.id)
            kept = any(each.id == before.id for each in status.internal.former)
            if remote is not None and remote.live and remote.maker == life.uid and not kept:
                self.breach("S2", f"{life.identity.label} forgot integration {before.id}, which is live")
        remote = self.remotes.get(status.id or 0) if is_honest(status) else None
        if another or life.held is None:
            life.held = remote
        if remote is not None and status.internal.applied is not None:
            remote.unsaved = False
        self._check_conditions(life, after, ready_of(status))

    def _pass_over(self, life: Life, before: Status, adopted: int) -> None:
        """A user who was told what a lost create may have made has adopted one: the others are nobody's."""
        ready = ready_of(before)
        told = ready.message if ready is not None and ready.reason == Reason.CREATE_AMBIGUOUS else ""
        for each in self._held(life):
            if each.id != adopted and str(each.id) in told:
                each.maker = None

    def _check_conditions(self, life: Life, after: EventStreamingIntegration, ready: Condition | None) -> None:
        label = life.identity.label
        if ready is None:
            self.breach("L3", f"{label} has no condition Ready")
            return
        for each in after.status.conditions:
            if each.reason not in _REASONS or not each.message:
                self.breach(
                    "L3", f"{label}: condition {each.type} has reason {each.reason!r}, message {each.message!r}"
                )
        if life.hostile and all(spec.connection_ref.kind is NAMESPACED for _, spec in life.specs.values()):
            self._check_ignorance(life, after)
        if ready.status == "True" and is_honest(after.status):
            self._check_ready(life, ready)

    def _check_ignorance(self, life: Life, after: EventStreamingIntegration) -> None:
        """S9: who shares no connection with others learns nothing of their resources."""
        others = {each.identity.label for each in self.lives.values() if each.identity.namespace != TENANT}
        for condition in after.status.conditions:
            if any(other in condition.message for other in others):
                self.breach("S9", f"{life.identity.label} was told of others: {condition.message}")

    def _check_ready(self, life: Life, ready: Condition) -> None:
        """S4: what NetBird accepted last is of that generation, with values that its Secrets had since it began."""
        remote = life.held
        generation = ready.observed_generation or 0
        if remote is None or generation not in life.specs:
            self.breach("S4", f"{life.identity.label} is Ready without an integration or for generation {generation}")
            return
        if remote is not self.remotes.get(remote.id):
            return  # its id is another one's by now, which no LIST has shown yet
        wanted = self.payloads(life, generation)
        if not any(each in wanted for each in remote.possible):
            told = f"{life.identity.label} is Ready for generation {generation}, accepted was {remote.possible}"
            self.breach("S4", f"{told}, wanted one of {wanted}".replace(SECRET_WORD, "secret"))

    def payloads(self, life: Life, generation: int) -> list[Key]:
        """What a generation could have made of the values that its Secret had since the generation began."""
        since, spec = life.specs[generation]
        history = self.values.get(life.identity.name, [])
        values = [value for at, value in history if at >= since]
        values += [value for at, value in history if at < since][-1:]
        return [(url_of(spec), value, spec.enabled) for value in values if value is not None]

    def _check_taking(self, life: Life, before: Status, after: EventStreamingIntegration) -> None:
        """S3: an integration that another made is taken only as the user allowed, or inferred and marked so."""
        integration_id = after.status.id or 0
        remote = self.remotes.get(integration_id)
        if remote is None:
            self.breach("S3", f"{life.identity.label} holds {integration_id}, which never was")
            return
        # In which form the server keeps a URL, whoever takes it over learns anew.
        remote.corrected_forms.clear()
        origin = after.status.origin
        if remote.maker == life.uid:
            life.taken.add(integration_id)
            return
        if origin is Origin.ADOPTED and after.spec.adoption.policy is AdoptionPolicy.NEVER:
            self.breach("S3", f"{life.identity.label} adopted {integration_id} without leave")
        if origin is Origin.INFERRED and before.internal.creation is None and not before.internal.unresolved_creations:
            self.breach("S3", f"{life.identity.label} inferred {integration_id} without an intent")
        if origin not in (Origin.ADOPTED, Origin.INFERRED):
            self.breach("S3", f"{life.identity.label} took {integration_id} for its own: origin {origin}")
        life.taken.add(integration_id)
