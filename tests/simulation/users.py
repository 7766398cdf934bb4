"""Actions of users and administrators in a scenario."""

import random
from collections.abc import Callable
from typing import Final, TextIO

from netbird_streaming.api.types import (
    FINALIZER,
    RECONCILE_ANNOTATION,
    Access,
    Adoption,
    AdoptionPolicy,
    Auth,
    BearerAuth,
    ClusterConnectionSpec,
    ClusterNetBirdConnection,
    ConnectionKind,
    ConnectionSpec,
    Datadog,
    DeletionPolicy,
    DriftPolicy,
    EventStreamingIntegration,
    GenericHTTP,
    IntegrationSpec,
    KeyReference,
    NetBirdConnection,
    ObjectKey,
    Platform,
)
from tests.simulation.bookkeeping import TENANT, url_of
from tests.simulation.environment import REPAIRED, RESYNC
from tests.simulation.network import WORLD
from tests.simulation.plan import Plan
from tests.simulation.random_faults import FaultSource
from tests.simulation.world import OPERATOR, TEAM, MakeController, World

HANGING: Final = 0.3
"""The share of destinations that never respond, where there are such hosts."""


class Users:
    """Users and administrators. Impossible actions are skipped."""

    def __init__(
        self, plan: Plan, make: MakeController, *, fault_source: FaultSource | None = None, output: TextIO | None = None
    ) -> None:
        self.plan = plan
        self.draw = random.Random(plan.seed)
        """The source of the details of the current action."""
        self.world = World(plan.seed, plan.environment, make, fault_source=fault_source, output=output)
        self.lost_secrets: set[str] = set()
        self.revision = 0
        self.quiet_calls = 0
        self.token = "CANARY-main-v0"
        self.account = "acc-a"
        """The value of the main connection's token."""
        self.switched = False
        self.rotated = False
        self.backups: dict[str, EventStreamingIntegration] = {}

    def identity(self, name: str) -> ObjectKey:
        """Return the key of a resource."""
        return ObjectKey(EventStreamingIntegration.__name__, TEAM, name)

    def find(self, name: str) -> EventStreamingIntegration | None:
        """Return a resource if it exists."""
        found = self.world.api.objects.get(self.identity(name))
        return found if isinstance(found, EventStreamingIntegration) else None

    def connect(self, name: str) -> None:
        """Create a connection and its Secret, as an administrator."""
        kind = self.plan.participants.reference(name).kind
        space = OPERATOR if kind is ConnectionKind.CLUSTER else TEAM
        self.world.put_secret(f"token-{name}", f"CANARY-{name}-v0", space)
        ref = KeyReference(name=f"token-{name}", key="key")
        if kind is ConnectionKind.CLUSTER:
            tenants = (Access(namespaces=(TENANT,)),) if self.plan.participants.hostile else ()
            access = (Access(namespaces=(TEAM,), allow_adoption=self.plan.participants.allow_adoption), *tenants)
            spec = ClusterConnectionSpec(token_secret_ref=ref, access=access, resync_interval=RESYNC)
            self.world.api.create(ClusterNetBirdConnection, None, name, spec)
        else:
            plain = ConnectionSpec(token_secret_ref=ref, resync_interval=RESYNC)
            self.world.api.create(NetBirdConnection, TEAM, name, plain)

    def create(self, name: str) -> None:
        """Create a resource and its Secret."""
        if self.find(name) is not None:
            return
        self.set_value(name)
        draw = self.draw
        policy = draw.choice((DriftPolicy.CORRECT,) * 5 + (DriftPolicy.REPORT,))
        adoption = Adoption(policy=AdoptionPolicy.MATCH) if draw.random() < 0.1 else Adoption()
        spec = IntegrationSpec(
            connection_ref=self.plan.participants.reference(),
            platform=Platform.DATADOG,
            enabled=draw.random() < 0.8,
            adoption=adoption,
            drift_policy=policy,
            **self.block(name, self.url(name)),
        )
        platform = Platform.DATADOG if spec.datadog is not None else Platform.GENERIC_HTTP
        self.world.api.create(EventStreamingIntegration, TEAM, name, spec.model_copy(update={"platform": platform}))

    def url(self, name: str) -> str:
        """Return a URL for a resource. Identical resources share it."""
        shared = "shared" if self.plan.participants.identical else name
        return f"https://{self.host()}/{shared}/{self.revision if self.draw.random() < 0.3 else 0}"

    def host(self) -> str:
        """Return the host of a destination: in some scenarios there are hosts that never respond."""
        hanging = self.plan.environment.behaviour.hanging_hosts
        return min(hanging) if hanging and self.draw.random() < HANGING else "hook.example"

    def block(self, name: str, url: str) -> dict[str, Datadog | GenericHTTP | None]:
        """Return the platform's block. The name determines the platform, so that it never changes."""
        ref = KeyReference(name=f"secret-{name}", key="key")
        if self.plan.participants.datadog or self.plan.participants.identical:
            return {"datadog": Datadog(api_url=url, api_key_secret_ref=ref)}
        return {"generic_http": GenericHTTP(url=url, auth=Auth(bearer=BearerAuth(token_secret_ref=ref)))}

    def set_value(self, name: str) -> None:
        """Set the Secret of a resource to a value that it never had."""
        self.revision += 1
        self.lost_secrets.discard(name)
        value = f"CANARY-{name}-v{self.revision}"
        self.world.tell(f"user sets secret of {name} to v{self.revision}")
        self.world.promises.secret_value(name, value)
        self.world.api.put_secret(TEAM, f"secret-{name}", {"key": value.encode()})

    def edit_url(self, name: str) -> None:
        """Declare another URL."""
        found = self.find(name)
        if found is not None and not found.deleting:
            self.revision += 1
            url = f"https://{self.host()}/{name}/{self.revision}"
            self.world.api.edit(found.key, **self.block(name, url))

    def toggle(self, name: str) -> None:
        """Enable or disable the integration."""
        found = self.find(name)
        if found is not None and not found.deleting:
            self.world.api.edit(found.key, enabled=not found.spec.enabled)

    def suspend(self, name: str) -> None:
        """Suspend a resource, or resume it."""
        found = self.find(name)
        if found is not None and not found.deleting:
            self.world.api.edit(found.key, suspend=not found.spec.suspend)

    def lose_secret(self, name: str) -> None:
        """Delete the Secret. Most users create it again."""
        self.lost_secrets.add(name)
        self.world.promises.secret_value(name, None)
        self.world.api.delete_secret(TEAM, f"secret-{name}")
        if self.draw.random() < 0.6:
            self.later(self.draw.uniform(1, 40), lambda: self.set_value(name))

    def request(self, name: str) -> None:
        """Request a reconcile."""
        found = self.find(name)
        if found is not None:
            self.revision += 1
            self.world.api.annotate(found.key, RECONCILE_ANNOTATION, f"now-{self.revision}")

    def touch(self, name: str) -> None:
        """Write annotations repeatedly, as another controller, so that versions change during a reconcile."""
        for _ in range(5):
            self.later(self.draw.uniform(0, 3), lambda: self._annotate(name))

    def _annotate(self, name: str) -> None:
        found = self.find(name)
        if found is not None:
            self.revision += 1
            self.world.api.annotate(found.key, "example.com/noise", str(self.revision))

    def delete(self, name: str) -> None:
        """Delete a resource."""
        if (found := self.find(name)) is not None:
            self.world.tell(f"user deletes {name}")
            self.backups[name] = found
            self.world.api.delete(found.key)

    def recreate(self, name: str) -> None:
        """Delete a resource and create one with the same name as soon as it is gone."""
        self.delete(name)
        self.later(self.draw.uniform(0.01, 3), lambda: self._create_when_gone(name, restored=False))

    def rename(self, name: str) -> None:
        """Replace a resource by one with another name and the same settings, created before or after the deletion."""
        found = self.find(name)
        if found is None or found.deleting:
            return
        actions = [lambda: self.delete(name), lambda: self._create_like(f"{name}x", found)]
        self.draw.shuffle(actions)
        actions[0]()
        self.later(self.draw.uniform(0, 20), actions[1])

    def _create_like(self, name: str, other: EventStreamingIntegration) -> None:
        if self.find(name) is None:
            self.set_value(name)
            block = self.block(name, url_of(other.spec))
            self.world.api.create(
                EventStreamingIntegration, TEAM, name, other.spec.model_copy(update={**block, "suspend": False})
            )

    def restore(self, name: str) -> None:
        """Remove a resource with its namespace and restore it from a backup, with its status."""
        self.delete(name)
        self.later(self.draw.uniform(0.01, 3), lambda: self._create_when_gone(name, restored=True))

    def _create_when_gone(self, name: str, *, restored: bool) -> None:
        if self.find(name) is not None:
            if self.world.loop.now < 1000 + REPAIRED:
                self.later(2.0, lambda: self._create_when_gone(name, restored=restored))
            return
        self.create(name)
        if restored and name in self.backups:
            self.world.tell(f"backup tool restores the status of {name}")
            self.world.api.restore_status(self.identity(name), self.backups[name].status)

    def orphan(self, name: str) -> None:
        """Set the deletion policy to orphan. Some users then delete the resource."""
        found = self.find(name)
        if found is not None:
            self.world.api.edit(found.key, deletion_policy=DeletionPolicy.ORPHAN)
            if self.draw.random() < 0.5:
                self.later(self.draw.uniform(0.05, 20), lambda: self.delete(name))

    def strip(self, name: str) -> None:
        """Remove all finalizers, as `kubectl replace` does."""
        found = self.find(name)
        if found is not None and FINALIZER in found.metadata.finalizers:
            self.world.api.set_finalizers(found.key, ())

    def move(self, name: str) -> None:
        """Move the resource to another connection of the same or another account. Some users move it back."""
        found = self.find(name)
        if found is None or found.deleting:
            return
        where = "second" if self.draw.random() < 0.6 else "foreign"
        self.world.token(f"tok-{where}", "acc-a" if where == "second" else "acc-b", f"CANARY-{where}-v0")
        if ObjectKey(ConnectionKind.NAMESPACED.value, TEAM, where) not in self.world.api.objects:
            self.connect(where)
        self.world.api.edit(found.key, connection_ref=self.plan.participants.reference(where))
        if self.draw.random() < 0.4:
            self.later(self.draw.uniform(1, 50), lambda: self._move_back(name))

    def _move_back(self, name: str) -> None:
        if (found := self.find(name)) is not None and not found.deleting:
            self.world.api.edit(found.key, connection_ref=self.plan.participants.reference())

    def adopt(self, name: str) -> None:
        """Let a resource adopt: an identical integration, or the id of an unowned one."""
        found = self.find(name)
        if found is None or found.deleting:
            return
        unowned = [each.id for each in self.world.promises.remotes.values() if each.live and each.maker is None]
        if unowned and self.draw.random() < 0.7:
            policy = self.draw.choice((AdoptionPolicy.MATCH, AdoptionPolicy.OVERRIDE))
            adoption = Adoption(policy=policy, id=self.draw.choice(unowned))
        else:
            adoption = Adoption(policy=AdoptionPolicy.MATCH)
        self.world.api.edit(found.key, adoption=adoption)

    def rotate_token(self, _name: str) -> None:
        """Rotate the connection's token, as an administrator."""
        self.rotated = True
        self._make_token(self.account)
        self.later(self.draw.uniform(0, 5), self._put_token)

    def switch_account(self, _name: str) -> None:
        """Set a token of another account in the connection, as an administrator. Most change it back."""
        self.switched = True
        self._make_token("acc-b")
        self._put_token()
        if self.draw.random() < 0.7:
            self.later(self.draw.uniform(1, 40), self._switch_back)

    def _switch_back(self) -> None:
        self._make_token("acc-a")
        self._put_token()

    def _make_token(self, account: str) -> None:
        self.revision += 1
        self.account, self.token = account, f"CANARY-main-v{self.revision}"
        self.world.token(f"tok-{account}", account, self.token)

    def _put_token(self) -> None:
        space = OPERATOR if self.plan.participants.kind is ConnectionKind.CLUSTER else TEAM
        self.world.put_secret("token-main", self.token, space)

    def delete_all(self, _name: str) -> None:
        """Delete a namespace, Secrets first."""
        for each in self.plan.participants.resources:
            self.lost_secrets.add(each)
            self.world.promises.secret_value(each, None)
            self.world.api.delete_secret(TEAM, f"secret-{each}")
        if self.plan.participants.kind is ConnectionKind.NAMESPACED:
            self.world.drop_secret("token-main")
            self.world.api.delete(ObjectKey(ConnectionKind.NAMESPACED.value, TEAM, "main"))
        for each in self.plan.participants.resources:
            self.delete(each)

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Schedule a step of the same action, drawn from the same seed."""
        draw = self.draw

        def go_on() -> None:
            self.draw = draw
            action()

        self.world.loop.call_later(seconds, go_on, context=WORLD)
