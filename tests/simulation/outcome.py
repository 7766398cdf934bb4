"""How a story must end: what each resource's users and strangers made of it decides what its conditions may say."""

from typing import Final

from netbird_streaming.api.types import AdoptionPolicy, ConnectionKind, DriftPolicy
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.connection.account import MANY_MISSED
from tests.doubles.netbird.behaviour import Form
from tests.simulation.bookkeeping import Key, Life, Remote, key_of, ready_of, url_of
from tests.simulation.environment import SETTLED
from tests.simulation.promises import Promises
from tests.simulation.random_scenario import Story

MOST_QUIET_CALLS: Final = 120
"""Requests of all kinds in a story's quiet ten minutes: resyncs, a relist, rare tries where something is amiss."""
CONTENDED_AFTER: Final = 3


def check_end(story: Story) -> None:
    """Check S1, S2, L1, L3 and L4 at the end of a story."""
    promises = story.world.promises
    for failure in (*story.world.loop.failures, *story.world.loop.unseen_failures()):
        promises.breach("L4", f"nobody caught {failure}")
    _check_quiet(promises)
    if story.quiet_calls > MOST_QUIET_CALLS:
        promises.breach("L4", f"{story.quiet_calls} requests in quiet time")
    for remote in promises.remotes.values():
        if remote.live and remote.maker is not None:
            _check_remembered(story, promises, remote)
    _check_server(story, promises)
    for life in promises.lives.values():
        live = [each.id for each in promises.remotes.values() if each.live and each.maker == life.uid]
        told = life.hidden_posts and all(_is_told(life, each) for each in live)
        unseen = promises.cut and (life.hidden_posts or life.unknown_posts)
        if (
            len(live) > 1
            and not life.hostile
            and not told
            and not unseen
            and not any(promises.remotes[each].touched for each in live)
        ):
            promises.breach("S1", f"{life.identity.label} ({life.uid}) has made {live}, and all are live")
        if not life.gone and not life.hostile:
            _check_resource(story, life)


def _check_quiet(promises: Promises) -> None:
    """Check that nothing is written while nothing changes."""
    late = [what for at, what in promises.writes if at > 1000 + SETTLED]
    for life in promises.lives.values():
        ready, write = ready_of(life.resource.status), f"k8s {life.identity.label}"
        if life.hostile and ready is not None and ready.reason == Reason.UNAVAILABLE and write in late:
            # A tenant's own server answers no more once the story is over: its resource says so at its next retry.
            late.remove(write)
    if late:
        promises.breach("L1", f"{len(late)} writes while nothing changes: {late[:4]}")


def _check_server(story: Story, promises: Promises) -> None:
    """Check what holds of the server's own state, whatever it showed."""
    owners: dict[tuple[str | None, int, str | None], str] = {}
    for life in promises.lives.values():
        status, label = life.resource.status, life.identity.label
        if life.gone or status.id is None or status.internal.owner_uid != life.uid:
            continue
        other = owners.setdefault((status.account_id, status.id, status.created_at), label)
        if other != label:
            promises.breach("S9", f"{label} and {other} own integration {status.id}")
    for life in promises.lives.values():
        most = 1 + life.lost + life.hidden_posts
        if life.made > most and not story.switched and not promises.cut:
            promises.breach("S1", f"{life.identity.label} ({life.uid}) made {life.made}, and lost {life.lost}")
    _check_streams(promises)


def _is_told(life: Life, integration_id: int) -> bool:
    status = life.resource.status
    return status.id == integration_id or any(str(integration_id) in each.message for each in status.conditions)


def _names(life: Life, integration_id: int) -> bool:
    """Return whether a status owns it, a condition names it, or an adoption in another account left it."""
    status = life.resource.status
    here = (status.internal.authority, status.account_id)
    left = {each.id for each in status.internal.former if (each.authority, each.account_id) != here}
    return integration_id in left or _is_told(life, integration_id)


def _check_streams(promises: Promises) -> None:
    """No destination has more streams of the operator's making than resources that declare it, or are told of one."""
    for remote in promises.remotes.values():
        maker = promises.lives.get(remote.maker or "")
        if not remote.live or maker is None or remote.touched or maker.orphaned or maker.torn or promises.cut:
            continue
        lives = [each for each in promises.lives.values() if not each.gone]
        sought = any(each is maker and each.resource.status.internal.creation is not None for each in lives)
        if not sought and not any(_names(each, remote.id) for each in lives):
            promises.breach("S1", f"integration {remote.id} of {maker.identity.label} streams, and nobody declares it")


def _check_remembered(story: Story, promises: Promises, remote: Remote) -> None:
    """S2: the id is in a status or a condition, or looked for still (an open intent), or the user let it go."""
    maker = promises.lives[remote.maker or ""]
    for life in promises.lives.values():
        if life.gone:
            continue
        sought = life is maker and life.resource.status.internal.creation is not None
        if sought or _names(life, remote.id):
            return
    if maker.orphaned or maker.torn or maker.hostile or remote.touched or promises.cut:
        return
    story.world.promises.breach("S2", f"integration {remote.id} of {maker.identity.label} ({maker.uid}) is forgotten")


