"""The plan of a scenario: participants, servers, network and scheduled actions."""

from dataclasses import dataclass, field

from netbird_streaming.api.types import ConnectionKind, ConnectionReference
from tests.simulation.random_faults import Phase
from tests.simulation.world import Environment


@dataclass(frozen=True, slots=True)
class Participants:
    """The names of one scenario. Identical resources declare the same, and a hostile tenant shares the connection."""

    resources: tuple[str, ...] = ("r0",)
    kind: ConnectionKind = ConnectionKind.NAMESPACED
    identical: bool = False
    datadog: bool = True
    allow_adoption: bool = True
    hostile: bool = False

    def reference(self, name: str = "main") -> ConnectionReference:
        """Return a reference to a connection. The second and the foreign one are always namespaced."""
        return ConnectionReference(kind=self.kind if name == "main" else ConnectionKind.NAMESPACED, name=name)


@dataclass(frozen=True, slots=True)
class PlannedAction:
    """A planned action: its time in seconds, its resource, and the seed of its details."""

    at: float
    what: str
    name: str
    seed: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of one scenario. `crashes` lists the request at which each process dies, the first process first."""

    seed: int
    participants: Participants = Participants()
    environment: Environment = field(default_factory=Environment)
    planned_actions: tuple[PlannedAction, ...] = ()
    crashes: tuple[tuple[int, Phase], ...] = ()
