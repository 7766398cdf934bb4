"""Tests of the check in docs/rotation.md: it fails for each wrong token, and passes for a right one."""

import subprocess
from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.doubles.netbird.faults import Fault, Moment, Slow
from tests.doubles.netbird.tenancy import Account, Token
from tests.harness import pages
from tests.harness.controlplane import ControlPlane
from tests.harness.end_to_end import QUICK_LEASE, Scene, raised
from tests.harness.kubectl_team import Team, cluster_connection, new_team

LATENCY = 0.4
"""Seconds of each response of NetBird. Without them, the operator is faster than kubectl."""
WAIT_SECONDS = 15


@pytest.fixture(scope="module", params=[True, False], ids=["secret watch", "no secret watch"])
def scene(control_plane: ControlPlane, request: pytest.FixtureRequest) -> Iterator[Scene]:
    with raised(control_plane, *QUICK_LEASE, values={"secretWatch": request.param}) as scene:
        scene.netbird.add_fault(Fault(Slow(header=LATENCY), Moment.AFTER, times=10_000))
        yield scene


@pytest.fixture
def team(scene: Scene) -> Iterator[Team]:
    with new_team(scene) as team:
        yield team


def check(team: Team) -> int:
    """Run the check of the page on the team's connection, and return its exit code."""
    (block,) = (each for each in pages.blocks("docs/rotation.md") if "asked" in each.text and "default" in each.text)
    script = block.text.replace("connection default", f"connection {team.namespace}")
    script = script.replace("connection/default", f"connection/{team.namespace}")
    # Two checks within one second have to be two requests.
    script = script.replace('"$(date -u +%Y-%m-%dT%H:%M:%SZ)"', uuid4().hex)
    script = script.replace("--timeout=60s", f"--timeout={WAIT_SECONDS}s")
    kubectl = f"{team.scene.plane.binaries.find('kubectl')} --kubeconfig={team.scene.plane.kubeconfig}"
    shell = ["bash", "-euo", "pipefail", "-c", f'kubectl() {{ {kubectl} "$@"; }}\n{script}']
    return subprocess.run(shell, check=False, capture_output=True).returncode


def rotate(team: Team, token: str) -> None:
    patch = f'{{"stringData": {{"token": "{token}"}}}}'
    name = f"token-{team.namespace}"
    team.scene.kubectl("patch", "secret", name, "--namespace=netbird-system", "--type=merge", f"--patch={patch}")


def test_check_after_a_rotation_fails_for_each_wrong_token(team: Team) -> None:
    other = f"other-{team.namespace}"
    team.scene.netbird.add_account(Account(other))
    team.scene.netbird.add_token(Token(other, f"nbp_{other}", other))
    team.scene.netbird.add_token(Token(f"next-{team.namespace}", f"nbp_next_{team.namespace}", team.account))
    cluster_connection(team.scene, team.namespace, team.token, access=[{"namespaces": [team.namespace]}])
    team.apply(team.webhook("events", connectionRef={"kind": "ClusterNetBirdConnection", "name": team.namespace}))
    team.ready()
    assert check(team) == 0
    for wrong in (f"nbp_{other}", "nbp_typo"):
        rotate(team, wrong)
        assert check(team) != 0, wrong
    rotate(team, f"nbp_next_{team.namespace}")
    assert check(team) == 0
