"""A tenant with its own NetBird server tries to access an integration of the organisation, on a real API server.

The server claims the id and the account of another team's integration. The decisions are tested in
tests/unit/core/test_authority.py, many more such servers in tests/simulation/test_hostile_tenant.py.
"""

from collections.abc import Iterator

import pytest

from tests.doubles.netbird.process import running_netbird
from tests.doubles.netbird.tenancy import Account
from tests.harness.controlplane import ControlPlane
from tests.harness.end_to_end import QUICK_LEASE, Scene, raised
from tests.harness.kubectl_team import Team, cluster_connection, new_team


@pytest.fixture(scope="module")
def scene(control_plane: ControlPlane) -> Iterator[Scene]:
    with raised(control_plane, *QUICK_LEASE) as scene:
        yield scene


@pytest.fixture
def victim(scene: Scene) -> Iterator[Team]:
    with new_team(scene) as victim:
        victim.connect(victim.integration())
        victim.ready()
        yield victim


@pytest.fixture
def tenant(scene: Scene) -> Iterator[Team]:
    with new_team(scene) as tenant:
        yield tenant


def test_id_from_a_tenants_own_server_is_not_used_elsewhere(victim: Team, tenant: Team) -> None:
    target = victim.only()
    name = f"shared-{tenant.namespace}"
    # The organisation's connection belongs to the victim's account, and does not allow adoption.
    cluster_connection(tenant.scene, name, victim.token, access=[{"namespaces": [tenant.namespace]}])
    with running_netbird([f"--first-id={target.id}"]) as own:
        own.control.add_account(Account(victim.account))
        own.control.add_token(tenant.netbird_token(home=victim.account))
        tenant.connect(tenant.integration("s3"), url=own.url)
        tenant.ready()
        assert tenant.read()["status"]["id"] == target.id
        assert tenant.read()["status"]["accountID"] == victim.account

        mark = victim.mark()
        tenant.patch("events", connectionRef={"kind": "ClusterNetBirdConnection", "name": name})
        tenant.because("AccountMismatch")
        tenant.patch("events", enabled=False)
        tenant.patch("events", adoption={"policy": "Override", "id": target.id})
        tenant.because("AccountMismatch")
        tenant.kubectl("delete", "esi", "events", "--wait=false")
        tenant.because("AccountMismatch")
        tenant.patch("events", deletionPolicy="Orphan")
        tenant.gone()
    assert victim.changes(mark) == []
    assert victim.only() == target
    victim.ready()
