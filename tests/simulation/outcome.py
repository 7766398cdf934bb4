"""The required end of a scenario: the conditions that are correct after the actions of users and other clients."""

from typing import Final
from urllib.parse import urlsplit

from netbird_streaming.api.types import AdoptionPolicy, ConnectionKind, DriftPolicy
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.connection.account import MANY_MISSED
from tests.doubles.netbird.behaviour import Form
from tests.simulation.bookkeeping import IntegrationHistory, Key, ResourceHistory, key_of, ready_of, url_of
from tests.simulation.environment import SETTLED
from tests.simulation.promises import Promises
from tests.simulation.random_scenario import RandomScenario

MOST_QUIET_CALLS: Final = 120
"""The bound of requests in ten idle minutes: resyncs, a relist and rare retries."""
CONTENDED_AFTER: Final = 3


def check_end(scenario: RandomScenario) -> None:
    """Check S1, S2, L1, L3 and L4 at the end of a scenario."""
    promises = scenario.world.promises
    for failure in (*scenario.world.loop.failures, *scenario.world.loop.unseen_failures()):
        promises.breach("L4", f"an uncaught exception: {failure}")
    _check_quiet(scenario, promises)
    if scenario.quiet_calls > MOST_QUIET_CALLS:
        promises.breach("L4", f"{scenario.quiet_calls} requests in quiet time")
    for remote in promises.remotes.values():
        if remote.live and remote.maker is not None:
            _check_remembered(scenario, promises, remote)
    _check_server(scenario, promises)
    for history in promises.histories.values():
        live = [each.id for each in promises.remotes.values() if each.live and each.maker == history.uid]
        # A POST is sent while NetBird hides what exists for longer than the absence window. The status names both, or
        # the Warning of the release does. A truncated list can hide the outcome of a POST for ever.
        reported = history.hidden_posts and all(_is_reported(history, each) for each in live)
        unseen = promises.cut and (history.hidden_posts or history.unknown_posts)
        if (
            len(live) > 1
            and not (history.hostile or history.released_unseen)
            and not reported
            and not unseen
            and not any(promises.remotes[each].touched for each in live)
        ):
            promises.breach("S1", f"{history.identity.label} ({history.uid}) has made {live}, and all are live")
        if not history.gone and not history.hostile:
            _check_resource(scenario, history)


def _check_quiet(scenario: RandomScenario, promises: Promises) -> None:
    """Check that nothing is written while nothing changes."""
    late = [what for at, what in promises.writes if at > 1000 + SETTLED]
    for history in promises.histories.values():
        ready, write = ready_of(history.resource.status), f"k8s {history.identity.label}"
        if _hangs(scenario, history):
            # Each retry of a create writes its intent first, and the destination never responds.
            late = [each for each in late if each != write]
        if history.hostile and ready is not None and ready.reason == Reason.UNAVAILABLE and write in late:
            # A tenant's server does not respond after the scenario. Its resource reports that, once, at its next retry:
            # a stalled one has a backoff of half an hour.
            late.remove(write)
    if late:
        promises.breach("L1", f"{len(late)} writes while nothing changes: {late[:4]}")


def _check_server(scenario: RandomScenario, promises: Promises) -> None:
    """Check the state of the server itself, including what it did not show."""
    owners: dict[tuple[str | None, int, str | None], str] = {}
    for history in promises.histories.values():
        status, label = history.resource.status, history.identity.label
        if history.gone or status.id is None or status.internal.owner_uid != history.uid:
            continue
        other = owners.setdefault((status.account_id, status.id, status.created_at), label)
        if other != label:
            promises.breach("S9", f"{label} and {other} own integration {status.id}")
    for history in promises.histories.values():
        most = 1 + history.lost + history.hidden_posts
        if history.made > most and not scenario.switched and not promises.cut:
            promises.breach(
                "S1", f"{history.identity.label} ({history.uid}) made {history.made}, and lost {history.lost}"
            )
    _check_streams(promises)


def _is_reported(history: ResourceHistory, integration_id: int) -> bool:
    status = history.resource.status
    return status.id == integration_id or any(str(integration_id) in each.message for each in status.conditions)


