"""The promises of the design, checked from outside at every step of a scenario and at its end.

Nothing here knows how the reconciler works. The checks use what the API server stores and the requests and state of
NetBird.

- S1 is strict. A lost response is no licence for a second POST. A late commit keeps to its window, so at the time of a
second POST the operator can have seen the integration of the first. It is excused only if another client has edited or
deleted that integration.

- S2 and L1 hold at the end of the scenario, S3 to S6 and S8 at every step.

- S5 counts answered writes. A repetition of the same PUT is excused by a write of another client, an unanswered write,
a process death between a response and its status, a POST that ignored `enabled`, and a server that stores a URL in its
own form.

- A finalizer that a user removed without the operator noticing excuses S2 and S8 for that object.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from netbird_streaming.api.types import EventStreamingIntegration, Resource
from tests.doubles.netbird.wire import Answer, Operation, Request
from tests.simulation.bookkeeping import (
    CANARY,
    IntegrationHistory,
    Key,
    PendingWrite,
    ResourceHistory,
    is_honest,
    key_of_request,
)
from tests.simulation.kubernetes_promises import KubernetesPromises
from tests.simulation.netbird import WriteObserver
from tests.simulation.network import Process

VOUCHED: Final = 60.0
"""Seconds for which a LIST, and then a request on its way, may not show that an id was reused."""
LEAVING: Final = 1.0
"""Seconds after the write of an intent within which its POST is sent."""
FIRST_LOOK: Final = 10.0
"""Seconds after a write within which a LIST that can't lag reads it."""


