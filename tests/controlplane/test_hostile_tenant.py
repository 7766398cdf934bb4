"""The life of a hostile tenant on a real API server, and what another tenant sees meanwhile.

The tenant has Kubernetes' role `edit` in one namespace and a server of its own in place of NetBird. The decisions are
tested in tests/unit/core/test_authority.py, many more such servers in tests/simulation/test_hostile_tenant.py.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any, Final
from uuid import uuid4

import pytest

from netbird_streaming.api.types import GROUP, RECONCILE_ANNOTATION, VERSION
from tests.harness.controlplane import ControlPlane, KubectlError
from tests.harness.end_to_end import PATIENCE, QUICK_LEASE, USER, Scene, eventually, raised
from tests.harness.hostile_netbird import Claims, HostileNetBird, hostile_netbird
from tests.harness.kubectl_team import INTEGRATIONS, SECRETS, Team, cluster_connection, new_team, secret
from tests.harness.manifests import Manifest, reference
from tests.harness.roles import aggregated_roles

CONNECTIONS: Final = "netbirdconnections"
QUOTA: Final = 5
"""The default of --connections-per-namespace."""
FAST: Final = {"requestsPerMinute": 6000, "burst": 1000}


@pytest.fixture(scope="module")
def scene(control_plane: ControlPlane) -> Iterator[Scene]:
    with raised(control_plane, *QUICK_LEASE) as scene:
        scene.netbird.change_behaviour(requests_per_minute=6000)
        yield scene


class Neighbour:
    """Another tenant. It creates, edits and deletes resources, one after the other."""

    def __init__(self, team: Team, connection: dict[str, str]) -> None:
        self.team: Final = team
        self.connection: Final = connection
        self.lives = 0
        self.ids: set[int] = set()
        self._stopping = Event()

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Work until the block ends. What was not done in time is raised there."""
        with ThreadPoolExecutor(1) as threads:
            self._work: Future[None] = threads.submit(self._live)
            try:
                yield
            finally:
                self._stopping.set()
            self._work.result()

    def is_served(self) -> None:
        """Wait until one more resource was created, edited and deleted."""
        enough = self.lives + 1

        def served() -> bool:
            if self._work.done():
                self._work.result()
            return self.lives >= enough

        eventually(served, "the neighbour is served")

    def _live(self) -> None:
        while not self._stopping.is_set():
            name = f"calm-{self.lives}"
            self.team.apply(self.team.webhook(name, connectionRef=self.connection))
            self.team.ready(name)
            self.ids.add(self.team.read(name)["status"]["id"])
            self.team.patch(name, enabled=False)
            self.team.ready(name)
            self.team.kubectl("delete", "esi", name, f"--timeout={PATIENCE:.0f}s")
            self.lives += 1


class HostileTenant(Team):
    """A tenant with the role `edit` in its namespace. It names all that it has `evil`."""

    def __init__(self, scene: Scene, name: str, server: HostileNetBird) -> None:
        super().__init__(scene, name)
        self.server: Final = server
        grant = ("create", "rolebinding", "tenant", "--clusterrole=edit", f"--user={name}", f"--namespace={name}")
        scene.kubectl(*grant)
        scene.plane.wait_until_allowed("create", f"{INTEGRATIONS}.{GROUP}", f"--as={name}", f"--namespace={name}")

    def kubectl(self, *arguments: str, input: str | None = None) -> str:  # noqa: A002 — as subprocess.run calls it
        return super().kubectl(f"--as={self.namespace}", *arguments, input=input)

    def claim(self, name: str, claims: Claims, *more: Manifest) -> dict[str, str]:
        """Create a connection to the own server, which claims this, and return the reference to it."""
        self.server.claims[f"{name}-of-{self.namespace}"] = claims
        self.apply(*self.own_connection(name), *more)
        return {"kind": "NetBirdConnection", "name": name}

    def own_connection(self, name: str) -> tuple[Manifest, Manifest]:
        """Return a connection to the own server, and the Secret of its token."""
        spec = {"url": self.server.url, "tokenSecretRef": reference(name, "token")}
        return secret(name, token=f"{name}-of-{self.namespace}"), self.connection(name, **spec)

    def claims(self, name: str) -> Claims:
        return self.server.claims[f"{name}-of-{self.namespace}"]