def _names(history: ResourceHistory, integration_id: int) -> bool:
    """Return whether a status owns it, a condition names it, or an adoption in another account left it."""
    return _has_left(history, integration_id) or _is_reported(history, integration_id)


def _has_left(history: ResourceHistory, integration_id: int) -> bool:
    """Return whether an adoption in another account left it. The Events of the adoption and of a deletion name it."""
    status = history.resource.status
    here = (status.internal.authority, status.account_id)
    return any(
        each.id == integration_id and (each.authority, each.account_id) != here for each in status.internal.former
    )


def _check_streams(promises: Promises) -> None:
    """Check that no destination has more integrations of the operator than resources that declare or report one.

    These may stay: what another client changed or a restored database brought back (`touched`), what the user asked to
    keep (`orphaned`), what had its finalizer removed by hand (`torn`), what a truncated list hides (`cut`).
    """
    for remote in promises.remotes.values():
        maker = promises.histories.get(remote.maker or "")
        if not remote.live or maker is None or remote.touched or maker.orphaned or maker.torn or promises.cut:
            continue
        if maker.gone and _has_left(maker, remote.id):
            continue
        histories = [each for each in promises.histories.values() if not each.gone]
        sought = any(each is maker and each.resource.status.internal.creation is not None for each in histories)
        if not sought and not any(_names(each, remote.id) for each in histories):
            promises.breach(
                "S1", f"integration {remote.id} of {maker.identity.label} is live, and no resource declares it"
            )


def _check_remembered(scenario: RandomScenario, promises: Promises, remote: IntegrationHistory) -> None:
    """Check S2: the id is in a status or a condition, or an intent is open, or the user released it."""
    maker = promises.histories[remote.maker or ""]
    for history in promises.histories.values():
        if history.gone:
            continue
        sought = history is maker and history.resource.status.internal.creation is not None
        if sought or _names(history, remote.id):
            return
    # As in `_check_streams`.
    if maker.orphaned or maker.torn or maker.hostile or remote.touched or promises.cut:
        return
    scenario.world.promises.breach(
        "S2", f"integration {remote.id} of {maker.identity.label} ({maker.uid}) is forgotten"
    )


def _check_resource(scenario: RandomScenario, history: ResourceHistory) -> None:
    promises, resource = scenario.world.promises, history.resource
    label, ready = history.identity.label, ready_of(resource.status)
    allowed = _excuses(scenario, history)
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
    in_order = remote is not None and remote.live and _is_as_declared(scenario, history, remote)
    if ready.reason == Reason.SYNCED:
        if not in_order or ready.status != "True":
            promises.breach("L1", f"{label} says Synced, and NetBird has {remote}".replace("CANARY", "secret"))
        if ready.observed_generation != resource.metadata.generation:
            promises.breach("L1", f"{label} says Synced of an old generation")
        return
    if ready.reason not in allowed:
        expected = sorted(allowed) or "Synced"
        promises.breach("L1", f"{label} ends as {ready.status}/{ready.reason} ({ready.message}), expected {expected}")


def _is_as_declared(scenario: RandomScenario, history: ResourceHistory, remote: IntegrationHistory) -> bool:
    """Return whether the server's record has the newest URL, secret and `enabled`."""
    spec, kept = history.resource.spec, scenario.world.netbird.integrations.get(remote.id)
    values = [value for _, value in scenario.world.promises.values.get(history.identity.name, []) if value is not None]
    wanted: Key = (url_of(spec), values[-1] if values else "", spec.enabled)
    if kept is not None and key_of(kept.config, enabled=kept.enabled) == wanted:
        return True
    behaviour = scenario.world.environment.behaviour
    # The operator can't know better in these cases: a GET by id shows no settings, a list is truncated, or values are
    # masked. If the response to a PUT may have the previous time, a database that is restored before the next LIST
    # leaves no trace.
    masked = behaviour.form in (Form.UNRELATED, Form.MASKED_PATH)
    undated = behaviour.put_answers_before or behaviour.database_skew != 0 or not behaviour.date_header
    unseen = behaviour.list_limit is not None or (remote.touched and (masked or undated))
    return spec.drift_policy is DriftPolicy.REPORT or spec.suspend or unseen


