"""Connections: access, errors of their owners, and changes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from netbird_streaming.api.types import FINALIZER
from tests.doubles.netbird.process import running_netbird
from tests.doubles.netbird.records import Draft
from tests.doubles.netbird.tenancy import Account, TokenKind
from tests.harness import manifests
from tests.harness.controlplane import ControlPlane
from tests.harness.end_to_end import QUICK_LEASE, Scene, eventually, raised
from tests.harness.kubectl_team import SECRETS, Team, cluster_connection, new_team, secret
from tests.harness.manifests import reference

CONNECTIONS: Final = "netbirdconnections"
CLUSTER: Final = "clusternetbirdconnections"
TLS: Final = Path(__file__).parents[1] / "contract" / "netbird_tls"


@pytest.fixture(scope="module")
def scene(control_plane: ControlPlane) -> Iterator[Scene]:
    with raised(control_plane, *QUICK_LEASE) as scene:
        yield scene


@pytest.fixture
def team(scene: Scene) -> Iterator[Team]:
    with new_team(scene) as team:
        yield team


@pytest.fixture
def other(scene: Scene) -> Iterator[Team]:
    with new_team(scene) as other:
        yield other


def test_connection_reports_its_account_and_stays_while_it_is_used(team: Team) -> None:
    team.connect(team.integration())
    team.ready()
    message = team.because("Synced", "netbird", CONNECTIONS)
    assert team.account in message
    connection = eventually(lambda: _finalized(team), "the connection is kept")
    assert connection["status"]["pathFamily"] == "/api/integrations/event-streaming"
    assert [each["accountID"] for each in connection["status"]["accounts"]] == [team.account]


def test_other_path_family_and_bearer_token_work(scene: Scene) -> None:
    with running_netbird() as plain, new_team(scene) as team:
        plain.control.change_behaviour(path_family="plain", unknown_path="html")
        plain.control.add_account(Account("plain"))
        plain.control.add_token(team.netbird_token(home="plain", kind=TokenKind.OAUTH2))
        team.connect(team.integration(), url=plain.url, tokenType="OAuth2")
        team.ready()
        assert team.read("netbird", CONNECTIONS)["status"]["pathFamily"] == "/api/event-streaming"
        assert [each.account_id for each in plain.control.integrations()] == ["plain"]
        team.kubectl("delete", "esi", "events")
        assert plain.control.integrations() == []


def test_cluster_connection_denies_every_namespace_without_an_access_entry(team: Team) -> None:
    name = f"cluster-{team.namespace}"
    cluster_connection(team.scene, name, team.token)
    _secrets(team)
    mark = team.mark()
    team.apply(team.integration(connectionRef={"kind": "ClusterNetBirdConnection", "name": name}))
    message = team.because("NamespaceNotAllowed")
    assert name in message
    assert team.namespace in message
    assert "spec.access" in message
    assert team.changes(mark) == []
    cluster_connection(team.scene, name, team.token, access=[{"namespaces": [team.namespace]}])
    team.ready(seconds=10)
    assert team.changes(mark) == ["POST"]


PLAIN: Final = {"url": "http://collector.logging.svc:8000/events"}


def test_plain_http_destination_needs_the_connection_owners_consent(team: Team) -> None:
    mark = team.mark()
    team.connect(team.integration("generic_http", genericHTTP=PLAIN))
    assert "spec.allowPlainHTTPDestinations" in team.because("PlainHTTPNotAllowed")
    assert team.changes(mark) == []
    team.connect(allowPlainHTTPDestinations=True)
    team.ready(seconds=10)
    assert team.changes(mark) == ["POST"]
    assert "in plain text" in team.condition()["message"]


def test_plain_http_integration_of_the_dashboard_can_be_adopted(team: Team) -> None:
    config = {**PLAIN, "headers": "{}", "body_template": ""}
    (made,) = team.scene.netbird.create(team.account, [Draft("generic_http", config)])
    mark = team.mark()
    adoption = {"policy": "Match"}
    team.connect(
        team.integration("generic_http", genericHTTP=PLAIN, adoption=adoption), allowPlainHTTPDestinations=True
    )
    team.ready(seconds=10)
    assert team.read()["status"]["id"] == made
    assert "POST" not in team.changes(mark)


def test_cluster_connection_selects_namespaces_by_label(team: Team, other: Team) -> None:
    name = f"cluster-{team.namespace}"
    selector = {"matchLabels": {"kubernetes.io/metadata.name": team.namespace}}
    cluster_connection(team.scene, name, team.token, access=[{"namespaceSelector": selector}])
    for each in (team, other):
        _secrets(each)
        each.apply(each.integration(connectionRef={"kind": "ClusterNetBirdConnection", "name": name}))
    team.ready()
    other.because("NamespaceNotAllowed")


def test_each_namespace_acts_in_the_tenant_of_its_access_entry(team: Team, other: Team) -> None:
    name, provider = f"cluster-{team.namespace}", f"provider-{team.namespace}"
    tenants = frozenset({team.account, other.account})
    team.scene.netbird.add_account(Account(provider))
    team.scene.netbird.add_token(team.netbird_token(id=provider, value=provider, home=provider, tenants=tenants))
    access = [{"namespaces": [each.namespace], "tenantID": each.account} for each in (team, other)]
    cluster_connection(team.scene, name, provider, access=access)
    for each in (team, other):
        _secrets(each)
        each.apply(each.integration(connectionRef={"kind": "ClusterNetBirdConnection", "name": name}))
    for each in (team, other):
        each.ready()
        assert each.only().id == each.read()["status"]["id"]
        assert each.read()["status"]["accountID"] == each.account
    assert team.scene.netbird.integrations(provider) == []


def test_tenant_without_the_tokens_right_gets_nothing(team: Team) -> None:
    _secrets(team)
    team.apply(secret("netbird", token=team.token), team.connection(tenantID="tenant-of-another-msp"))
    mark = team.mark()
    team.apply(team.integration())
    assert "tenant-of-another-msp" in team.because("PermissionDenied")
    assert team.changes(mark) == []


def test_revoked_token_is_reported_everywhere_and_a_new_one_works_at_once(team: Team) -> None:
    team.scene.netbird.revoke_token(team.namespace)
    team.connect(team.integration())
    message = team.because("TokenRejected")
    assert "401" in message
    assert "Secret" in message
    assert "401" in team.because("TokenRejected", "netbird", CONNECTIONS)
    team.scene.netbird.add_token(team.netbird_token(id=f"{team.namespace}-2", value=f"{team.token}-2"))
    team.apply(secret("netbird", token=f"{team.token}-2"))
    team.ready(seconds=10)
    team.because("Synced", "netbird", CONNECTIONS)
    assert len(team.held()) == 1


def test_token_without_write_access_is_reported_and_recovers_with_it(team: Team) -> None:
    team.scene.netbird.add_token(team.netbird_token(may_write=False))
    team.connect(team.integration())
    message = team.because("PermissionDenied")
    assert "403" in message
    assert "permission to manage integrations" in message
    assert "creation" not in team.read()["status"]["internal"]
    team.scene.netbird.add_token(team.netbird_token())
    team.ready()
    assert len(team.held()) == 1


def test_missing_connection_is_reported_and_used_once_created(team: Team) -> None:
    _secrets(team)
    team.apply(team.integration())
    message = team.because("ConnectionNotFound")
    assert "NetBirdConnection" in message
    assert "spec.connectionRef" in message
    team.apply(secret("netbird", token=team.token), team.connection())
    team.ready(seconds=10)


@pytest.mark.parametrize(
    ("held", "reason", "word"),
    [
        (None, "SecretNotFound", "create it"),
        ({"wrong": "value"}, "SecretKeyNotFound", "no key token"),
        ({"token": ""}, "SecretValueInvalid", "empty"),
        ({"token": "nbp_x\n"}, "SecretValueInvalid", "newline"),
    ],
)
def test_missing_token_is_reported_and_used_once_created(
    team: Team, held: dict[str, str] | None, reason: str, word: str
) -> None:
    _secrets(team)
    if held is not None:
        team.apply(secret("netbird", **held))
    team.apply(team.connection(), team.integration())
    for message in (team.because(reason), team.because(reason, "netbird", CONNECTIONS)):
        assert word in message
        assert "Secret netbird" in message
        assert "nbp_" not in message
    team.apply(secret("netbird", token=team.token))
    team.ready(seconds=10)
    team.because("Synced", "netbird", CONNECTIONS)


def test_change_to_another_connection_of_the_same_account_is_followed(team: Team) -> None:
    team.scene.netbird.add_token(team.netbird_token(id=f"{team.namespace}-2", value=f"{team.token}-2"))
    second = team.connection("second", tokenSecretRef=reference("second", "token"))
    team.connect(secret("second", token=f"{team.token}-2"), second, team.integration())
    team.ready()
    found, mark = team.only().id, team.mark()
    team.patch("events", connectionRef={"kind": "NetBirdConnection", "name": "second"})
    team.ready()
    assert team.changes(mark) == []
    team.patch("events", datadog={"site": "datadoghq.com"})
    team.ready()
    assert team.only().id == found
    assert [each.token_id for each in team.requests(mark) if each.method == "PUT"] == [f"{team.namespace}-2"]
    # The first is not needed any more.
    team.kubectl("delete", "netbirdconnection", "netbird", "--timeout=20s")
    team.kubectl("delete", "esi", "events", "--timeout=20s")
    assert team.held() == []


def test_connection_of_another_account_is_refused_with_the_remedy(team: Team, other: Team) -> None:
    second = team.connection("second", tokenSecretRef=reference("second", "token"))
    team.connect(secret("second", token=other.token), second, team.integration())
    team.ready()
    before, mark = team.only(), other.mark()
    team.patch("events", connectionRef={"kind": "NetBirdConnection", "name": "second"})
    message = team.because("AccountMismatch")
    assert team.account in message
    assert other.account in message
    assert "Use a connection or token" in message
    assert (team.held(), other.held(), other.changes(mark)) == ([before], [], [])
    team.patch("events", connectionRef={"kind": "NetBirdConnection", "name": "netbird"})
    team.ready()
    assert team.held() == [before]


def test_token_of_another_account_is_refused(team: Team, other: Team) -> None:
    team.connect(team.integration())
    team.ready()
    before, mark = team.only(), other.mark()
    team.apply(secret("netbird", token=other.token))
    team.because("AccountMismatch")
    assert (team.held(), other.changes(mark)) == ([before], [])
    team.apply(secret("netbird", token=team.token))
    team.ready()


def test_deleted_connection_stays_until_it_is_unused(team: Team) -> None:
    team.connect(team.integration())
    team.ready()
    eventually(lambda: _finalized(team), "the connection is kept")
    team.kubectl("delete", "netbirdconnection", "netbird", "--wait=false")
    assert "is being deleted" in team.because("ConnectionNotFound")
    assert f"{team.namespace}/events" in team.because("Deleting", "netbird", CONNECTIONS)
    assert team.find("netbird", CONNECTIONS) is not None
    team.kubectl("delete", "esi", "events", "--timeout=20s")
    assert team.held() == []
    team.gone("netbird", CONNECTIONS)


def test_http_is_refused_before_the_token_is_sent(team: Team) -> None:
    _secrets(team)
    team.apply(secret("netbird", token=team.token), team.connection(url="http://netbird.example.com"))
    team.apply(team.integration())
    for message in (team.because("ConnectionInvalid"), team.because("ConnectionInvalid", "netbird", CONNECTIONS)):
        assert "spec.url" in message
        assert "https" in message
    team.apply(team.connection())
    team.ready(seconds=10)


def test_private_ca_bundle_is_used(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    # The control client of this test trusts it too.
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "certificate.pem"))
    files = (f"--certificate={TLS / 'certificate.pem'}", f"--key={TLS / 'key.pem'}")
    with running_netbird(files) as private:
        private.control.add_account(Account("private"))
        private.control.add_token(team.netbird_token(home="private"))
        team.connect(team.integration(), url=private.url)
        assert "spec.caBundleConfigMapRef" in team.because("Unavailable")
        bundle = reference("company-ca", "ca.crt")
        team.apply(team.connection(url=private.url, caBundleConfigMapRef=bundle))
        message = team.because("CABundleInvalid")
        assert "company-ca" in message
        team.kubectl("create", "configmap", "company-ca", f"--from-file=ca.crt={TLS / 'certificate.pem'}")
        team.ready()
        (made,) = private.control.integrations()
        assert made.id == team.read()["status"]["id"]
        team.kubectl("delete", "esi", "events", "--timeout=20s")
        assert private.control.integrations() == []


def _secrets(team: Team) -> None:
    team.apply(*(secret(name, **values) for name, values in SECRETS.items()))


def _finalized(team: Team) -> manifests.Manifest | None:
    found = team.read("netbird", CONNECTIONS)
    return found if FINALIZER in found["metadata"].get("finalizers", ()) else None
