"""What a story is made of, before it begins: who there is, how servers and network are, and who does what when."""

from dataclasses import dataclass, field

from netbird_streaming.api.types import ConnectionKind, ConnectionReference
from tests.simulation.random_faults import Phase
from tests.simulation.world import Climate


@dataclass(frozen=True, slots=True)
class Cast:
    """The names of one story; twins all declare the same, and a hostile tenant shares the connection."""

    resources: tuple[str, ...] = ("r0",)
    kind: ConnectionKind = ConnectionKind.NAMESPACED
    twins: bool = False
    datadog: bool = True
    allow_adoption: bool = True
    hostile: bool = False

    def reference(self, name: str = "main") -> ConnectionReference:
        """A reference to a connection; the second and the foreign one are namespaced always."""
        return ConnectionReference(kind=self.kind if name == "main" else ConnectionKind.NAMESPACED, name=name)


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody does: when, in seconds after the beginning, to which resource, and the seed of all details."""

    at: float
    what: str
    name: str
    seed: int


@dataclass(frozen=True, slots=True)
class Plan:
    """One story; `crashes` says at which of its requests each process dies, the first process first."""

    seed: int
    cast: Cast = Cast()
    climate: Climate = field(default_factory=Climate)
    deeds: tuple[Deed, ...] = ()
    crashes: tuple[tuple[int, Phase], ...] = ()
