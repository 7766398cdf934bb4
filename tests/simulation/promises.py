"""The promises of the design, checked from outside: at every step of a story, and when it has come to rest.

Nothing here knows how the reconciler works; it sees what the API server stores and what NetBird is asked and does.
What is contractual depends on the adversity:

- S1 is strict. A lost answer is no licence for a second POST: a late commit keeps to its window, so by the time of a
  second POST the operator can have seen the first one's integration. Only where a stranger has edited or deleted that
  integration meanwhile could nobody know it, and nothing is held against the operator.
- S2 and L1 hold when the story has come to rest, S3 to S6 and S8 at every step.
- S5 counts answered writes. A repetition of the same PUT is excused by a stranger's write, an unanswered write, the
  death of the process between an answer and its status, a POST that ignored `enabled`, and a server that keeps a URL
  in its own form.
- A finalizer that a person took away while the operator was looking elsewhere excuses S2 and S8 for that object.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from tests.doubles.netbird.wire import Answer, Operation, Request
from tests.simulation.bookkeeping import CANARY, Key, Life, Pending, Remote, is_honest, key_of_request
from tests.simulation.kubernetes_promises import KubernetesPromises
from tests.simulation.netbird import Witness
from tests.simulation.network import Process

VOUCHED: Final = 60.0
"""Seconds for which a LIST, and then a request on its way, may not know of another integration with the same id."""
FIRST_LOOK: Final = 10.0
"""Seconds after a write within which it is looked at, by a LIST that can't lag."""