def _excuses(scenario: RandomScenario, history: ResourceHistory) -> set[str]:
    """Return the reasons, other than success, with which this resource may end."""
    resource = history.resource
    found = _of_the_secret(scenario, history) | _of_the_connection(scenario, history) | _of_others(scenario, history)
    if resource.spec.suspend:
        found |= {Reason.SUSPENDED}
    found |= _of_adoption(scenario, history) | _of_unspecified_behaviour(scenario, history)
    return {str(each) for each in found}


def _of_unspecified_behaviour(scenario: RandomScenario, history: ResourceHistory) -> set[Reason]:
    """Return the reasons of a server with uncertain behaviour: named in the condition, never written."""
    behaviour, promises = scenario.world.environment.behaviour, scenario.world.promises
    own = [each for each in promises.remotes.values() if each.maker == history.uid or each.id in history.taken]
    found: set[Reason] = set()
    edited = len(history.specs) > 1 or any(each.touched for each in own)
    # What another client restores just after a correction looks as if the PUT had not been carried out.
    if any(each.disguised for each in own) or (edited and (behaviour.immutable or behaviour.form is Form.UNRELATED)):
        found |= {Reason.NOT_APPLIED}
    # Such a form of the own integration can't be distinguished from another integration if the id was lost.
    if behaviour.form in (Form.UNRELATED, Form.MASKED_PATH, Form.ADDED_HEADER):
        found |= {Reason.IDENTICAL_EXISTS, Reason.ADOPTION_MISMATCH, Reason.CREATE_AMBIGUOUS}
    intent = history.resource.status.internal.creation
    if history.unknown_posts or intent is not None or history.resource.status.internal.unresolved_creations:
        found |= {Reason.CREATE_AMBIGUOUS}
    if edited and (behaviour.immutable or behaviour.form is Form.UNRELATED) and _reports(history):
        # Where the response to a PUT has no time of its own, nothing distinguishes this from a foreign write.
        found |= {Reason.DRIFTED}
    # With `Report` nothing is created again.
    if (history.lost or promises.cut) and _reports(history):
        found |= {Reason.REMOTE_DELETED}
    # A person has to confirm that so many are gone. A truncated list also omits live integrations.
    missed = [each for each in promises.histories.values() if not each.gone and (each.lost or promises.cut)]
    if history.lost and len(missed) >= MANY_MISSED:
        found |= {Reason.INTEGRATIONS_VANISHED}
    if history.former() and (history.resource.spec.drift_policy is DriftPolicy.REPORT or history.resource.spec.suspend):
        found |= {Reason.IDENTICAL_EXISTS}
    if _hangs(scenario, history):
        found |= {Reason.DESTINATION_REJECTED, Reason.PROGRESSING}
    if behaviour.immutable:
        found |= {Reason.CONTENDED}
    return found


def _hangs(scenario: RandomScenario, history: ResourceHistory) -> bool:
    """Return whether the destination never responds."""
    hosts = scenario.world.environment.behaviour.hanging_hosts
    return urlsplit(url_of(history.resource.spec)).hostname in hosts


def _reports(history: ResourceHistory) -> bool:
    return history.resource.spec.drift_policy is DriftPolicy.REPORT


def _of_the_secret(scenario: RandomScenario, history: ResourceHistory) -> set[Reason]:
    gone = (history.identity.namespace, f"secret-{history.identity.name}") not in scenario.world.api.secrets
    return {Reason.SECRET_NOT_FOUND} if gone and not history.resource.deleting else set()


