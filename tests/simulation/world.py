"""A simulated world: a cluster, NetBird, users, other clients, and the operator's processes."""

import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, TextIO

from netbird_streaming.api.types import EventStreamingIntegration, ObjectKey, Resource
from netbird_streaming.background import heeding_cancellation
from netbird_streaming.cluster.leader_election.record import LeaseTiming
from netbird_streaming.config.settings import Settings
from netbird_streaming.controller_settings import controller_settings
from netbird_streaming.core.netbird.fingerprint import FingerprintKey
from netbird_streaming.core.status.events import EventNote
from netbird_streaming.netbird.rate_limiter import RateLimiters
from netbird_streaming.reconciler.ports import ControllerSettings, Ports
from netbird_streaming.reconciler.versions import RewoundError
from tests.doubles.netbird.behaviour import Behaviour, Form
from tests.doubles.netbird.model import NetBird
from tests.doubles.netbird.records import Draft
from tests.doubles.netbird.tenancy import Account, Token
from tests.harness.recording_meter import Tally
from tests.simulation.apiserver import ApiServer, Change, Snapshot
from tests.simulation.bookkeeping import key_of
from tests.simulation.cluster import SimCluster
from tests.simulation.host import EPOCH, KEY, SimClock
from tests.simulation.hostile_server import HostileServer
from tests.simulation.lease import DRIFT, LeaseApi, LeaseServer, elector_of
from tests.simulation.loop import VirtualLoop
from tests.simulation.netbird import SimNetBirdFactory
from tests.simulation.network import WORLD, Network, Process
from tests.simulation.promises import Promises
from tests.simulation.random_faults import FaultSource, NetworkFaults, Phase, RandomFaults
from tests.simulation.watches import ControllerLike, Watch, Watcher

TEAM: Final = "team"
OPERATOR: Final = "operator"
INSTALLATION: Final = f"{OPERATOR}/lease"
LATE_COMMIT: Final = 60.0
LEASE: Final = 15.0
INITIAL_SHARE: Final = 0.1


MakeController = Callable[[Ports, ControllerSettings], ControllerLike]


@dataclass(frozen=True, slots=True)
class Environment:
    """Settings that do not change during one scenario."""

    cluster: NetworkFaults = field(default_factory=NetworkFaults)
    netbird: NetworkFaults = field(default_factory=NetworkFaults)
    watch: Watch = field(default_factory=Watch)
    election: LeaseTiming | None = None
    """If set, processes lead by the shipped elector. Otherwise each leads from its start."""
    behaviour: Behaviour = field(default_factory=Behaviour)
    reads_accounts: bool = True
    limited: bool = False
    """If set, processes keep to the connections' rate limit, as the shipped client does."""
    token_expiry: bool = False
    """If set, processes read the expiry of tokens."""