class Promises(KubernetesPromises, WriteObserver):
    """An observer of all events that collects violations."""

    # Events of NetBird: see `tests.simulation.netbird.WriteObserver`.

    def sent(self, process: Process, request: Request) -> None:
        """Check a write that leaves a process."""
        if request.operation is Operation.CREATE:
            self.posts += 1
            history = self._check_post(request)
        elif request.operation is Operation.UPDATE:
            history = self._check_put(request)
        else:
            history = self._check_delete(request)
        self._pending[id(request)] = PendingWrite(process, request, history)

    def _check_post(self, request: Request) -> ResourceHistory | None:
        key = key_of_request(request)
        histories = self._named_by(key[1])
        intending = [each for each in histories if each.resource.status.internal.creation is not None]
        if not histories:
            self.breach("S3", f"a POST without a resource: {key[0]}")
            return None
        history = (intending or histories)[-1]
        if not intending and self._now() - history.intent_undone_at > LEAVING:
            self.breach("S1", f"a POST for {history.identity.label} ({history.uid}) without an intent in its status")
        self._check_single(history, "is sent")
        self._check_identical(history, key[0])
        if any(each.history is history and each.threatens for each in self._pending.values()):
            self.breach("S1", f"a POST for {history.identity.label} ({history.uid}) while another may still be applied")
        return history

    def _check_identical(self, history: ResourceHistory, url: str) -> None:
        """Check one resource for each account and public configuration. The first intent has precedence."""
        for other in self.histories.values():
            if other is history or other.gone or other.resource.status.internal.owner_uid != other.uid:
                continue
            if other.intends(url) and other.may_share_account(history):
                self.breach(
                    "S1", f"a POST for {history.identity.label} while {other.identity.label} has an intent for the same"
                )

    def _check_single(self, history: ResourceHistory, what: str) -> None:
        live = [
            each.id for each in self.remotes.values() if each.live and each.maker == history.uid and not each.touched
        ]
        if live and not self.hidden and not (self.cut and history.unknown_posts):
            self.breach(
                "S1", f"a POST for {history.identity.label} ({history.uid}) {what} while its integration {live} is live"
            )

    def _check_put(self, request: Request) -> ResourceHistory | None:
        remote, key = self.remotes.get(request.integration_id or 0), key_of_request(request)
        history = self._by_value(key[1])
        if remote is None or history is None:
            self.breach("S3", f"a PUT of {request.integration_id}, which never existed or has no owner")
            return history
        owners = self._owners(remote)
        if self._is_unknown_yet(remote):
            return history
        self._check_authority(history, remote)
        if not any(each.identity == history.identity for each in owners):
            self.breach("S3", f"a PUT of {remote.id} for {history.identity.label}, which does not own it")
        known = remote.answered == key and not remote.excused and not self._is_unanswered(remote)
        if known and key[0] in remote.corrected_forms and not self.restless:
            self.breach("S5", f"a needless PUT of {remote.id} for {history.identity.label}")
        return history

    def _is_unanswered(self, remote: IntegrationHistory) -> bool:
        """Return whether a PUT of it has no response yet because its client is frozen and another process leads."""
        puts = (each for each in self._pending.values() if each.request.operation is Operation.UPDATE)
        return any(each.request.integration_id == remote.id and not each.settled for each in puts)

    def _check_delete(self, request: Request) -> ResourceHistory | None:
        remote = self.remotes.get(request.integration_id or 0)
        owners = self._owners(remote) if remote is not None else []
        if remote is not None and self._is_unknown_yet(remote):
            return None
        former = [
            each for each in self.histories.values() if any(request.integration_id == old.id for old in each.former())
        ]
        if former:
            return former[-1]
        ending = [each for each in owners if each.gone or each.resource.deleting]
        if not ending:
            held = [each.identity.label for each in owners]
            self.breach("S3", f"a DELETE of {request.integration_id}, whose owners {held} are not being deleted")
            return None
        for each in ending[-1:]:
            self._check_authority(each, remote)
        return ending[-1]

    def _is_unknown_yet(self, remote: IntegrationHistory) -> bool:
        """Return whether it got its id so recently that an older LIST may show the previous integration."""
        return self._now() - remote.born < VOUCHED

    def _check_authority(self, history: ResourceHistory, remote: IntegrationHistory | None) -> None:
        """Check S9: the id came from this server for this resource, and no other resource owns it here."""
        if remote is None or history.gone:
            return
        status = history.resource.status
        if status.id == remote.id and not is_honest(status):
            self.breach("S9", f"{history.identity.label} writes to {remote.id}, which another server named")
        others = (each for each in self.histories.values() if each is not history and not each.gone)
        holders = [each.identity.label for each in others if each.holds(remote.id)]
        if holders and not history.holds(remote.id):
            self.breach("S9", f"{history.identity.label} writes to {remote.id}, which {holders} hold")

    def _owners(self, remote: IntegrationHistory) -> list[ResourceHistory]:
        return [each for each in self.histories.values() if each.uid == remote.maker or remote.id in each.taken]

    def _by_value(self, value: str) -> ResourceHistory | None:
        histories = self._named_by(value)
        return histories[-1] if histories else None

    def _named_by(self, value: str) -> list[ResourceHistory]:
        """Return the resources with the name that a Secret's value contains: those that exist last."""
        found = CANARY.fullmatch(value)
        histories = [each for each in self.histories.values() if found and each.identity.name == found.group(1)]
        return sorted(histories, key=lambda each: not each.gone)

    def applying(self, request: Request) -> None:
        """Record that the server is about to apply a write."""
        pending = self._pending[id(request)]
        if request.operation is Operation.CREATE and pending.history is not None:
            self._check_single(pending.history, "is applied")
        self._tell(f"      netbird carries out {request.operation.upper()}{' LATE' if pending.settled else ''}")

    def applied(self, request: Request, answer: Answer) -> None:
        """Record an applied write."""
        pending = self._pending[id(request)]
        if answer.status != HTTPStatus.OK:
            return
        if request.operation is Operation.CREATE:
            body: Any = answer.body
            key = key_of_request(request)
            maker = pending.history.uid if pending.history is not None else None
            remote = IntegrationHistory(body["id"], body["account_id"], maker, key, possible=[key])
            if pending.history is None:
                remote.undone, remote.touched = pending.undone, pending.undone is not None
            remote.excused = body["enabled"] != key[2]
            self._put(remote)
            if pending.history is not None:
                pending.history.made += 1
                pending.history.hidden_posts += self.hidden
            return
        remote = self.remotes[request.integration_id or 0]
        if request.operation is Operation.DELETE:
            remote.live = False
            for history in self._owners(remote):
                # A late one may hit another integration that was given the id.
                is_late = pending.settled or pending.undone is not None
                history.lost += is_late and not history.resource.deleting
        else:
            self._replaced(remote, key_of_request(request), late=pending.settled)

    def _replaced(self, remote: IntegrationHistory, key: Key, *, late: bool) -> None:
        """Record an applied PUT. Only later writes of other clients are new excuses."""
        if remote.answered == key and not remote.excused and not late:
            # The first correction of each server-side form of a URL is excused, because the form is unknown before it.
            remote.corrected_forms.add(key[0])
        remote.key = key
        remote.possible.append(key)
        remote.overtaken |= late
        remote.excused = late

    def answered(self, request: Request, answer: Answer) -> None:
        """Record the response to a write."""
        pending = self._pending[id(request)]
        pending.settled = True
        self.writes.append((self._now(), f"netbird {request.operation}"))
        if request.operation is Operation.DELETE:
            return
        body: Any = answer.body
        remote, key = self.remotes[body["id"]], key_of_request(request)
        remote.answered, remote.unsaved = key, True
        remote.possible = [key] if pending.undone is None else [*remote.possible, key]
        remote.answered_at = self._now()

    def failed(self, request: Request, *, unknown: bool) -> None:
        """Record a write that failed or has an unknown outcome."""
        pending = self._pending[id(request)]
        pending.settled = True
        if not unknown:
            return
        if request.operation is Operation.CREATE and pending.history is not None:
            pending.history.unknown_posts += 1
        if request.integration_id in self.remotes:
            remote = self.remotes[request.integration_id]
            remote.excused = True
            if request.operation is Operation.UPDATE:
                remote.corrected_forms.discard(key_of_request(request)[0])

    def over(self, request: Request) -> None:
        """Record that a request can't be applied any more."""
        self._pending[id(request)].over = True

    def died(self, process: Process) -> None:
        """Excuse the writes in flight and the unwritten state of a dead process."""
        for each in self._pending.values():
            if each.process is process and not each.settled:
                self.failed(each.request, unknown=True)
        for history in self.histories.values():
            history.unknown_posts += history.resource.status.internal.creation is not None
        self.leads()

    def leads(self) -> None:
        """Excuse a new leader: it can't know the unwritten state of a dead or frozen process."""
        for remote in self.remotes.values():
            if remote.unsaved:
                remote.excused = True
                remote.corrected_forms.clear()

    # Events of other clients.

    def foreign(self, integration_id: int, account_id: str, key: Key, *, live: bool = True) -> None:
        """Record that another client created, changed or deleted an integration."""
        known = self.remotes.get(integration_id)
        if known is None or (live and not known.live):
            self._put(IntegrationHistory(integration_id, account_id, None, key, touched=True, born=self._now()))
            return
        if not live:
            self._lose(known)
        known.live, known.touched, known.excused, known.key = live, True, True, key
        known.foreign_writes += 1
        known.disguised |= key[0] in known.foreign_urls and self._now() - known.answered_at < FIRST_LOOK
        known.foreign_urls.add(key[0])
        known.corrected_forms.clear()

    def _put(self, remote: IntegrationHistory) -> None:
        """Record an integration that may reuse the id of a former one. The previous owner does not own it."""
        for history in self.histories.values():
            history.taken.discard(remote.id)
        if remote.id in self.remotes:
            self.replaced.setdefault(remote.id, []).append(self.remotes[remote.id])
        self.remotes[remote.id] = remote

    def _lose(self, remote: IntegrationHistory) -> None:
        for history in self._owners(remote):
            history.lost += 1

    def reverted(self, live: Mapping[int, tuple[str, Key]], before: Mapping[int, IntegrationHistory]) -> None:
        """Record a restored database of NetBird: its state is the earlier one, regardless of later writes."""
        for remote in self.remotes.values():
            if remote.live:
                self._lose(remote)
                remote.live = False
        for integration_id, (account_id, key) in live.items():
            known = before.get(integration_id) or IntegrationHistory(integration_id, account_id, None, key)
            known.live, known.touched, known.excused, known.key, known.born = True, True, True, key, self._now()
            known.foreign_writes += 1
            known.corrected_forms.clear()
            self.remotes[integration_id] = known

    def restored(self, resource: Resource) -> None:
        """Record an object of a restored backup of etcd: what happened after the backup is unknown there."""
        history = self.histories.get(resource.metadata.uid)
        if history is None or not isinstance(resource, EventStreamingIntegration):
            return
        status, generation = resource.status, resource.metadata.generation
        history.specs = {each: spec for each, spec in history.specs.items() if each < generation}
        history.specs[generation] = (self._now(), resource.spec)
        if history.resource.status.internal.creation is not None:
            history.intent_undone_at = self._now()
        seeks = status.internal.creation is not None or bool(status.internal.unresolved_creations)
        known = {status.id, *(each.id for each in status.internal.former)}
        for remote in self._owners_of(history):
            remote.excused = remote.overtaken = True
            remote.corrected_forms.clear()
            remote.possible += self.payloads(history, generation)
            if remote.live and remote.maker == history.uid and remote.id not in known and not seeks:
                remote.maker, remote.undone, remote.touched = None, history.uid, True
        for pending in self._pending.values():
            if pending.history is history and not (pending.over and pending.settled):
                pending.undone = history.uid
                if pending.threatens and not seeks:
                    pending.history = None
        remote_of_id = self.remotes.get(status.id or 0)
        history.lost += remote_of_id is not None and not remote_of_id.live
        history.held = remote_of_id
        history.made = sum(each.live and each.maker == history.uid for each in self.remotes.values())

    def _owners_of(self, history: ResourceHistory) -> list[IntegrationHistory]:
        return [each for each in self.remotes.values() if each.maker == history.uid or each.id in history.taken]

    def hides(self, *, blank: bool) -> None:
        """Record the start or the end of a blank window."""
        if not blank and self.hidden:
            self.hidden_until = self._now() + VOUCHED
        self.blank_since = self._now() if blank else None