def _check_resource(story: Story, life: Life) -> None:
    promises, resource = story.world.promises, life.resource
    label, ready = life.identity.label, ready_of(resource.status)
    allowed = _excuses(story, life)
    if resource.deleting and resource.has_finalizer:
        if not allowed:
            promises.breach("L1", f"{label} is still being deleted: {ready.reason if ready else None}")
        elif ready is None or ready.reason not in allowed:
            said = f"{ready.reason}: {ready.message}" if ready else None
            promises.breach("L3", f"{label} is still being deleted and says {said}, expected {sorted(allowed)}")
        return
    if ready is None:
        promises.breach("L3", f"{label} says nothing")
        return
    remote = promises.remotes.get(resource.status.id or 0)
    in_order = remote is not None and remote.live and _is_as_declared(story, life, remote)
    if ready.reason == Reason.SYNCED:
        if not in_order or ready.status != "True":
            promises.breach("L1", f"{label} says Synced, and NetBird has {remote}".replace("CANARY", "secret"))
        if ready.observed_generation != resource.metadata.generation:
            promises.breach("L1", f"{label} says Synced of an old generation")
        return
    if ready.reason not in allowed:
        expected = sorted(allowed) or "Synced"
        promises.breach("L1", f"{label} ends as {ready.status}/{ready.reason} ({ready.message}), expected {expected}")


def _is_as_declared(story: Story, life: Life, remote: Remote) -> bool:
    """Whether the server's own record has the URL, the secret and the switch of the newest generation and value."""
    spec, kept = life.resource.spec, story.world.netbird.integrations.get(remote.id)
    values = [value for _, value in story.world.promises.values.get(life.identity.name, []) if value is not None]
    wanted: Key = (url_of(spec), values[-1] if values else "", spec.enabled)
    if kept is not None and key_of(kept.config, enabled=kept.enabled) == wanted:
        return True
    behaviour = story.world.climate.behaviour
    # A thin answer by id shows no settings, a list that is cut shows none of what is beyond it, a masked one not all;
    # and where nothing tells whether the answer to a PUT has its time or the one before, a database restored before the
    # next LIST leaves no trace.
    masked = behaviour.form in (Form.UNRELATED, Form.MASKED_PATH)
    undated = behaviour.put_answers_before or behaviour.database_skew != 0 or not behaviour.date_header
    unseen = behaviour.list_limit is not None or (remote.touched and (masked or undated))
    return spec.drift_policy is DriftPolicy.REPORT or spec.suspend or unseen


def _excuses(story: Story, life: Life) -> set[str]:
    """The reasons that this resource may end with, other than being in order."""
    resource = life.resource
    found = _of_the_secret(story, life) | _of_the_connection(story, life) | _of_others(story, life)
    if resource.spec.suspend:
        found |= {Reason.SUSPENDED}
    found |= _of_adoption(story, life) | _of_habits(story, life)
    return {str(each) for each in found}


def _of_habits(story: Story, life: Life) -> set[Reason]:
    """What a server of which little is certain leaves to a person: named, and never written."""
    behaviour, promises = story.world.climate.behaviour, story.world.promises
    own = [each for each in promises.remotes.values() if each.maker == life.uid or each.id in life.taken]
    found: set[Reason] = set()
    edited = len(life.specs) > 1 or any(each.touched for each in own)
    if any(each.disguised for each in own) or (edited and (behaviour.immutable or behaviour.form is Form.UNRELATED)):
        found |= {Reason.NOT_APPLIED}
    if behaviour.form in (Form.UNRELATED, Form.MASKED_PATH, Form.ADDED_HEADER):
        found |= {Reason.IDENTICAL_EXISTS, Reason.ADOPTION_MISMATCH, Reason.CREATE_AMBIGUOUS}
    intent = life.resource.status.internal.creation
    if life.unknown_posts or intent is not None or life.resource.status.internal.unresolved_creations:
        found |= {Reason.CREATE_AMBIGUOUS}
    if (behaviour.stamps or behaviour.immutable) and life.resource.spec.drift_policy is DriftPolicy.REPORT:
        found |= {Reason.DRIFTED}
    if (life.lost or promises.cut) and life.resource.spec.drift_policy is DriftPolicy.REPORT:
        found |= {Reason.REMOTE_DELETED}
    # A list that is cut lacks what is live, too.
    missed = [each for each in promises.lives.values() if not each.gone and (each.lost or promises.cut)]
    if life.lost and len(missed) >= MANY_MISSED:
        found |= {Reason.INTEGRATIONS_VANISHED}
    if life.former() and (life.resource.spec.drift_policy is DriftPolicy.REPORT or life.resource.spec.suspend):
        found |= {Reason.IDENTICAL_EXISTS}
    if life.lost > CONTENDED_AFTER or behaviour.immutable:
        found |= {Reason.CONTENDED}
    return found