class Life:
    """The attacks of a tenant, in the order of a life. Each ends with the tenant's own status."""

    def __init__(self, tenant: HostileTenant, victim: Team, shared: dict[str, str], private: dict[str, str]) -> None:
        self.tenant, self.shared, self.private = tenant, shared, private
        self.target, self.account = victim.only().id, victim.account
        claims = Claims(victim.account, next_id=self.target)
        self.own = tenant.claim("evil", claims, secret("siem", **SECRETS["siem"]))

    def attacks(self) -> Sequence[Callable[[], None]]:
        return (
            self.claims_an_id_of_another,
            self.moves_the_id_to_the_shared_connection,
            self.claims_an_id_without_an_account,
            self.loses_a_create_in_the_account_of_another,
            self.adopts_an_id_of_another,
            self.refers_to_a_connection_without_access,
            self.answers_without_an_end,
            self.writes_a_huge_secret_deletes_and_restores_it,
            self.creates_connections_beyond_the_quota,
            self.writes_a_status,
        )

    def claims_an_id_of_another(self) -> None:
        self._create("evil-id", self.own)
        self.tenant.because("Synced", "evil-id")
        status = self.tenant.read("evil-id")["status"]
        assert (status["id"], status["accountID"]) == (self.target, self.account)

    def moves_the_id_to_the_shared_connection(self) -> None:
        self._move("evil-id", "AccountMismatch")
        self.tenant.patch("evil-id", adoption={"policy": "Override", "id": self.target})
        self.tenant.because("AccountMismatch", "evil-id")

    def claims_an_id_without_an_account(self) -> None:
        self._create("evil-null", self.tenant.claim("evil-null", Claims(None, next_id=self.target)))
        self.tenant.because("AccountUnconfirmed", "evil-null")
        assert self.tenant.read("evil-null")["status"]["id"] == self.target
        self._move("evil-null", "AccountMismatch")

    def loses_a_create_in_the_account_of_another(self) -> None:
        claims = Claims(self.account, next_id=self.target, loses_creates=True)
        self._create("evil-lost", self.tenant.claim("evil-lost", claims))
        eventually(lambda: claims.held, "the create is lost")
        self._move("evil-lost", "AccountUnconfirmed")

    def adopts_an_id_of_another(self) -> None:
        self._create("evil-adopter", self.shared, adoption={"policy": "Override", "id": self.target})
        self.tenant.because("AdoptionNotAllowed", "evil-adopter")

    def refers_to_a_connection_without_access(self) -> None:
        self._create("evil-guest", self.private)
        self.tenant.because("NamespaceNotAllowed", "evil-guest")

    def answers_without_an_end(self) -> None:
        for flood, reason in (
            ("list", "UnexpectedAnswer"),
            ("element", "UnexpectedAnswer"),
            ("headers", "Unavailable"),
        ):
            self.tenant.claims("evil").flood = flood
            self._create(f"evil-{flood}", self.own)
            self.tenant.because(reason, f"evil-{flood}")
        self.tenant.claims("evil").flood = None

    def writes_a_huge_secret_deletes_and_restores_it(self) -> None:
        self.tenant.apply(self.tenant.integration("generic_http", "evil-secret", connectionRef=self.own))
        for values, reason in (
            ({"token": "x" * 700_000, "extra": "first"}, "SecretValueInvalid"),
            (None, "SecretNotFound"),
            ({"token": "again", "extra": "first"}, "Synced"),
        ):
            self.tenant.kubectl("delete", "secret", "siem", "--ignore-not-found")
            if values is not None:
                self.tenant.kubectl("create", "--filename=-", input=json.dumps(secret("siem", **values)))
            self.tenant.because(reason, "evil-secret")

    def creates_connections_beyond_the_quota(self) -> None:
        many = [each for number in range(2 * QUOTA) for each in self.tenant.own_connection(f"evil-{number}")]
        self.tenant.apply(*many)
        # Of those of one second, a later one may be served in the place of an earlier one.
        self.tenant.kubectl("annotate", CONNECTIONS, "--all", f"{RECONCILE_ANNOTATION}=now")

        def beyond() -> bool:
            listed = self.tenant.scene.objects.read(
                f"/apis/{GROUP}/{VERSION}/namespaces/{self.tenant.namespace}/{CONNECTIONS}"
            )
            names = [each["metadata"]["name"] for each in (listed or {"items": []})["items"]]
            found = [self.tenant.condition(name, plural=CONNECTIONS).get("reason") for name in names]
            return found.count("TooManyConnections") == len(names) - QUOTA

        eventually(beyond, "the connections beyond the quota are refused")

    def writes_a_status(self) -> None:
        with pytest.raises(KubectlError, match=r"^no$"):
            self.tenant.kubectl("auth", "can-i", "patch", "esi/evil-guest", "--subresource=status")

    def deletes_everything(self) -> None:
        self.tenant.kubectl("delete", "esi", "--all", "--wait=false")
        reasons = {"evil-id": "AccountMismatch", "evil-null": "AccountMismatch", "evil-lost": "AccountUnconfirmed"}
        for name, reason in reasons.items():
            self.tenant.because(reason, name)
            self.tenant.patch(name, deletionPolicy="Orphan")
            self.tenant.gone(name)

    def _create(self, name: str, connection: dict[str, str], **spec: Any) -> None:
        self.tenant.apply(self.tenant.webhook(name, connectionRef=connection, **spec))

    def _move(self, name: str, reason: str) -> None:
        self.tenant.patch(name, connectionRef=self.shared)
        self.tenant.because(reason, name)
        self.tenant.patch(name, enabled=False)
        self.tenant.because(reason, name)


