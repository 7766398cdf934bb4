"""A hostile tenant: a namespace that may use the administrator's connection and has its own server."""

from typing import Final

from netbird_streaming.api.types import (
    Adoption,
    AdoptionPolicy,
    ConnectionKind,
    ConnectionReference,
    ConnectionSpec,
    Datadog,
    EventStreamingIntegration,
    IntegrationSpec,
    KeyReference,
    NetBirdConnection,
    ObjectKey,
    Platform,
)
from tests.simulation.bookkeeping import TENANT
from tests.simulation.hostile_server import URL
from tests.simulation.netbird import DEFAULT_URL
from tests.simulation.operator_processes import Operators

NAME: Final = "evil"
OWN: Final = ConnectionReference(kind=ConnectionKind.NAMESPACED, name="own")
SHARED: Final = ConnectionReference(kind=ConnectionKind.CLUSTER, name="main")
_ROOT: Final = "-----BEGIN CERTIFICATE-----"
_CA: Final = KeyReference(name="own-ca", key="ca.crt")


class HostileTenant(Operators):
    """Actions of the tenant. Impossible ones are skipped."""

    def tenant_creates(self, _name: str) -> None:
        """The tenant creates a connection to its own server, and a resource that uses it."""
        if self._find() is not None:
            return
        self.world.token("tok-own", "acc-b", "CANARY-own-v0")
        self.world.put_secret("token-own", "CANARY-own-v0", TENANT)
        self.world.api.config_maps[TENANT, _CA.name] = {_CA.key: _ROOT}
        if self._connection() not in self.world.api.objects:
            spec = ConnectionSpec(url=URL, token_secret_ref=KeyReference(name="token-own", key="key"))
            self.world.api.create(NetBirdConnection, TENANT, OWN.name, spec)
        self._set_value()
        spec_of_resource = IntegrationSpec(connection_ref=OWN, platform=Platform.DATADOG, datadog=self._block())
        self.world.api.create(EventStreamingIntegration, TENANT, NAME, spec_of_resource)

    def tenant_moves(self, _name: str) -> None:
        """The tenant moves the resource between its own and the administrator's connection."""
        self._edit(connection_ref=self.draw.choice((OWN, SHARED, SHARED)))

    def tenant_edits(self, _name: str) -> None:
        """The tenant declares another URL."""
        self.revision += 1
        self._edit(datadog=self._block())

    def tenant_adopts(self, _name: str) -> None:
        """The tenant requests the adoption of another owner's integration."""
        ids = [*self.world.promises.remotes, 9000]
        policy = self.draw.choice((AdoptionPolicy.OVERRIDE, AdoptionPolicy.MATCH, AdoptionPolicy.NEVER))
        adopting = policy is not AdoptionPolicy.NEVER
        self._edit(adoption=Adoption(policy=policy, id=self.draw.choice(ids) if adopting else None))

    def tenant_redirects(self, _name: str) -> None:
        """The tenant points its connection to another server: its own, NetBird, or one behind its own CA."""
        if self._connection() in self.world.api.objects:
            url, ca = self.draw.choice(((URL, None), (URL, _CA), (DEFAULT_URL, None), (DEFAULT_URL, _CA)))
            self.world.api.edit(self._connection(), url=url, ca_bundle_config_map_ref=ca)

    def tenant_deletes(self, _name: str) -> None:
        """The tenant deletes the resource, and often creates it again."""
        if (found := self._find()) is not None:
            self.world.api.delete(found.key)
        if self.draw.random() < 0.7:
            self.later(self.draw.uniform(1, 20), lambda: self.tenant_creates(NAME))

    def _edit(self, **spec: object) -> None:
        found = self._find()
        if found is not None and not found.deleting:
            self.world.api.edit(found.key, **spec)

    def _find(self) -> EventStreamingIntegration | None:
        found = self.world.api.objects.get(ObjectKey(EventStreamingIntegration.__name__, TENANT, NAME))
        return found if isinstance(found, EventStreamingIntegration) else None

    @staticmethod
    def _connection() -> ObjectKey:
        return ObjectKey(ConnectionKind.NAMESPACED.value, TENANT, OWN.name)

    def _block(self) -> Datadog:
        url = f"https://hook.example/{NAME}/{self.revision}"
        return Datadog(api_url=url, api_key_secret_ref=KeyReference(name=f"secret-{NAME}", key="key"))

    def _set_value(self) -> None:
        self.revision += 1
        value = f"CANARY-{NAME}-v{self.revision}"
        self.world.promises.secret_value(NAME, value)
        self.world.api.put_secret(TENANT, f"secret-{NAME}", {"key": value.encode()})
