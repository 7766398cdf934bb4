"""Two installations of the operator in one cluster: each has its own fingerprint key, and one is in charge."""

from collections import Counter
from dataclasses import dataclass

import pytest

from netbird_streaming.api.types import ConnectionKind, NetBirdConnection, ObjectKey
from netbird_streaming.core.netbird.fingerprint import FingerprintKey
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.installations import ABANDONED_AFTER, CHECK_INTERVAL
from tests.simulation.network import Process
from tests.simulation.scene import Scene
from tests.simulation.world import INSTALLATION, TEAM

SECOND = "second/lease"
MAIN = ObjectKey(ConnectionKind.NAMESPACED.value, TEAM, "main")
RENEWAL = 2.0
NAMES = [f"r{number}" for number in range(5)]


@dataclass
class Installed:
    """A scene with Leases that are renewed while their process is alive."""

    scene: Scene
    second: Process | None = None

    def install_second(self, *, has_lease: bool = True) -> None:
        key = FingerprintKey(b"\xa5" * 32)
        self.second = self.scene.world.start(installation=SECOND, key=key, has_lease=has_lease)
        self.renew(self.second, SECOND)

    def renew(self, process: Process, name: str) -> None:
        world = self.scene.world
        if process.owner.alive and not process.owner.frozen:
            world.api.leases[name] = str(world.loop.now)
        if process.owner.alive:
            world.at(world.loop.now - 1000 + RENEWAL, lambda: self.renew(process, name))

    def first(self) -> Process:
        return self.scene.world.processes[0]

    def calls(self, of: int) -> list[str]:
        return [each.split()[0] for each in self.scene.world.clients[of].calls]

    def writes(self, of: int) -> list[str]:
        return self.scene.world.clusters[of].writes

    def in_charge(self) -> str | None:
        found = self.scene.world.api.objects[MAIN]
        assert isinstance(found, NetBirdConnection)
        return found.status.internal.installation

    def reported(self) -> set[ObjectKey]:
        return {who for who, note in self.scene.world.events if note.reason == Reason.OTHER_INSTALLATION}


@pytest.fixture
def installed(scene: Scene) -> Installed:
    """Let the first installation manage five integrations until all are Ready."""
    for name in NAMES:
        scene.create(name)
    scene.lead()
    result = Installed(scene)
    result.renew(result.first(), INSTALLATION)
    scene.wait(30)
    assert {scene.ready(name).reason for name in NAMES} == {Reason.SYNCED}
    scene.costs()
    return result


def test_second_installation_writes_nothing_and_reports_the_first(installed: Installed) -> None:
    scene = installed.scene
    installed.install_second()
    scene.wait(900)
    assert (installed.writes(1), installed.calls(1)) == ([], [])
    assert set(installed.calls(0)) == {"LIST"}
    assert installed.writes(0) == []
    assert installed.in_charge() == INSTALLATION
    assert installed.reported() == {MAIN, *(scene.identity(name) for name in NAMES)}
    messages = [note.note for _, note in scene.world.events if note.reason == Reason.OTHER_INSTALLATION]
    assert len(messages) == len(NAMES) + 1
    assert all(INSTALLATION in each and SECOND in each for each in messages)
    unready = scene.controllers[1].managed_elsewhere()
    assert unready is not None
    assert INSTALLATION in unready
    assert scene.controllers[0].managed_elsewhere() is None
    scene.kept()


def test_each_change_is_sent_once_with_two_installations(installed: Installed) -> None:
    scene = installed.scene
    installed.install_second()
    scene.wait(20)
    scene.costs()
    scene.rotate("r0")
    scene.edit("r1", enabled=False)
    scene.create("new")
    scene.delete("r2")
    scene.wait(60)
    sent = Counter(each for each in installed.calls(0) if each != "LIST")
    assert sent == {"UPDATE": 2, "CREATE": 1, "DELETE": 1}
    assert installed.calls(1) == []
    assert scene.ready("new").reason == Reason.SYNCED
    assert scene.is_gone("r2")
    scene.kept()


def test_second_installation_takes_over_after_the_first_is_uninstalled(installed: Installed) -> None:
    scene = installed.scene
    installed.install_second()
    scene.wait(20)
    scene.world.kill(installed.first())
    scene.world.api.leases.pop(INSTALLATION)
    scene.costs()
    scene.wait(2 * CHECK_INTERVAL + 20)
    assert installed.in_charge() == SECOND
    # Its fingerprint key is different, so it can't know that NetBird has the current values.
    assert installed.calls(1).count("UPDATE") == len(NAMES)
    assert scene.controllers[1].managed_elsewhere() is None
    scene.costs()
    scene.wait(600)
    assert set(installed.calls(1)) == {"LIST"}
    scene.kept()


def test_installation_that_does_not_renew_its_lease_is_replaced_late(installed: Installed) -> None:
    scene = installed.scene
    installed.install_second()
    scene.wait(20)
    scene.world.kill(installed.first())
    scene.wait(ABANDONED_AFTER - 60)
    assert (installed.in_charge(), installed.calls(1)) == (INSTALLATION, [])
    scene.wait(120)
    assert installed.in_charge() == SECOND
    scene.kept()


def test_upgrade_of_the_first_installation_changes_nothing(installed: Installed) -> None:
    scene = installed.scene
    installed.install_second()
    scene.wait(20)
    for _ in range(3):
        scene.world.kill(scene.world.processes[-1] if len(scene.world.processes) > 2 else installed.first())
        scene.wait(60)
        installed.renew(scene.world.start(), INSTALLATION)
        scene.wait(120)
    assert installed.in_charge() == INSTALLATION
    assert (installed.writes(1), installed.calls(1)) == ([], [])
    assert scene.controllers[-1].managed_elsewhere() is None
    scene.kept()


def test_two_installations_that_start_together_agree(scene: Scene) -> None:
    for name in NAMES:
        scene.create(name)
    scene.lead()
    installed = Installed(scene)
    installed.renew(installed.first(), INSTALLATION)
    installed.install_second()
    scene.wait(120)
    assert {scene.ready(name).reason for name in NAMES} == {Reason.SYNCED}
    in_charge = [INSTALLATION, SECOND].index(installed.in_charge() or "")
    assert installed.calls(in_charge).count("CREATE") == len(NAMES)
    assert installed.calls(1 - in_charge) == []
    assert "UPDATE" not in installed.calls(in_charge)
    scene.kept()


def test_unreadable_lease_counts_as_alive(installed: Installed) -> None:
    scene = installed.scene
    scene.world.kill(installed.first())
    scene.world.api.refused_leases = True
    installed.install_second()
    scene.wait(2 * ABANDONED_AFTER)
    assert installed.in_charge() == INSTALLATION
    assert (installed.writes(1), installed.calls(1)) == ([], [])
    scene.kept()


def test_installation_without_a_lease_does_not_mark_and_gives_way(installed: Installed) -> None:
    scene = installed.scene
    installed.install_second(has_lease=False)
    scene.wait(60)
    assert (installed.writes(1), installed.calls(1)) == ([], [])
    scene.kept()
