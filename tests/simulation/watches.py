"""Watches: ordered, delayed, with gaps without events, and sometimes with an old copy."""

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from netbird_streaming.api.types import ConnectionKind, EventStreamingIntegration, ObjectKey, Resource
from tests.simulation.apiserver import Change
from tests.simulation.network import Process

if TYPE_CHECKING:
    from tests.simulation.world import World  # it creates the watchers

KINDS: Final = (*(each.value for each in ConnectionKind), EventStreamingIntegration.__name__)


class ControllerLike(Protocol):
    """The controller's interface, for the shipped controller and the broken ones that test the checks."""

    def apply_event(self, resource: Resource) -> None:
        """A watch event."""
        ...

    def forget(self, key: ObjectKey, uid: str) -> None:
        """An object is gone."""
        ...

    def secret_changed(self, namespace: str, name: str) -> None:
        """A Secret changed."""
        ...

    def relist(self, kind: str) -> None:
        """A watch of this kind restarted."""
        ...

    def run(self) -> Coroutine[Any, Any, None]:
        """Work until cancelled."""
        ...


@dataclass(frozen=True, slots=True)
class Watch:
    """The delivery of a process' watch: seconds of lag, the probability of an old copy, and its gaps (from, to)."""

    lag: float = 0.05
    stale: float = 0.0
    gaps: tuple[tuple[float, float], ...] = ()


class Watcher:
    """The watches of one process: ordered, delayed, with gaps without events, and with old copies."""

    def __init__(self, world: "World", process: Process, controller: ControllerLike) -> None:
        self._world = world
        self._process = process
        self._controller = controller
        self._latest = 0.0
        self._missed = False
        self._deaf_below = 0
        self._missed_secrets: dict[tuple[str, str], None] = {}

    def saw(self, change: Change) -> None:
        """Deliver a change of the API server."""
        world, process = self._world, self._process
        if not process.owner.alive:
            return
        if change.secret is not None and change.version < self._deaf_below:
            return
        now = world.loop.now
        for begin, end in world.environment.watch.gaps:
            if begin <= now - 1000 < end:
                self._miss(change, end)
                return
        watch = world.environment.watch
        event_draw = world.fault_source.event_draw(process.name, f"watch {change.label}", now, watch.stale)
        self._latest = max(self._latest, now + watch.lag * event_draw.lag)
        self._deliver(change, self._latest)
        if event_draw.again is not None:
            world.tell(f"{process.name} sees an old copy of {change.label} in {event_draw.again:.1f} s")
            self._deliver(change, self._latest + event_draw.again)

    def _miss(self, change: Change, end: float) -> None:
        if change.secret is not None:
            self._missed_secrets[change.secret] = None
        if not self._missed:
            self._missed = True
            self._world.at(end + 0.1, self._restart)

    def broken(self, secrets: Sequence[tuple[str, str]], seconds: float, deaf_below: int) -> None:
        """Break the watches for a while, as if the API server returned with other data. These Secrets are listed again.

        The watch of Secrets continues from a version, so it does not report lower ones.
        """
        self._deaf_below = deaf_below
        self._missed_secrets |= dict.fromkeys(secrets)
        if not self._missed:
            self._missed = True
            self._world.at(self._world.loop.now - 1000 + seconds, self._restart)

    def _restart(self) -> None:
        """Restart the watches. Changes during the gap are not reported."""
        if not self._process.owner.alive:
            return
        self._missed = False
        now, context = self._world.loop.now, self._process.context
        for kind in KINDS:
            self._world.loop.call_at(now + 0.01, self._controller.relist, kind, context=context)
        missed, self._missed_secrets = self._missed_secrets, {}
        for secret in missed:
            self._deliver(Change(0, secret=secret), self._world.loop.now + 0.02)

    def _deliver(self, change: Change, moment: float) -> None:
        controller, call_at = self._controller, self._world.loop.call_at
        context = self._process.context
        if change.secret is not None:
            call_at(moment, controller.secret_changed, *change.secret, context=context)
        elif change.resource is not None and change.gone:
            uid = change.resource.metadata.uid
            call_at(moment, controller.forget, change.resource.key, uid, context=context)
        elif change.resource is not None and change.resource.key not in self._world.api.unreadable:
            call_at(moment, controller.apply_event, change.resource, context=context)
