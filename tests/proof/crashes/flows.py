"""The flows of users of the operator, each with an undisturbed preparation and a part with a fault."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

import aiohttp

from netbird_streaming.core.policies.deletion import DELETION_BLOCKED_HELP
from tests.proof.api_user import SECRET, headers_with
from tests.proof.crashes.flow_run import Run
from tests.proof.expectations import Expected, Writes

Step = Callable[[Run], Awaitable[None]]
CHANGED: Final = "https://siem.example.com/changed"


@dataclass(frozen=True, slots=True)
class Flow:
    """A flow. `leased` says that operators compete for a Lease."""

    name: str
    prepare: Step
    act: Step
    writes: Writes
    leased: bool = False

    def __str__(self) -> str:
        """The id in pytest."""
        return self.name


async def _connect(run: Run) -> None:
    await run.secret("siem", key=SECRET)
    await run.connect()
    await run.start()
    await run.connected()


async def _have_one(run: Run, **spec: Any) -> None:
    await _connect(run)
    await run.create("events", **spec)
    await run.ready("events")


async def _have_orphan(run: Run) -> None:
    await _have_one(run, deletionPolicy="Orphan")


async def _have_two_connections(run: Run) -> None:
    await _have_one(run)
    await run.connect("other")
    await run.connected("other")


async def _have_two_operators(run: Run) -> None:
    await _have_one(run)
    await run.start()


async def _create(run: Run) -> None:
    await run.create("events")


async def _update(run: Run) -> None:
    run.wanted["events"] = Expected({"url": CHANGED})
    await run.patch("events", genericHTTP={"url": CHANGED})


async def _rotate(run: Run) -> None:
    key = f"{SECRET}-rotated"
    run.wanted["events"] = replace(run.wanted["events"], config={"headers": headers_with(key)})
    await run.secret("siem", key=key)


async def _disable(run: Run) -> None:
    run.wanted["events"] = replace(run.wanted["events"], enabled=False)
    await run.patch("events", enabled=False)


async def _delete(run: Run) -> None:
    await run.delete("events")


async def _adopt(run: Run) -> None:
    made = run.foreign()
    await run.create("events", adoption={"policy": "Override", "id": made})
    del run.left[made]


async def _orphan(run: Run) -> None:
    run.leave(run.objects["events"]["status"]["id"])
    await run.delete("events")


async def _migrate(run: Run) -> None:
    await run.patch("events", connectionRef={"name": "other"})
    await _update(run)


async def _delete_namespace(run: Run) -> None:
    """After a process has died the token is unknown. Then the user follows the remedy that the condition names."""
    await run.delete_namespace()
    await run.until(lambda: not run.objects or run.deaths > 0, "the namespace's integration is gone, or the operator")
    await run.until(
        lambda: not run.objects or _asks_for_a_way_out(run.objects["events"]), "it is gone, or says why not"
    )
    if run.objects:
        run.leave(run.objects["events"]["status"]["id"])
        with suppress(aiohttp.ClientResponseError):  # it may be removed at this moment
            await run.patch("events", deletionPolicy="Orphan")


def _asks_for_a_way_out(found: dict[str, Any]) -> bool:
    conditions = found.get("status", {}).get("conditions", ())
    return any(DELETION_BLOCKED_HELP in each["message"] for each in conditions if each["type"] == "Ready")


async def _restart(run: Run) -> None:
    await run.stop()
    await _update(run)
    await run.start()


async def _upgrade(run: Run) -> None:
    """As in a Deployment: the new one starts, then the old one ends. Faults of a new leader are tested elsewhere."""
    (old,) = run.processes
    await run.start("--workers=4")
    await run.until(lambda: run.logged().count("health endpoint") > 1, "the new one serves its probes")
    await _update(run)
    await run.until(lambda: run.missing() is None, "one of the two has acted")
    await run.stop(old)


async def _fail_over(run: Run) -> None:
    await _update(run)
    if len(run.processes) > 1:
        run.crash()


FLOWS: Final = (
    Flow("create", _connect, _create, Writes(posts=1)),
    Flow("update", _have_one, _update, Writes(puts=1)),
    Flow("rotate", _have_one, _rotate, Writes(puts=1)),
    Flow("disable", _have_one, _disable, Writes(puts=1)),
    Flow("delete", _have_one, _delete, Writes(deletes=1)),
    Flow("adopt", _connect, _adopt, Writes(puts=1)),
    Flow("orphan", _have_orphan, _orphan, Writes()),
    Flow("migrate", _have_two_connections, _migrate, Writes(puts=1)),
    Flow("namespace", _have_one, _delete_namespace, Writes(deletes=1)),
    Flow("restart", _have_one, _restart, Writes(puts=1)),
    Flow("upgrade", _have_one, _upgrade, Writes(puts=1), leased=True),
    Flow("failover", _have_two_operators, _fail_over, Writes(puts=1), leased=True),
)