class World:
    """The simulated world, its log so far, and the promises to check."""

    def __init__(
        self,
        seed: int,
        environment: Environment,
        make: MakeController,
        *,
        fault_source: FaultSource | None = None,
        output: TextIO | None = None,
    ) -> None:
        self._seed = seed
        self.fault_source: FaultSource = fault_source or RandomFaults(seed + 1)
        self.environment = environment
        self.make = make
        self._output = output
        self.log: list[str] = []
        self.loop = VirtualLoop()
        self.promises = Promises(self.loop.time, self.tell)
        self._actor: Process | None = None
        self._known: dict[ObjectKey, Resource] = {}
        self.events: list[tuple[ObjectKey, EventNote]] = []
        self.api = ApiServer(self.now, self._changed)
        self._lease = LeaseServer()
        self.netbird = NetBird(environment.behaviour)
        hidden = bool(environment.behaviour.immutable) or environment.behaviour.form is Form.UNRELATED
        self.promises.restless = hidden
        self.promises.cut = environment.behaviour.list_limit is not None
        self.hostile = HostileServer(seed, lambda: sorted(self.netbird.integrations), self.now)
        self.to_cluster = Network(self.loop, self.fault_source, environment.cluster, self.tell, LATE_COMMIT)
        self.to_netbird = Network(self.loop, self.fault_source, environment.netbird, self.tell, LATE_COMMIT)
        self.to_cluster.tells_requests = self.to_netbird.tells_requests = output is not None
        self.processes: list[Process] = []
        self._watchers: list[Watcher] = []
        self.clusters: list[SimCluster] = []
        self.clients: list[SimNetBirdFactory] = []
        self.tallies: list[Tally] = []
        for account in ("acc-a", "acc-b"):
            self.netbird.directory.add_account(Account(account))

    def now(self) -> datetime:
        """Return the servers' clock."""
        return EPOCH + timedelta(seconds=self.loop.now)

    def tell(self, line: str) -> None:
        """Add one line to the log of the scenario."""
        text = f"{self.loop.now - 1000:9.3f}  {line}"
        self.log.append(text)
        if self._output is not None:
            self._output.write(text + "\n")

    def at(self, moment: float, action: Callable[[], None]) -> None:
        """Schedule an external event so many seconds after the beginning."""
        self.loop.call_at(1000 + moment, action, context=WORLD)

    def run_until(self, moment: float) -> None:
        """Run the scenario until that many seconds after its beginning."""
        self.loop.run_until(1000 + moment, alive=self._is_any_running)

    def _is_any_running(self) -> bool:
        return any(each.owner.alive and not each.owner.frozen for each in self.processes)

    def token(self, token_id: str, account_id: str, value: str) -> None:
        """Register a token in NetBird."""
        reads = self.environment.reads_accounts
        self.netbird.directory.add_token(Token(token_id, value, account_id, may_read_accounts=reads))

    # Processes of the operator.

    def start(
        self,
        crash_at: dict[int, Phase] | None = None,
        on_death: Callable[[], None] = lambda: None,
        *,
        installation: str = INSTALLATION,
        key: FingerprintKey = KEY,
        has_lease: bool = True,
    ) -> Process:
        """Start a process. It holds the Lease of its installation until the Lease is taken away."""
        number = len(self.processes)
        own = random.Random((self._seed << 16) + number)
        process = Process(
            name=f"p{number}",
            loop=self.loop,
            skew=own.uniform(-20, 20),
            monotonic_base=own.uniform(0, 10_000),
            crash_at=crash_at or {},
        )
        cluster = SimCluster(self.api, self.to_cluster, process, self._act, self._published)
        netbird = SimNetBirdFactory(self.netbird, self.now, self.to_netbird, process, self.promises)
        netbird.hostile = self.hostile
        clock, tally = SimClock(process), Tally()
        netbird.budgets = RateLimiters(clock, INITIAL_SHARE) if self.environment.limited else None
        ports = Ports(cluster=cluster, netbird=netbird, clock=clock, random=own, key=key, recorder=tally)
        configured = Settings(
            lease=has_lease, late_commit_window=LATE_COMMIT, token_expiry=self.environment.token_expiry
        )
        settings = replace(controller_settings(configured, OPERATOR), installation=installation)
        self.processes.append(process)
        self.clusters.append(cluster)
        self.clients.append(netbird)
        self.tallies.append(tally)
        if self.environment.election is not None:
            process.rate = 1 + own.uniform(-DRIFT, DRIFT)
            lease = LeaseApi(self._lease, self.to_cluster, process)
            process.elector = elector_of(lease, process, clock.now, self.environment.election)
            process.acting = lambda: self._check_alone(process)

        async def lead() -> None:
            self.promises.leads()
            while True:
                controller = self.make(ports, settings)
                watcher = Watcher(self, process, controller)
                self._watchers.append(watcher)
                try:
                    await heeding_cancellation(controller.run())
                except* RewoundError:
                    self.tell(f"{process.name} sees that the API server's data is older than before")
                else:
                    return
                finally:
                    self._watchers.remove(watcher)
                    self.promises.died(process)
                await clock.sleep(1.0)

        def died() -> None:
            self.promises.died(process)
            on_death()

        process.on_death = died
        self.tell(f"{process.name} starts")
        work = lead if process.elector is None else partial(process.elector.run, lead)
        process.task = process.context.run(self._spawn, work)
        process.task.add_done_callback(lambda task: self._ended(process, task), context=WORLD)
        return process

    def _spawn(self, work: Callable[[], Coroutine[Any, Any, None]]) -> Any:
        return self.loop.create_task(work(), name="controller", context=None)

    def _check_alone(self, process: Process) -> None:
        """Check that only one process may act at any time, frozen ones included."""
        able = [each.name for each in self.processes if each.may_act]
        if able != [process.name]:
            self.promises.breach("S1", f"{process.name} acts while {able} may")

    def stop(self, process: Process) -> None:
        """Ask a process to end, as SIGTERM does."""
        self.tell(f"{process.name} is asked to stop")
        assert process.task is not None
        process.task.cancel()

    def kill(self, process: Process) -> None:
        """SIGKILL."""
        if process.owner.alive:
            self.tell(f"{process.name} is killed")
            self.to_cluster.kill(process)

    def freeze(self, process: Process) -> None:
        """Freeze a process, so that its Lease expires unnoticed."""
        self.tell(f"{process.name} freezes")
        process.owner.frozen = True
        if process.elector is None:
            process.lease_until = self.loop.now + LEASE * 0.6

    def thaw(self, process: Process) -> None:
        """Thaw a process. Shortly later it notices that another one leads, through the elector if there is one."""
        if process.owner.alive:
            self.tell(f"{process.name} continues")
            self.loop.thaw(process.owner)
            if process.elector is None:
                self.loop.call_later(0.5, self.stop, process, context=WORLD)

    def _ended(self, process: Process, task: Any) -> None:
        if not process.owner.alive:
            return
        process.owner.alive = False
        if not task.cancelled():
            self.promises.breach("L4", f"the controller ended by itself: {task.exception()!r}")
        self.tell(f"{process.name} has stopped")
        process.on_death()

    def _act(self, process: Process | None) -> None:
        self._actor = process

    def _published(self, resource: Resource, note: EventNote) -> None:
        self.events.append((resource.key, note))
        self.tell(f"  event {resource.key.label}: {note.reason} {note.note}")
        self.promises.published(note.note)

    def _changed(self, change: Change) -> None:
        if change.resource is not None:
            self._note(change.resource, gone=change.gone)
        for watcher in self._watchers:
            watcher.saw(change)

    def _note(self, resource: Resource, *, gone: bool) -> None:
        key = resource.key
        before = self._known.get(key)
        self._describe(resource, gone=gone)
        self.promises.changed(before, resource, self._actor, gone=gone)
        if gone:
            del self._known[key]
        else:
            self._known[key] = resource

    def restore(self, snapshot: Snapshot, *, jump: int | None, outage: float, deaf: bool = False) -> None:
        """Restore etcd in place while the API server is away for so many seconds.

        `deaf`: watches of Secrets continue from a version that the restored etcd has not reached.
        """
        self.tell(f"etcd is restored in place (jump {jump})")
        deaf_below = self.api.version if deaf else 0
        changes = self.api.restore(snapshot, jump=jump)
        secrets = [each.secret for each in changes if each.secret is not None]
        for namespace, name in secrets:
            kept = self.api.secrets.get((namespace, name))
            value = None if kept is None else kept.data["key"].decode()
            self.promises.secret_value(name.removeprefix("secret-"), value)
        for change in changes:
            if change.resource is not None:
                if not change.gone:
                    self.promises.restored(change.resource)
                self._note(change.resource, gone=change.gone)
        for watcher in self._watchers:
            watcher.broken([] if deaf else secrets, outage, deaf_below)
        self.to_cluster.network_faults = replace(
            self.to_cluster.network_faults,
            outages=(*self.to_cluster.network_faults.outages, (self.loop.now, self.loop.now + outage)),
        )

    def _describe(self, after: Resource, *, gone: bool) -> None:
        who = self._actor.name if self._actor is not None else "user"
        meta, what = after.metadata, "gone" if gone else "stored"
        line = f"  k8s {after.key.label} {what} by {who}: v{meta.resource_version} g{meta.generation}"
        if isinstance(after, EventStreamingIntegration):
            status = after.status
            ready = next((f"{each.status}/{each.reason}" for each in status.conditions if each.type == "Ready"), "-")
            intent = f" intent#{status.internal.creation.attempt}" if status.internal.creation is not None else ""
            lost = (
                f" unresolved={len(status.internal.unresolved_creations)}"
                if status.internal.unresolved_creations
                else ""
            )
            line += f" id={status.id}{intent}{lost} Ready={ready} {'F' if after.has_finalizer else '-'}"
        self.tell(line + (" DELETING" if after.deleting else ""))

    # Users and other clients.

    def put_secret(self, name: str, value: str, namespace: str = TEAM) -> None:
        """Create or rotate a Secret with one key."""
        self.tell(f"user sets secret {name}")
        self.promises.secret_value(name, value)
        self.api.put_secret(namespace, name, {"key": value.encode()})

    def drop_secret(self, name: str, namespace: str = TEAM) -> None:
        self.tell(f"user deletes secret {name}")
        self.promises.secret_value(name, None)
        self.api.delete_secret(namespace, name)

    def dashboard_creates(self, account_id: str, draft: Draft) -> int:
        """Create an integration in the dashboard, as another client."""
        made = self.netbird.dashboard_create(account_id, draft, self.now())
        self.tell(f"another client creates {made} {draft.config.get('url') or draft.config.get('api_url')}")
        self._foreign(made)
        return made

    def dashboard_edits(self, integration_id: int, *, url: str | None = None, enabled: bool | None = None) -> None:
        """Change an integration in the dashboard, as another client."""
        found = self.netbird.integrations.get(integration_id)
        if found is None:
            return
        self.tell(f"another client edits {integration_id} url={url} enabled={enabled}")
        name = "api_url" if "api_url" in found.config else "url"
        config = {name: url} if url is not None else None
        self.netbird.dashboard_edit(integration_id, self.now(), config=config, enabled=enabled)
        self._foreign(integration_id)

    def dashboard_deletes(self, integration_id: int) -> None:
        """Delete an integration in the dashboard, as another client."""
        found = self.netbird.integrations.get(integration_id)
        if found is None:
            return
        self.tell(f"another client deletes {integration_id}")
        self.netbird.dashboard_delete(integration_id, self.now())
        key = key_of(found.config, enabled=found.enabled)
        self.promises.foreign(integration_id, found.account_id, key, live=False)

    def hide(self, *, blank: bool) -> None:
        """Begin or end a blank window of NetBird."""
        self.tell(f"netbird shows {'nothing' if blank else 'what it holds'}")
        self.netbird.behaviour = replace(self.netbird.behaviour, blank=blank)
        self.promises.hides(blank=blank)

    def back_up(self) -> Callable[[], None]:
        """Back NetBird's database up, and return a function that restores it."""
        backup, known = self.netbird.shelf.back_up(), dict(self.promises.remotes)

        def restore() -> None:
            self.tell("netbird's database is restored")
            self.netbird.shelf.revert(backup)
            live = {each.id: (each.account_id, key_of(each.config, enabled=each.enabled)) for each in backup.live}
            self.promises.reverted(live, known)

        return restore

    def _foreign(self, integration_id: int) -> None:
        found = self.netbird.integrations[integration_id]
        self.promises.foreign(integration_id, found.account_id, key_of(found.config, enabled=found.enabled))
