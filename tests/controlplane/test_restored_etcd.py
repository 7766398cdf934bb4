"""A backup of etcd that is restored in place: the operator keeps running, and every resource ends up correct."""

import time

import pytest

from netbird_streaming.core.policies.drift import LATE_TOUCH
from tests.harness.controlplane import ControlPlane
from tests.harness.end_to_end import QUICK_LEASE, Scene, eventually, raised
from tests.harness.kubectl_team import Team, new_team, secret

HOST = "https://siem.example.com"
ABSENCE = "--absence-window=2s"
"""Between the two looks that prove that an integration is gone; the rest of the time is the operator's own."""


def webhook_of(team: Team, name: str) -> str | None:
    """Return the URL that NetBird has for a resource."""
    found = team.find(name)
    held = None if found is None else found.get("status", {}).get("id")
    return next((each.config["url"] for each in team.held() if each.id == held), None)


def token_of(team: Team, name: str) -> str | None:
    """Return the API key that NetBird has for a resource."""
    found = team.find(name)
    held = None if found is None else found.get("status", {}).get("id")
    return next((each.config.get("api_key") for each in team.held() if each.id == held), None)


@pytest.mark.parametrize(
    ("bumped", "seconds", "arguments"),
    [
        pytest.param(False, 0.0, ("--lease=false",), id="revisions go back, no Lease"),
        pytest.param(True, 7.0, ("--lease=false",), id="bumped and compacted, no Lease, 7 s"),
        pytest.param(True, 10.0, QUICK_LEASE, id="bumped and compacted, Lease, 10 s"),
    ],
)
def test_restore_in_place_needs_no_restart(*, bumped: bool, seconds: float, arguments: tuple[str, ...]) -> None:
    with ControlPlane.start() as plane, raised(plane, ABSENCE, *arguments) as scene, new_team(scene) as team:
        team.connect(team.webhook("edited"), team.webhook("deleted"), team.integration("datadog", "rotated"))
        team.ready("edited", "deleted", "rotated")
        saved = plane.save_etcd()
        time.sleep(LATE_TOUCH.total_seconds() + 1)
        change(team)
        process = scene.operator.pid
        plane.restore_etcd(saved, bumped=bumped, down_seconds=seconds)
        eventually(lambda: token_of(team, "rotated") == "first-api-key", "rotated has the restored Secret", 90)
        eventually(lambda: webhook_of(team, "edited") == f"{HOST}/edited", "edited is as restored", 90)
        eventually(lambda: webhook_of(team, "deleted") == f"{HOST}/deleted", "deleted exists again", 200)
        use(team, scene)
        assert scene.operator.pid == process


def change(team: Team) -> None:
    """An edit, a deletion, a creation and a rotation after the backup."""
    team.patch("edited", genericHTTP={"url": f"{HOST}/x2"})
    team.kubectl("delete", "esi", "deleted", "--wait=true", "--timeout=60s")
    team.apply(team.webhook("created"), secret("datadog", **{"api-key": "second-api-key"}))
    eventually(lambda: webhook_of(team, "edited") == f"{HOST}/x2", "edited is edited")
    eventually(lambda: token_of(team, "rotated") == "second-api-key", "rotated is rotated")
    team.ready("edited", "created", "rotated")


def use(team: Team, scene: Scene) -> None:
    """Edits and rotations take effect after the restore."""
    team.ready("edited", "deleted", "rotated", seconds=120)
    team.patch("edited", genericHTTP={"url": f"{HOST}/x3"})
    team.apply(secret("datadog", **{"api-key": "third-api-key"}))
    eventually(lambda: webhook_of(team, "edited") == f"{HOST}/x3", "edited follows its spec")
    eventually(lambda: token_of(team, "rotated") == "third-api-key", "rotated follows its Secret")
    assert "did not finish in" not in scene.log()
