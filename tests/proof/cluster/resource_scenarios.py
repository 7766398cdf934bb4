"""Scenarios of resources: manually removed finalizers, reused names, restored backups, a lost key."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from netbird_streaming.reasons import Reason
from tests.doubles.netbird.faults import Hang, Moment, Slow
from tests.doubles.netbird.wire import Operation
from tests.proof.cluster.case_runner import CaseRun
from tests.proof.expectations import Writes

_SLOW: Final = Slow(header=2.0)
_KEY: Final = "netbird-streaming-operator-fingerprint-key"


@dataclass(frozen=True, slots=True)
class History:
    """Actions on integrations that are in sync, and their effect on NetBird."""

    name: str
    tell: Callable[[CaseRun], Awaitable[None]]
    writes: Writes

    def __str__(self) -> str:
        """The id in pytest."""
        return self.name


async def _strip_one_at_rest(trial: CaseRun) -> None:
    version = await trial.remove_finalizers("kept")
    await trial.until(lambda: trial.version("kept") > version, "its finalizer is back")
    await trial.delete("kept")


async def _force_away_at_rest(trial: CaseRun) -> None:
    """Only the log can report the remaining integration, and it does."""
    held = trial.objects["kept"]["status"]["id"]
    trial.leave(held)
    trial.wanted.pop("kept")
    trial.freeze()
    await trial.remove_finalizers("kept")
    await trial.kubernetes.call("DELETE", trial.path("kept"))
    trial.thaw()
    await trial.until(
        lambda: any(each.get("integration") == held for each in trial.warnings()), f"the log names {held}"
    )


async def _strip_one_that_is_made(trial: CaseRun) -> None:
    trial.fail(Operation.CREATE, _SLOW)
    await trial.create("made")
    await trial.asked(Operation.CREATE)
    await trial.remove_finalizers("made")


async def _strip_one_that_goes(trial: CaseRun) -> None:
    trial.fail(Operation.DELETE, _SLOW)
    await trial.delete("doomed")
    await trial.asked(Operation.DELETE)
    await trial.remove_finalizers("doomed")


async def _force_away_what_is_made(trial: CaseRun) -> None:
    """The id is in no status when it is removed. The response of its POST is used to delete it."""
    trial.fail(Operation.CREATE, _SLOW)
    await trial.create("made")
    await trial.asked(Operation.CREATE)
    trial.wanted.pop("made")
    await trial.force_away("made")


async def _recreate_while_it_goes(trial: CaseRun) -> None:
    trial.fail(Operation.DELETE, _SLOW)
    await trial.delete("doomed")
    await trial.asked(Operation.DELETE)
    await trial.remove_finalizers("doomed")
    await trial.until(lambda: "doomed" not in trial.objects, "the former one is gone")
    await trial.create("doomed")


async def _recreate_before_it_goes(trial: CaseRun) -> None:
    """NetBird applies the DELETE when the new resource with the same name exists, and the response is lost."""
    trial.fail(Operation.DELETE, Hang(), Moment.LATE, late=3.0)
    await trial.delete("doomed")
    await trial.asked(Operation.DELETE)
    await trial.remove_finalizers("doomed")
    await trial.until(lambda: "doomed" not in trial.objects, "the former one is gone")
    await trial.create("doomed")


async def _recreate_while_it_is_made(trial: CaseRun) -> None:
    trial.fail(Operation.CREATE, Hang(seconds=2.0))
    await trial.create("made")
    await trial.asked(Operation.CREATE)
    await trial.force_away("made")
    await trial.create("made")
    await trial.until(lambda: trial.reason("made") == Reason.IDENTICAL_EXISTS, "the namesake sees what was made")
    await trial.patch("made", adoption={"policy": "Match"})


async def _restore_without_status(trial: CaseRun) -> None:
    """The objects are lost with their finalizers while no operator runs, and are restored as they were written."""
    await trial.stop()
    for name in ("kept", "doomed"):
        await trial.force_away(name)
        await trial.create(name)
    await trial.start()
    await adopt(trial, Reason.IDENTICAL_EXISTS)


async def _restore_with_status(trial: CaseRun) -> None:
    await trial.stop()
    for name in ("kept", "doomed"):
        status = trial.objects[name]["status"]
        await trial.force_away(name)
        await restore(trial, name, status)
    await trial.start()
    await adopt(trial, Reason.RESTORED_STATUS)


async def _lose_the_key(trial: CaseRun) -> None:
    """Only the fingerprint key is lost: each integration is sent once more."""
    await trial.stop()
    secrets = f"/api/v1/namespaces/{trial.installation.namespace}/secrets"
    await trial.kubernetes.call("DELETE", f"{secrets}/{_KEY}")
    empty = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": _KEY}}
    await trial.kubernetes.call("POST", secrets, empty)  # as `helm upgrade` does
    await trial.start()
    await trial.until(lambda: _puts(trial) == 2, "each is sent once more")


async def restore(trial: CaseRun, name: str, status: object) -> None:
    """Create an integration, and write a status from a former object."""
    await trial.create(name)
    found = await trial.kubernetes.call("GET", trial.path(name))
    await trial.kubernetes.call("PUT", f"{trial.path(name)}/status", {**found, "status": status})


async def adopt(trial: CaseRun, reason: Reason) -> None:
    """Check that nothing is written before a user confirms the ownership, and the condition names the candidates."""
    names, before = ("kept", "doomed"), len(trial.netbird.model.history)
    await trial.until(lambda: all(trial.reason(name) == reason for name in names), f"both say {reason}")
    messages = " ".join(_messages(trial.objects[name] for name in names))
    ours = [each for each in trial.netbird.model.integrations if each not in trial.left]
    if not all(str(each) in messages for each in ours):
        trial.breaches.append(f"S2: no condition names {ours}: {messages}")
    if len(trial.netbird.model.history) != before:
        trial.breaches.append("S3: what was not proven to be its own was written to")
    for name in names:
        await trial.patch(name, adoption={"policy": "Match"})


def _messages(those: Iterable[dict[str, Any]]) -> list[str]:
    return [each["message"] for found in those for each in found["status"]["conditions"]]


def _puts(trial: CaseRun) -> int:
    return sum(each.operation is Operation.UPDATE for each in trial.netbird.model.history)


HISTORIES: Final = (
    History("finalizer removed at rest", _strip_one_at_rest, Writes(deletes=1)),
    History("forced away at rest", _force_away_at_rest, Writes()),
    History("finalizer removed in a POST", _strip_one_that_is_made, Writes(posts=1)),
    History("finalizer removed in a DELETE", _strip_one_that_goes, Writes(deletes=1)),
    History("forced away in a POST", _force_away_what_is_made, Writes(posts=1, deletes=1)),
    History("namesake in a DELETE", _recreate_while_it_goes, Writes(posts=1, deletes=1)),
    History("namesake in a late DELETE", _recreate_before_it_goes, Writes(posts=1, deletes=1)),
    History("namesake in a POST", _recreate_while_it_is_made, Writes(posts=1, puts=1)),
    History("restored without status", _restore_without_status, Writes(puts=2)),
    History("restored with status", _restore_with_status, Writes(puts=2)),
    History("fingerprint key lost", _lose_the_key, Writes(puts=2)),
)