def texts(scene: Scene, namespace: str, position: int) -> str:
    """Return what the operator has written into a namespace: statuses and Events."""
    written = [each.body for each in scene.plane.audit(position) if (each.user, each.namespace) == (USER, namespace)]
    assert written
    return json.dumps(written)


def test_life_of_a_hostile_tenant_beside_another_one(scene: Scene) -> None:
    with (
        aggregated_roles(scene.plane),
        hostile_netbird() as server,
        new_team(scene) as victim,
        new_team(scene) as team,
    ):
        tenant = HostileTenant(scene, team.namespace, server)
        position, mark = scene.plane.audit_position(), victim.mark()
        both = [{"namespaces": [each.namespace]} for each in (victim, tenant)]
        shared, private = (f"{each}-{uuid4().hex[:8]}" for each in ("shared", "private"))
        for name, access in ((shared, both), (private, both[:1])):
            cluster_connection(scene, name, victim.token, access=access, rateLimit=FAST)
        shared_ref, private_ref = ({"kind": "ClusterNetBirdConnection", "name": each} for each in (shared, private))
        victim.apply(victim.webhook("calm", connectionRef=shared_ref))
        victim.ready("calm")
        target = victim.only()

        neighbour = Neighbour(victim, shared_ref)
        life = Life(tenant, victim, shared_ref, private_ref)
        with neighbour.busy():
            for attack in life.attacks():
                attack()
                neighbour.is_served()
        # A reference without access does not keep the administrator's connection.
        scene.kubectl("delete", "clusternetbirdconnection", private, "--timeout=30s")
        life.deletes_everything()

        writes = [each for each in scene.netbird.journal(mark.requests) if each.method != "GET"]
        assert {each.token_id for each in writes} == {victim.namespace}
        changed = {each.integration_id for each in writes if each.method != "POST"}
        assert changed == neighbour.ids
        assert [each.method for each in writes].count("POST") == 1 + neighbour.lives
        assert victim.only() == target
        assert victim.token not in server.tokens
        of_victim, of_tenant = (texts(scene, each.namespace, position) for each in (victim, tenant))
        assert "evil" not in of_victim
        assert tenant.namespace not in of_victim
        assert "calm" not in of_tenant
        # The tenant's server claims the account, whose name contains that of the namespace.
        assert victim.namespace not in of_tenant.replace(victim.account, "")
        victim.ready("calm")
