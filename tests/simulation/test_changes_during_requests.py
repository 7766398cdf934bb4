"""Changes that users make while the operator reads or writes the same object."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from netbird_streaming.api.types import ConnectionKind, KeyReference, ObjectKey
from tests.doubles.netbird.behaviour import Behaviour
from tests.simulation.broken_controllers import PortWrapper, with_cluster
from tests.simulation.scene import Scene
from tests.simulation.watches import Watch
from tests.simulation.world import TEAM

MAIN = ObjectKey(ConnectionKind.NAMESPACED.value, TEAM, "main")


class Interruption:
    """A change of a user that comes during the next request of a kind for an object, once it is armed."""

    def __init__(self, request: str, text: str, change: Callable[[], None]) -> None:
        self.armed = False
        self._request = request
        self._text = text
        self._change = change

    async def call(self, name: str, method: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        """Send a request. A read returns what it found before the change; a write comes after the change."""
        if not self.armed or name != self._request or self._text not in str(arguments):
            return await method(*arguments)
        self.armed = False
        found = await method(*arguments) if name == "secret" else None
        self._change()
        return await method(*arguments) if found is None else await self._late(found, method, arguments)

    async def _late(self, found: Any, method: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        await method(*arguments)
        return found


def interrupted(interruption: Interruption) -> Any:
    """Return a controller whose requests are interrupted."""

    class Cluster(PortWrapper):
        def __getattr__(self, name: str) -> Any:
            method = getattr(self.port, name)
            if name not in ("secret", "add_finalizer", "write_status"):
                return method
            return lambda *arguments: interruption.call(name, method, arguments)

    return with_cluster(Cluster)


def use_next_token(scene: Scene) -> Callable[[], None]:
    """Return a change of the connection: it names another Secret, with a token of another account."""
    scene.world.token("next", "acc-b", "CANARY-next-v0")
    scene.world.put_secret("token-next", "CANARY-next-v0")
    return lambda: scene.world.api.edit(MAIN, token_secret_ref=KeyReference(name="token-next", key="key"))


def test_connection_that_changes_while_its_token_is_read_uses_the_new_one(scene: Scene) -> None:
    interruption = Interruption("secret", "token-main", use_next_token(scene))
    scene.world.environment = replace(scene.world.environment, watch=Watch(lag=0.0))
    scene.world.make = interrupted(interruption)
    scene.lead()
    scene.wait(10)
    interruption.armed = True
    scene.world.api.put_secret(TEAM, "token-main", {"key": b"CANARY-main-v0", "other": b"new"})
    scene.wait(5)
    scene.create()
    scene.wait(5)
    assert scene.find().status.account_id == "acc-b"
    scene.kept()


def test_connection_that_changes_while_its_finalizer_is_added_uses_the_new_token(scene: Scene) -> None:
    interruption = Interruption("add_finalizer", "name='main'", use_next_token(scene))
    scene.world.environment = replace(scene.world.environment, watch=Watch(lag=2.0))
    scene.world.make = interrupted(interruption)
    scene.lead()
    scene.wait(10)
    interruption.armed = True
    scene.create()
    scene.wait(20)
    scene.create("r1")
    scene.wait(5)
    assert scene.find("r1").status.account_id == "acc-b"


def test_edit_during_a_reconcile_of_low_priority_has_precedence() -> None:
    scene, names = Scene(Behaviour(post_ignores_enabled=False), limited=True), [f"r{number}" for number in range(200)]
    interruption = Interruption("write_status", "name='r199'", lambda: scene.edit("r199", enabled=False))
    scene.world.make = interrupted(interruption)
    for name in names:
        scene.create(name)
    scene.lead()
    scene.wait(600)
    scene.spend()
    scene.world.environment = replace(scene.world.environment, watch=Watch(lag=0.5))
    interruption.armed = True
    for name in names:
        scene.rotate(name)
    scene.wait(6)
    (updated,) = (each for each in scene.world.netbird.integrations.values() if not each.enabled)
    assert updated.id == scene.find("r199").status.id
    scene.wait(200)
    scene.kept()
    scene.world.loop.dispose()