def _of_the_secret(story: Story, life: Life) -> set[Reason]:
    gone = (life.identity.namespace, f"secret-{life.identity.name}") not in story.world.api.secrets
    return {Reason.SECRET_NOT_FOUND} if gone and not life.resource.deleting else set()


def _of_the_connection(story: Story, life: Life) -> set[Reason]:
    ref = life.resource.spec.connection_ref
    found: set[Reason] = set()
    if ref.name == "foreign":
        found |= {Reason.ACCOUNT_MISMATCH, Reason.ACCOUNT_UNCONFIRMED}
    if ref.name == "second" and not story.world.climate.reads_accounts:
        found |= {Reason.ACCOUNT_UNCONFIRMED}
    account = {"main": story.account, "foreign": "acc-b"}.get(ref.name, "acc-a")
    listed = any(each.live and each.account_id == account for each in story.world.promises.remotes.values())
    moved = any(spec.connection_ref != ref for _, spec in life.specs.values())
    intent = life.resource.status.internal.creation
    elsewhere = intent is not None and (moved or story.switched)
    # Where NetBird did not tell which account a token was for, before another one came, nobody knows any more.
    untold = intent is not None and intent.account_id is None and story.rotated
    if (not story.world.climate.reads_accounts and not listed) or elsewhere or untold:
        found |= {Reason.ACCOUNT_UNCONFIRMED}
    if life.resource.status.account_id not in (None, account):
        found |= {Reason.ACCOUNT_MISMATCH}
    cluster = ref.kind is ConnectionKind.CLUSTER
    connection = next(
        (each for key, each in story.world.api.objects.items() if key.kind == ref.kind.value and key.name == ref.name),
        None,
    )
    if connection is None or connection.deleting:
        found |= {Reason.CONNECTION_NOT_FOUND}
    space = "operator" if cluster else "team"
    if (space, f"token-{ref.name}") not in story.world.api.secrets:
        # What a process still remembers of the token may be out of date by now.
        found |= {Reason.SECRET_NOT_FOUND, Reason.TOKEN_REJECTED}
    return found


def _of_others(story: Story, life: Life) -> set[Reason]:
    promises, resource = story.world.promises, life.resource
    found: set[Reason] = set()
    url = url_of(resource.spec)
    others = [each for each in promises.lives.values() if each is not life and not each.gone and not each.hostile]
    if any(url_of(each.resource.spec) == url or _holds(promises, each, url) or each.intends(url) for each in others):
        found |= {Reason.OWNERSHIP_CONFLICT, Reason.IDENTICAL_EXISTS}
    strangers = [each for each in promises.remotes.values() if each.live and each.maker != life.uid]
    if any(each.key[0] == url for each in strangers):
        found |= {Reason.IDENTICAL_EXISTS}
    lost = life.unknown_posts > 0 or bool(resource.status.internal.unresolved_creations)
    if lost and (strangers or any(each.touched for each in promises.remotes.values())):
        found |= {Reason.CREATE_AMBIGUOUS}
    own = [each for each in promises.remotes.values() if each.maker == life.uid or each.id in life.taken]
    formed = story.world.climate.behaviour.normalise_urls
    # After a restart nobody knows whether the server's own form of a URL is a drift; who only reports says that it is.
    # Nor can it be told from a stranger's write when an unanswered PUT of our own lands after the one that followed it.
    if (
        formed or any(each.touched or each.overtaken for each in own)
    ) and resource.spec.drift_policy is DriftPolicy.REPORT:
        found |= {Reason.DRIFTED, Reason.REMOTE_DELETED}
    # Late PUTs of our own and a server's own forms count as a stranger's writes: from outside they look the same. To
    # undo one of a stranger's takes two corrections there. A creation of what was lost counts as a correction.
    most = CONTENDED_AFTER - formed
    if sum(each.foreign_writes for each in own) + life.lost >= most or (formed and any(each.overtaken for each in own)):
        found |= {Reason.CONTENDED}
    if any(each.touched for each in own):
        found |= {Reason.IDENTICAL_EXISTS}
    return found


def _holds(promises: Promises, life: Life, url: str) -> bool:
    remote = promises.remotes.get(life.resource.status.id or 0)
    return remote is not None and remote.live and remote.key[0] == url


def _of_adoption(story: Story, life: Life) -> set[Reason]:
    resource = life.resource
    found: set[Reason] = set()
    claimed = resource.status.internal.claimed_id
    if claimed is not None:
        found |= {Reason.RESTORED_STATUS, Reason.IDENTICAL_EXISTS}
    if resource.spec.adoption.policy is not AdoptionPolicy.NEVER:
        found |= {Reason.ADOPTION_AMBIGUOUS, Reason.ADOPTION_NOT_ALLOWED}
    if resource.spec.adoption.id is not None:
        found |= {
            Reason.ADOPTION_CLAIMED,
            Reason.ADOPTION_MISMATCH,
            Reason.ADOPTION_NOT_FOUND,
            Reason.PLATFORM_MISMATCH,
        }
    return found
