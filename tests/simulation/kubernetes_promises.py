"""The promises that can be checked in the API server: S3, S4, S6, S8 and L3, at each change of an object."""

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
from tests.simulation.bookkeeping import (
    SECRET_WORD,
    TENANT,
    IntegrationHistory,
    Key,
    PendingWrite,
    ResourceHistory,
    is_honest,
    ready_of,
    url_of,
)
from tests.simulation.loop import BEGIN
from tests.simulation.network import Process

LONG_BLANK: Final = 60.0
"""Seconds in which two observations, a minute apart, may both fall into a blank window."""
NAMESPACED: Final = ConnectionKind.NAMESPACED
_REASONS: Final = frozenset(each.value for each in Reason)


class KubernetesPromises:
    """An observer of all events that collects violations."""

    def __init__(self, now: Callable[[], float], tell: Callable[[str], None]) -> None:
        self._now = now
        self._tell = tell
        self.breaches: list[str] = []
        self.remotes: dict[int, IntegrationHistory] = {}
        self.replaced: dict[int, list[IntegrationHistory]] = {}
        """The former integrations of an id that was given again."""
        self.histories: dict[str, ResourceHistory] = {}
        self.latest: dict[ObjectKey, str] = {}
        self.values: dict[str, list[tuple[float, str | None]]] = {}
        self.posts = 0
        self.blank_since: float | None = None
        self.hidden_until = float("-inf")
        """Time until which a request may rest on a LIST from a past blank window."""
        self.restless = False
        """If set, a key does not change or is not shown. A repeated PUT is then not needless."""
        self.cut = False
        """If set, lists omit existing integrations, which cannot be detected if all owned ones are shown."""
        self.writes: list[tuple[float, str]] = []
        self._pending: dict[int, PendingWrite] = {}

    @property
    def hidden(self) -> bool:
        """Return whether NetBird has shown nothing for so long that its integrations count as absent."""
        if self.blank_since is None:
            return self._now() < self.hidden_until
        return self._now() - self.blank_since >= LONG_BLANK

    def breach(self, promise: str, what: str) -> None:
        """Record a violation of a promise."""
        self.breaches.append(f"{promise} at {self._now() - BEGIN:.3f}: {what}")
        self._tell(f"!!! {promise}: {what}")

    # Events of Kubernetes.

    def secret_value(self, name: str, value: str | None) -> None:
        """Record the value of a Secret from now on. None means that it is gone."""
        self.values.setdefault(name, []).append((self._now(), value))

    def changed(self, before: Resource | None, after: Resource, actor: Process | None, *, gone: bool) -> None:
        """Check an object that a process or another client stored or removed."""
        if actor is not None:
            self.writes.append((self._now(), f"k8s {after.key.label}"))
        if not isinstance(after, EventStreamingIntegration):
            return
        uid = after.metadata.uid
        history = self.histories.get(uid)
        if history is None:
            hostile = after.metadata.namespace == TENANT
            history = self.histories[uid] = ResourceHistory(uid, after.key, after, hostile=hostile)
        self.latest[after.key] = uid
        history.specs.setdefault(after.metadata.generation, (self._now(), after.spec))
        history.resource = after
        if isinstance(before, EventStreamingIntegration) and before.metadata.uid == uid:
            self._check_finalizer(history, before, after, actor, gone=gone)
            if actor is not None and not gone and before.status != after.status:
                self._check_status(history, before.status, after)
        history.gone = gone

    def published(self, text: str) -> None:
        """Check an Event, a log line or the message of an exception."""
        if SECRET_WORD in text:
            self.breach("S6", f"a secret in: {text.replace(SECRET_WORD, '(secret)')}")

    def _check_finalizer(
        self,
        history: ResourceHistory,
        before: EventStreamingIntegration,
        after: EventStreamingIntegration,
        actor: Process | None,
        *,
        gone: bool,
    ) -> None:
        lost = before.has_finalizer and (gone or not after.has_finalizer)
        if not lost:
            if gone and actor is None and not before.has_finalizer:
                history.torn = True
            return
        if actor is None:
            history.torn = True
            return
        if before.spec.deletion_policy is DeletionPolicy.ORPHAN:
            history.orphaned = True
            return
        left = [
            each.id for each in self._held(history) if not each.touched and not self._is_held_by_another(history, each)
        ]
        if left and (self.hidden or (self.cut and history.unknown_posts)):
            history.orphaned = history.released_unseen = True
        if history.hostile:
            return
        if left and not history.orphaned:
            self.breach("S8", f"the finalizer of {history.identity.label} ({history.uid}) went while {left} is live")
        if any(each.history is history and each.threatens for each in self._pending.values()):
            self.breach("S8", f"the finalizer of {history.identity.label} ({history.uid}) went with a POST under way")

    def _is_held_by_another(self, history: ResourceHistory, remote: IntegrationHistory) -> bool:
        """Return whether another resource owns the result of the unanswered POST by adoption."""
        others = [each for each in self.histories.values() if each is not history and not each.gone]
        return any(each.resource.status.id == remote.id and remote.id in each.taken for each in others)

    def _held(self, history: ResourceHistory) -> Iterator[IntegrationHistory]:
        for each in self.remotes.values():
            if each.live and (each.maker == history.uid or each.id in history.taken):
                yield each

    def _check_status(self, history: ResourceHistory, before: Status, after: EventStreamingIntegration) -> None:
        status = after.status
        if SECRET_WORD in status.model_dump_json():
            self.breach("S6", f"a secret in the status of {history.identity.label}")
        another = status.id != before.id or is_apart(status.created_at, before.created_at, by=CREATED_ROUNDING)
        if status.id is not None and is_honest(status) and (another or not is_honest(before)):
            self._check_taking(history, before, after)
            if status.origin is Origin.ADOPTED:
                self._pass_over(history, before, status.id)
        if (
            before.id is not None
            and before.id != status.id
            and before.internal.owner_uid == history.uid
            and not history.hostile
        ):
            remote = self.remotes.get(before.id)
            kept = any(each.id == before.id for each in status.internal.former)
            if remote is not None and remote.live and remote.maker == history.uid and not kept:
                self.breach("S2", f"{history.identity.label} forgot integration {before.id}, which is live")
        remote = self.remotes.get(status.id or 0) if is_honest(status) else None
        if another or history.held is None:
            history.held = self._replaced_one(history, status.id) or remote
        if remote is not None and status.internal.applied is not None:
            remote.unsaved = False
        self._check_conditions(history, after, ready_of(status))

    def _replaced_one(self, history: ResourceHistory, integration_id: int | None) -> IntegrationHistory | None:
        """Return the integration that was created for this resource, if another one has its id now."""
        current = self.remotes.get(integration_id or 0)
        if current is None or current.maker == history.uid:
            return None
        return next((each for each in self.replaced.get(current.id, []) if each.maker == history.uid), None)

    def _pass_over(self, history: ResourceHistory, before: Status, adopted: int) -> None:
        """Release the other candidates. The user saw all candidates of a lost create and adopted one."""
        ready = ready_of(before)
        message = ready.message if ready is not None and ready.reason == Reason.CREATE_AMBIGUOUS else ""
        for each in self._held(history):
            if each.id != adopted and str(each.id) in message:
                each.maker = None

    def _check_conditions(
        self, history: ResourceHistory, after: EventStreamingIntegration, ready: Condition | None
    ) -> None:
        label = history.identity.label
        if ready is None:
            self.breach("L3", f"{label} has no condition Ready")
            return
        for each in after.status.conditions:
            if each.reason not in _REASONS or not each.message:
                self.breach(
                    "L3", f"{label}: condition {each.type} has reason {each.reason!r}, message {each.message!r}"
                )
        if history.hostile and all(spec.connection_ref.kind is NAMESPACED for _, spec in history.specs.values()):
            self._check_ignorance(history, after)
        if ready.status == "True" and is_honest(after.status):
            self._check_ready(history, ready)

    def _check_ignorance(self, history: ResourceHistory, after: EventStreamingIntegration) -> None:
        """Check S9: a resource reports nothing about resources of another connection."""
        others = {each.identity.label for each in self.histories.values() if each.identity.namespace != TENANT}
        for condition in after.status.conditions:
            if any(other in condition.message for other in others):
                self.breach("S9", f"{history.identity.label} reports other resources: {condition.message}")

    def _check_ready(self, history: ResourceHistory, ready: Condition) -> None:
        """Check S4: the last accepted request has that generation and values of the Secrets since then."""
        remote = history.held
        generation = ready.observed_generation or 0
        if generation > history.resource.metadata.generation:
            return  # of a spec that a restored backup of etcd has undone; to kstatus it is still in progress
        if remote is None or generation not in history.specs:
            self.breach("S4", f"{history.identity.label} is Ready without an integration or for {generation}")
            return
        if remote is not self.remotes.get(remote.id):
            return  # its id belongs to another integration, which no LIST has shown yet
        wanted = self.payloads(history, generation)
        if not any(each in wanted for each in remote.possible):
            problem = f"{history.identity.label} is Ready for generation {generation}, accepted was {remote.possible}"
            self.breach("S4", f"{problem}, wanted one of {wanted}".replace(SECRET_WORD, "secret"))

    def payloads(self, history: ResourceHistory, generation: int) -> list[Key]:
        """Return the payloads that a generation could have had with each value that its Secret had since."""
        since, spec = history.specs[generation]
        revisions = self.values.get(history.identity.name, [])
        values = [value for at, value in revisions if at >= since]
        values += [value for at, value in revisions if at < since][-1:]
        return [(url_of(spec), value, spec.enabled) for value in values if value is not None]

    def _check_taking(self, history: ResourceHistory, before: Status, after: EventStreamingIntegration) -> None:
        """Check S3: an existing integration is adopted only if the user allowed it, or inferred and marked so."""
        integration_id = after.status.id or 0
        remote = self.remotes.get(integration_id)
        if remote is None:
            self.breach("S3", f"{history.identity.label} holds {integration_id}, which never was")
            return
        # The new owner has to learn again in which form the server stores the URL.
        remote.corrected_forms.clear()
        origin = after.status.origin
        if remote.undone == history.uid and remote.maker is None:
            # The process remembered it over the restore of the API server's backup, or found it again.
            remote.maker, remote.undone = history.uid, None
            history.made += 1
        if remote.maker == history.uid:
            history.taken.add(integration_id)
            return
        if origin is Origin.ADOPTED and after.spec.adoption.policy is AdoptionPolicy.NEVER:
            self.breach("S3", f"{history.identity.label} adopted {integration_id} without leave")
        if origin is Origin.INFERRED and before.internal.creation is None and not before.internal.unresolved_creations:
            self.breach("S3", f"{history.identity.label} inferred {integration_id} without an intent")
        if origin is Origin.CREATED and self._replaced_one(history, integration_id) is not None:
            return  # The answer to its own POST. No LIST has shown yet that another integration has the id.
        if origin not in (Origin.ADOPTED, Origin.INFERRED):
            self.breach("S3", f"{history.identity.label} took {integration_id} for its own: origin {origin}")
        history.taken.add(integration_id)
