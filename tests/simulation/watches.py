"""Watches: in order, late, with gaps of which they tell no more than that, and now and then a stale copy."""

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from netbird_streaming.api.types import ConnectionKind, EventStreamingIntegration, ObjectKey, Resource
from tests.simulation.apiserver import Change
from tests.simulation.network import Process

if TYPE_CHECKING:
    from tests.simulation.world import World  # it makes the watchers

KINDS: Final = (*(each.value for each in ConnectionKind), EventStreamingIntegration.__name__)


class ControllerLike(Protocol):
    """What the world needs of the shipped controller, and of the wrong ones that prove the checks."""

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
        """A watch of this kind begins anew."""
        ...

    def run(self) -> Coroutine[Any, Any, None]:
        """Work until cancelled."""
        ...


@dataclass(frozen=True, slots=True)
class Watch:
    """How a process' watch delivers: seconds of lag, the chance of a copy that comes late, and its gaps (from, to)."""

    lag: float = 0.05
    stale: float = 0.0
    gaps: tuple[tuple[float, float], ...] = ()


class Watcher:
    """One process' watches: in order, late, with gaps of which they tell no more than that, and stale copies."""

    def __init__(self, world: "World", process: Process, controller: ControllerLike) -> None:
        self._world = world
        self._process = process
        self._controller = controller
        self._latest = 0.0
        self._missed = False
        self._deaf_below = 0
        self._missed_secrets: dict[tuple[str, str], None] = {}

    def saw(self, change: Change) -> None:
        """The API server has something to say."""
        world, process = self._world, self._process
        if not process.owner.alive:
            return
        if change.secret is not None and change.version < self._deaf_below:
            return
        now = world.loop.now
        for begin, end in world.climate.watch.gaps:
            if begin <= now - 1000 < end:
                self._miss(change, end)
                return
        watch = world.climate.watch
        passage = world.chance.passage(process.name, f"watch {change.label}", now, watch.stale)
        self._latest = max(self._latest, now + watch.lag * passage.lag)
        self._deliver(change, self._latest)
        if passage.again is not None:
            world.tell(f"{process.name} sees an old copy of {change.label} in {passage.again:.1f} s")
            self._deliver(change, self._latest + passage.again)

    def _miss(self, change: Change, end: float) -> None:
        if change.secret is not None:
            self._missed_secrets[change.secret] = None
        if not self._missed:
            self._missed = True
            self._world.at(end + 0.1, self._begin_anew)

    def broken(self, secrets: Sequence[tuple[str, str]], seconds: float, deaf_below: int) -> None:
        """The API server was away for so long, and came back with other data; these Secrets are listed again.

        The watch of Secrets goes on from a version, so that it reports none that is below.
        """
        self._deaf_below = deaf_below
        self._missed_secrets |= dict.fromkeys(secrets)
        if not self._missed:
            self._missed = True
            self._world.at(self._world.loop.now - 1000 + seconds, self._begin_anew)

    def _begin_anew(self) -> None:
        """The watches work again, and tell nothing of what happened meanwhile."""
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