def _of_the_connection(scenario: RandomScenario, history: ResourceHistory) -> set[Reason]:
    ref = history.resource.spec.connection_ref
    found: set[Reason] = set()
    if ref.name == "foreign":
        found |= {Reason.ACCOUNT_MISMATCH, Reason.ACCOUNT_UNCONFIRMED}
    if ref.name == "second" and not scenario.world.environment.reads_accounts:
        found |= {Reason.ACCOUNT_UNCONFIRMED}
    account = {"main": scenario.account, "foreign": "acc-b"}.get(ref.name, "acc-a")
    listed = any(each.live and each.account_id == account for each in scenario.world.promises.remotes.values())
    moved = any(spec.connection_ref != ref for _, spec in history.specs.values())
    intent = history.resource.status.internal.creation
    # An intent that another connection or token wrote may be of another account.
    elsewhere = intent is not None and (moved or scenario.switched)
    # If NetBird did not report the account of a token before it was replaced, that account stays unknown.
    account_unknown = intent is not None and intent.account_id is None and scenario.rotated
    if (not scenario.world.environment.reads_accounts and not listed) or elsewhere or account_unknown:
        found |= {Reason.ACCOUNT_UNCONFIRMED}
    if history.resource.status.account_id not in (None, account):
        found |= {Reason.ACCOUNT_MISMATCH}
    cluster = ref.kind is ConnectionKind.CLUSTER
    connection = next(
        (
            each
            for key, each in scenario.world.api.objects.items()
            if key.kind == ref.kind.value and key.name == ref.name
        ),
        None,
    )
    if connection is None or connection.deleting:
        found |= {Reason.CONNECTION_NOT_FOUND}
    space = "operator" if cluster else "team"
    if (space, f"token-{ref.name}") not in scenario.world.api.secrets:
        # The account that a process remembers for the token may be out of date.
        found |= {Reason.SECRET_NOT_FOUND, Reason.TOKEN_REJECTED}
    return found


def _of_others(scenario: RandomScenario, history: ResourceHistory) -> set[Reason]:
    promises, resource = scenario.world.promises, history.resource
    found: set[Reason] = set()
    url = url_of(resource.spec)
    others = [
        each for each in promises.histories.values() if each is not history and not each.gone and not each.hostile
    ]
    # Another resource declares the URL, its integration has it, or its create may have made one that has.
    if any(url_of(each.resource.spec) == url or _holds(scenario, each, url) or each.intends(url) for each in others):
        found |= {Reason.OWNERSHIP_CONFLICT, Reason.IDENTICAL_EXISTS}
    unowned = [each for each in promises.remotes.values() if each.live and each.maker != history.uid]
    if any(each.key[0] == url for each in unowned):
        found |= {Reason.IDENTICAL_EXISTS}
    own = [each for each in promises.remotes.values() if each.maker == history.uid or each.id in history.taken]
    formed = scenario.world.environment.behaviour.normalise_urls
    # After a restart the operator can't tell whether the server's form of a URL is drift, so with `Report` it reports
    # drift. It also can't tell its own unanswered PUT, applied after the next one, from a write by another client.
    if (
        formed or any(each.touched or each.overtaken for each in own)
    ) and resource.spec.drift_policy is DriftPolicy.REPORT:
        found |= {Reason.DRIFTED, Reason.REMOTE_DELETED}
    # Late PUTs of the operator and the server's own forms count as writes of another client, because they look the same
    # from outside. Undoing one of those takes two corrections. Re-creating a lost integration counts as a correction.
    most = CONTENDED_AFTER - formed
    if sum(each.foreign_writes for each in own) + history.lost >= most or (
        formed and any(each.overtaken for each in own)
    ):
        found |= {Reason.CONTENDED}
    if any(each.touched for each in own):
        found |= {Reason.IDENTICAL_EXISTS}
    return found


def _holds(scenario: RandomScenario, history: ResourceHistory, url: str) -> bool:
    """Return whether the owned integration has this URL, or was sent it: a server may not apply what it accepts."""
    remote = scenario.world.promises.remotes.get(history.resource.status.id or 0)
    kept = scenario.world.netbird.integrations.get(history.resource.status.id or 0)
    if remote is None or kept is None or not remote.live:
        return False
    return url in (remote.key[0], key_of(kept.config, enabled=kept.enabled)[0])


def _of_adoption(scenario: RandomScenario, history: ResourceHistory) -> set[Reason]:
    resource = history.resource
    found: set[Reason] = set()
    # A status from a backup names an integration that another uid owned.
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