class Promises(KubernetesPromises, Witness):
    """Listens to everything and collects what was broken."""

    # What the world says of NetBird: see `tests.simulation.netbird.Witness`.

    def sent(self, process: Process, request: Request) -> None:
        """A write leaves a process."""
        if request.operation is Operation.CREATE:
            self.posts += 1
            life = self._check_post(request)
        elif request.operation is Operation.UPDATE:
            life = self._check_put(request)
        else:
            life = self._check_delete(request)
        self._pending[id(request)] = Pending(process, request, life)

    def _check_post(self, request: Request) -> Life | None:
        key = key_of_request(request)
        found = CANARY.fullmatch(key[1])
        lives = [each for each in self.lives.values() if found and each.identity.name == found.group(1)]
        intending = [each for each in lives if each.resource.status.internal.creation is not None]
        if not lives:
            self.breach("S3", f"a POST for nobody: {key[0]}")
            return None
        life = (intending or lives)[-1]
        if not intending:
            self.breach("S1", f"a POST for {life.identity.label} ({life.uid}) without an intent in its status")
        self._check_single(life, "is sent")
        self._check_twins(life, key[0])
        if any(each.life is life and each.threatens for each in self._pending.values()):
            self.breach("S1", f"a POST for {life.identity.label} ({life.uid}) while another may still be applied")
        return life

    def _check_twins(self, life: Life, url: str) -> None:
        """One resource for each account and public configuration: who holds an intent keeps it."""
        for other in self.lives.values():
            if other is life or other.gone or other.resource.status.internal.owner_uid != other.uid:
                continue
            if other.intends(url) and other.may_share_account(life):
                self.breach(
                    "S1", f"a POST for {life.identity.label} while {other.identity.label} has an intent for the same"
                )

    def _check_single(self, life: Life, what: str) -> None:
        live = [each.id for each in self.remotes.values() if each.live and each.maker == life.uid and not each.touched]
        if live and not self.hidden and not (self.cut and life.unknown_posts):
            self.breach(
                "S1", f"a POST for {life.identity.label} ({life.uid}) {what} while {live} of its making is live"
            )

    def _check_put(self, request: Request) -> Life | None:
        remote, key = self.remotes.get(request.integration_id or 0), key_of_request(request)
        life = self._by_value(key[1])
        if remote is None or life is None:
            self.breach("S3", f"a PUT of {request.integration_id}, which never was or is nobody's")
            return life
        owners = self._owners(remote)
        if self._is_unknown_yet(remote):
            return life
        self._check_authority(life, remote)
        if not any(each.identity == life.identity for each in owners):
            self.breach("S3", f"a PUT of {remote.id} for {life.identity.label}, which does not own it")
        known = remote.answered == key and not remote.excused and not self._is_unanswered(remote)
        if known and key[0] in remote.corrected_forms and not self.restless:
            self.breach("S5", f"a needless PUT of {remote.id} for {life.identity.label}")
        return life

    def _is_unanswered(self, remote: Remote) -> bool:
        """Whether a PUT of it is still without an answer: its sender is frozen, and another process leads."""
        puts = (each for each in self._pending.values() if each.request.operation is Operation.UPDATE)
        return any(each.request.integration_id == remote.id and not each.settled for each in puts)

    def _check_delete(self, request: Request) -> Life | None:
        remote = self.remotes.get(request.integration_id or 0)
        owners = self._owners(remote) if remote is not None else []
        if remote is not None and self._is_unknown_yet(remote):
            return None
        former = [
            each for each in self.lives.values() if any(request.integration_id == old.id for old in each.former())
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

    def _is_unknown_yet(self, remote: Remote) -> bool:
        """Return whether its id was given to it so lately that an older LIST may vouch for the former one."""
        return self._now() - remote.born < VOUCHED

    def _check_authority(self, life: Life, remote: Remote | None) -> None:
        """S9: the id came from this very server, for this very resource, and no other resource holds it here."""
        if remote is None or life.gone:
            return
        status = life.resource.status
        if status.id == remote.id and not is_honest(status):
            self.breach("S9", f"{life.identity.label} writes to {remote.id}, which another server named")
        others = (each for each in self.lives.values() if each is not life and not each.gone)
        holders = [each.identity.label for each in others if each.holds(remote.id)]
        if holders and not life.holds(remote.id):
            self.breach("S9", f"{life.identity.label} writes to {remote.id}, which {holders} hold")

    def _owners(self, remote: Remote) -> list[Life]:
        return [each for each in self.lives.values() if each.uid == remote.maker or remote.id in each.taken]

    def _by_value(self, value: str) -> Life | None:
        found = CANARY.fullmatch(value)
        lives = [each for each in self.lives.values() if found and each.identity.name == found.group(1)]
        return lives[-1] if lives else None

    def applying(self, request: Request) -> None:
        """The server is about to carry a write out."""
        pending = self._pending[id(request)]
        if request.operation is Operation.CREATE and pending.life is not None:
            self._check_single(pending.life, "is applied")
        self._tell(f"      netbird carries out {request.operation.upper()}{' LATE' if pending.settled else ''}")

    def applied(self, request: Request, answer: Answer) -> None:
        """The server carried a write out."""
        pending = self._pending[id(request)]
        if answer.status != HTTPStatus.OK:
            return
        if request.operation is Operation.CREATE:
            body: Any = answer.body
            key = key_of_request(request)
            maker = pending.life.uid if pending.life is not None else None
            remote = Remote(body["id"], body["account_id"], maker, key, possible=[key])
            remote.excused = body["enabled"] != key[2]
            self._put(remote)
            if pending.life is not None:
                pending.life.made += 1
                pending.life.hidden_posts += self.hidden
            return
        remote = self.remotes[request.integration_id or 0]
        if request.operation is Operation.DELETE:
            remote.live = False
            for life in self._owners(remote):
                # One that lands late may hit an integration that was given the id meanwhile.
                life.lost += pending.settled and not life.resource.deleting
        else:
            self._replaced(remote, key_of_request(request), late=pending.settled)

    def _replaced(self, remote: Remote, key: Key, *, late: bool) -> None:
        """NetBird has a PUT of ours; what a stranger does from now on is a new excuse."""
        if remote.answered == key and not remote.excused and not late:
            # A server that keeps a URL in its own form is corrected once for each: nobody can know better before.
            remote.corrected_forms.add(key[0])
        remote.key = key
        remote.possible.append(key)
        remote.overtaken |= late
        remote.excused = late

    def answered(self, request: Request, answer: Answer) -> None:
        """The process has the answer of a write."""
        self._pending[id(request)].settled = True
        self.writes.append((self._now(), f"netbird {request.operation}"))
        if request.operation is Operation.DELETE:
            return
        body: Any = answer.body
        remote, key = self.remotes[body["id"]], key_of_request(request)
        remote.answered, remote.possible, remote.unsaved = key, [key], True
        remote.answered_at = self._now()

    def failed(self, request: Request, *, unknown: bool) -> None:
        """The process was told that the write failed, or that nobody knows."""
        pending = self._pending[id(request)]
        pending.settled = True
        if not unknown:
            return
        if request.operation is Operation.CREATE and pending.life is not None:
            pending.life.unknown_posts += 1
        if request.integration_id in self.remotes:
            remote = self.remotes[request.integration_id]
            remote.excused = True
            if request.operation is Operation.UPDATE:
                remote.corrected_forms.discard(key_of_request(request)[0])

    def over(self, request: Request) -> None:
        """The request can't be applied any more: it was, or it never will be."""
        self._pending[id(request)].over = True

    def died(self, process: Process) -> None:
        """What a process had under way is unknown, and what it had not written yet is lost."""
        for each in self._pending.values():
            if each.process is process and not each.settled:
                self.failed(each.request, unknown=True)
        for life in self.lives.values():
            life.unknown_posts += life.resource.status.internal.creation is not None
        self.leads()

    def leads(self) -> None:
        """A process begins to lead: it can't know what another one, dead or frozen, has not written yet."""
        for remote in self.remotes.values():
            if remote.unsaved:
                remote.excused = True
                remote.corrected_forms.clear()

    # What the world says of strangers.

    def foreign(self, integration_id: int, account_id: str, key: Key, *, live: bool = True) -> None:
        """Somebody else made, changed or deleted an integration."""
        known = self.remotes.get(integration_id)
        if known is None or (live and not known.live):
            self._put(Remote(integration_id, account_id, None, key, touched=True, born=self._now()))
            return
        if not live:
            self._lose(known)
        known.live, known.touched, known.excused, known.key = live, True, True, key
        known.foreign_writes += 1
        known.disguised |= key[0] in known.foreign_urls and self._now() - known.answered_at < FIRST_LOOK
        known.foreign_urls.add(key[0])
        known.corrected_forms.clear()

    def _put(self, remote: Remote) -> None:
        """An integration that may have the id of a former one: who held that does not hold this."""
        for life in self.lives.values():
            life.taken.discard(remote.id)
        self.remotes[remote.id] = remote

    def _lose(self, remote: Remote) -> None:
        for life in self._owners(remote):
            life.lost += 1

    def reverted(self, live: Mapping[int, tuple[str, Key]], before: Mapping[int, Remote]) -> None:
        """NetBird's database was restored: what it holds is what it held then, whoever wrote since."""
        for remote in self.remotes.values():
            if remote.live:
                self._lose(remote)
                remote.live = False
        for integration_id, (account_id, key) in live.items():
            known = before.get(integration_id) or Remote(integration_id, account_id, None, key)
            known.live, known.touched, known.excused, known.key, known.born = True, True, True, key, self._now()
            known.foreign_writes += 1
            known.corrected_forms.clear()
            self.remotes[integration_id] = known

    def hides(self, *, blank: bool) -> None:
        """NetBird begins to show nothing, or ends that."""
        if not blank and self.hidden:
            self.hidden_until = self._now() + VOUCHED
        self.blank_since = self._now() if blank else None
