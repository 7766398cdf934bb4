"""Destinations that hang, and a Secret with many dependents: neighbours in the namespace do not wait for them."""

from collections.abc import Iterator
from typing import Final

import pytest

from netbird_streaming.reasons import Reason
from tests.harness.controlplane import ControlPlane
from tests.harness.end_to_end import QUICK_LEASE, Scene, eventually, raised
from tests.harness.kubectl_team import INTEGRATIONS, Team, new_team, secret
from tests.harness.manifests import API_VERSION, Manifest

DARK: Final = "dark.example.com"
HANG_SECONDS: Final = 25.0
"""Less than `--request-timeout`: NetBird answers that its test event was not accepted."""
DEPENDENTS: Final = 100
UNLIMITED: Final = {"requestsPerMinute": 6000, "burst": 1000}
LIMITED: Final = {"requestsPerMinute": 30, "burst": 12}


@pytest.fixture(scope="module")
def scene(control_plane: ControlPlane) -> Iterator[Scene]:
    with raised(control_plane, *QUICK_LEASE) as scene:
        scene.netbird.change_behaviour(hanging_hosts=[DARK], hang_seconds=HANG_SECONDS)
        yield scene


@pytest.fixture
def team(scene: Scene) -> Iterator[Team]:
    with new_team(scene) as team:
        yield team


@pytest.mark.parametrize("hanging", [32, 64])
def test_healthy_neighbour_does_not_wait_for_an_answer_of_a_hanging_destination(team: Team, hanging: int) -> None:
    team.connect(team.webhook("edited"), team.webhook("deleted"), rateLimit=UNLIMITED)
    team.ready("edited", "deleted")
    names = [f"dark-{number}" for number in range(hanging)]
    dark = [team.integration("generic_http", name, genericHTTP={"url": f"https://{DARK}/{name}"}) for name in names]
    team.apply(*dark)
    eventually(lambda: all(_is_begun(team, name) for name in names), "each create waits for its answer")
    team.apply(team.webhook("created"))
    team.patch("edited", enabled=False)
    team.kubectl("delete", "esi", "deleted", "--wait=false")
    team.ready("created", "edited", seconds=HANG_SECONDS)
    team.gone("deleted", seconds=HANG_SECONDS)
    answered = [name for name in names if team.condition(name).get("reason") == Reason.DESTINATION_REJECTED]
    assert answered == []


def test_edit_overtakes_the_dependents_of_a_rotated_secret_that_report_their_wait(team: Team) -> None:
    names = [f"many-{number}" for number in range(DEPENDENTS)]
    team.connect(*(_dependent(team, name) for name in names), team.webhook("edited"), rateLimit=UNLIMITED)
    team.ready(*names, "edited")
    team.apply(team.connection(rateLimit=LIMITED))
    eventually(lambda: _observed(team), "the connection has its new limit")
    team.apply(secret("siem", token="second-token", extra="first-extra"))
    eventually(lambda: len(_waiting(team)) > DEPENDENTS / 2, "most of them report their wait")
    team.patch("edited", enabled=False)
    team.ready("edited", seconds=10)
    assert set(_waiting(team)) == {"False"}, "they still wait, and none is called Ready"


def _is_begun(team: Team, name: str) -> bool:
    return "creation" in team.read(name).get("status", {}).get("internal", {})


def _dependent(team: Team, name: str) -> Manifest:
    token = {"bearer": {"tokenSecretRef": {"name": "siem", "key": "token"}}}
    return team.integration(
        "generic_http", name, genericHTTP={"url": f"https://siem.example.com/{name}", "auth": token}
    )


def _observed(team: Team) -> bool:
    found = team.read("netbird", "netbirdconnections")
    return bool(found["status"]["observedGeneration"] == found["metadata"]["generation"])


def _waiting(team: Team) -> list[str]:
    """Return the status of `Ready` of each resource that reports that it waits for the rate limit."""
    found = team.scene.objects.read(f"/apis/{API_VERSION}/namespaces/{team.namespace}/{INTEGRATIONS}")
    assert found is not None
    conditions = [
        {each["type"]: each for each in item.get("status", {}).get("conditions", ())} for item in found["items"]
    ]
    return [
        each["Ready"]["status"] for each in conditions if "rate limit" in each.get("Reconciling", {}).get("message", "")
    ]
