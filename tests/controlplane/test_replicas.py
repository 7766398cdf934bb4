"""Several replicas: one acts according to both servers, under any fault, and another takes over in time."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import Any, Final

import pytest

from tests.controlplane.replicas import Replica, Replicas, delete_lease, edit_lease, lease, replicas_of
from tests.doubles.netbird.faults import Fault, Moment, Slow
from tests.doubles.netbird.process import RunningNetBird, running_netbird
from tests.doubles.netbird.records import Integration
from tests.doubles.netbird.tenancy import Account, Token
from tests.doubles.netbird.wire import Operation
from tests.harness import manifests
from tests.harness.controlplane import ControlPlane
from tests.harness.end_to_end import QUICK_LEASE, eventually
from tests.harness.kubectl_team import secret
from tests.harness.operator import Installation, install

# The duration of QUICK_LEASE.
DURATION: Final = 4.0
RENEW_DEADLINE: Final = 3.0
RETRY: Final = 0.5
FLAGS: Final = (
    *QUICK_LEASE,
    "--late-commit-window=3s",
    "--absence-window=1s",
    "--request-timeout=4s",
    "--initial-burst-fraction=1",
)
SLACK: Final = 3.0
"""Seconds for a short step on a busy machine."""
QUEUED: Final = 6
SLOW: Final = {"requestsPerMinute": 30, "burst": 2}


@dataclass(frozen=True, slots=True)
class Team:
    """A namespace and a NetBird account of one test."""

    plane: ControlPlane
    netbird: RunningNetBird
    namespace: str

    def connect(self, url: str, **spec: Any) -> None:
        """Create a connection with that URL."""
        self.apply(secret("netbird", token=f"nbp_{self.namespace}"), manifests.connection(url=url, **spec))

    def apply(self, *documents: manifests.Manifest) -> None:
        """`kubectl apply`."""
        self.plane.kubectl("apply", f"--namespace={self.namespace}", "-f", "-", input=manifests.to_yaml(*documents))

    def webhooks(self, *names: str) -> None:
        """Apply integrations with unique URLs."""
        reference = {"kind": "NetBirdConnection", "name": "netbird"}
        blocks = {name: {"url": f"https://siem.example.com/{self.namespace}/{name}"} for name in names}
        self.apply(
            *(
                manifests.integration("generic_http", name, connectionRef=reference, genericHTTP=block)
                for name, block in blocks.items()
            )
        )

    def ready(self, *names: str, seconds: float = 60) -> None:
        """Wait until they are Ready."""
        targets = [f"esi/{name}" for name in names]
        where = f"--namespace={self.namespace}"
        self.plane.kubectl("wait", "--for=condition=Ready", f"--timeout={seconds:.0f}s", where, *targets)

    def read(self, name: str) -> dict[str, Any]:
        """Return the current resource."""
        text = self.plane.kubectl("get", "esi", name, f"--namespace={self.namespace}", "--output=json")
        found: dict[str, Any] = json.loads(text)
        return found

    def held(self) -> list[Integration]:
        """Return NetBird's integrations of the account."""
        return self.netbird.control.integrations(self.namespace)

    def exactly(self, *names: str) -> None:
        """Check that NetBird has one integration for each name, and each resource has its id."""
        assert sorted(each.config["url"].rpartition("/")[2] for each in self.held()) == sorted(names)
        assert {self.read(name)["status"]["id"] for name in names} == {each.id for each in self.held()}

    def posts(self) -> int:
        """Return how many creates were received."""
        entries = self.netbird.control.journal(operation=Operation.CREATE)
        return sum(1 for each in entries if each.account_id == self.namespace)

    @contextmanager
    def editing(self, name: str) -> Iterator[None]:
        """Edit the resource all the time."""
        over = Event()

        def edit() -> None:
            number = 0
            while not over.wait(0.1):
                number += 1
                patch = json.dumps({"spec": {"genericHTTP": {"bodyTemplate": f'{{"number": {number}}}'}}})
                where = f"--namespace={self.namespace}"
                self.plane.kubectl("patch", "esi", name, where, "--type=merge", f"--patch={patch}")

        thread = Thread(target=edit)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


@pytest.fixture(scope="module")
def control_plane() -> Iterator[ControlPlane]:
    """A separate control plane, because a replica would act on objects of other tests."""
    with ControlPlane.start() as plane:
        yield plane


@pytest.fixture(scope="module")
def netbird() -> Iterator[RunningNetBird]:
    with running_netbird() as running:
        yield running


@pytest.fixture(scope="module")
def installation(control_plane: ControlPlane) -> Installation:
    return install(control_plane)


@pytest.fixture
def team(control_plane: ControlPlane, netbird: RunningNetBird, namespace: str) -> Iterator[Team]:
    netbird.control.add_account(Account(namespace))
    netbird.control.add_token(Token(namespace, f"nbp_{namespace}", namespace))
    yield Team(control_plane, netbird, namespace)
    # No replica leads any more, and the finalizers would block the namespace.
    where = f"--namespace={namespace}"
    for kind in ("esi", "netbirdconnection"):
        for name in control_plane.kubectl("get", kind, where, "--output=name").split():
            control_plane.kubectl("patch", name, where, "--type=merge", '--patch={"metadata":{"finalizers":null}}')


@pytest.fixture
def replicas(installation: Installation, netbird: RunningNetBird, team: Team) -> Iterator[Replicas]:
    with replicas_of(installation, netbird.url, *FLAGS) as replicas:
        team.connect(replicas.netbird)
        yield replicas
        replicas.one_at_a_time()


def wait_for_leader(replica: Replica, seconds: float = DURATION + 2 * RETRY + SLACK) -> None:
    eventually(lambda: replica.terms, "the follower leads", seconds)


def hand_over(team: Team, old: Replica, new: Replica) -> None:
    """Stop the leader by SIGTERM: the only follower leads in time, and creates an integration."""
    # It is ready, not broken.
    assert (new.probe("/readyz"), new.probe("/healthz")) == ((200, "ok\n"), (200, "ok\n"))
    assert new.terms == 0
    assert old.stop() == 0
    ended = time.monotonic()
    wait_for_leader(new)
    assert time.monotonic() - ended < RETRY + SLACK < DURATION
    name = f"made-by-{new.number}"
    team.webhooks(name)
    team.ready(name)


def test_sigterm_hands_over_at_once_repeatedly_during_edits(replicas: Replicas, team: Team) -> None:
    first, second = replicas.pair()
    team.webhooks("edited")
    team.ready("edited")
    with team.editing("edited"):
        hand_over(team, first, second)
        # Started only now, because two that wait for a free Lease are equal.
        hand_over(team, second, replicas.start())
    team.ready("edited")
    team.exactly("edited", "made-by-3", "made-by-4")
    assert [term.who for term in replicas.terms()] == [2, 3, 4]
    assert team.posts() == 3


def test_killed_leader_is_replaced_when_its_lease_expires_and_not_before(replicas: Replicas, team: Team) -> None:
    first, second = replicas.pair()
    team.webhooks("before")
    team.ready("before")
    first.kill()
    killed = datetime.now(UTC)
    wait_for_leader(second)
    taken = replicas.terms()[-1]
    assert taken.who == second.number
    assert RENEW_DEADLINE - RETRY < (taken.begin - killed).total_seconds() < DURATION + 2 * RETRY + SLACK
    team.webhooks("after")
    team.ready("before", "after")
    team.exactly("before", "after")
    assert team.posts() == 2


def test_leader_frozen_in_a_create_is_replaced_without_a_duplicate_and_follows(replicas: Replicas, team: Team) -> None:
    first, second = replicas.pair()
    fault = Fault(Slow(header=1.0), Moment.AFTER, Operation.CREATE, team.namespace)
    team.netbird.control.add_fault(fault)
    team.webhooks("frozen")
    eventually(team.posts, "the POST is under way")
    first.freeze()
    wait_for_leader(second)
    team.ready("frozen")
    assert team.read("frozen")["status"]["origin"] == "Inferred"
    team.exactly("frozen")
    before = len(replicas.acts())
    looked = replicas.looks(first)
    first.thaw()
    # The response of its POST, its timers and its watch events have waited for it.
    eventually(lambda: replicas.looks(first) > looked + 2, "it looks at the Lease again")
    assert replicas.acts()[before:] == []
    assert first.probe("/readyz") == (200, "ok\n")
    assert first.probe("/healthz") == (200, "ok\n")
    # It has no state of its first term when it leads again.
    team.webhooks("between")
    team.ready("between")
    assert second.stop() == 0
    eventually(lambda: first.terms == 2, "it leads again")
    team.webhooks("after")
    team.ready("frozen", "between", "after")
    team.exactly("frozen", "between", "after")
    assert team.posts() == 3


@pytest.mark.parametrize("how", ["the API server is cut off", "the API server hangs", "both servers are cut off"])
def test_leader_without_its_api_server_sends_nothing_before_another_may_lead(
    replicas: Replicas, team: Team, how: str
) -> None:
    first, second = replicas.pair()
    names = [f"queued-{number}" for number in range(QUEUED)]
    # Their intents are written, and their POSTs wait for a budget of one in two seconds.
    team.connect(replicas.netbird, rateLimit=SLOW)
    team.webhooks(*names)
    eventually(team.posts, "the first POST is sent")
    gone = datetime.now(UTC)
    (replicas.hang if how == "the API server hangs" else replicas.cut)(first)
    if how == "both servers are cut off":
        replicas.barred.add(first.pid)
    wait_for_leader(second)
    team.ready(*names)
    team.exactly(*names)
    last = max(each.at for each in replicas.requests() if each.who == first.number)
    assert last < gone + timedelta(seconds=RENEW_DEADLINE + RETRY)
    assert last < replicas.terms()[-1].begin
    assert first.alive
    acts = len([each for each in replicas.acts() if each.who == first.number])
    replicas.barred.clear()
    looked = replicas.looks(first)
    replicas.restore(first)
    eventually(lambda: replicas.looks(first) > looked, "it looks at the Lease again")
    assert len([each for each in replicas.acts() if each.who == first.number]) == acts
    assert first.probe("/healthz") == (200, "ok\n")


def test_no_replica_acts_while_the_api_server_hangs_and_one_does_afterwards(replicas: Replicas, team: Team) -> None:
    first, second = replicas.pair()
    team.connect(replicas.netbird, rateLimit=SLOW)
    names = [f"queued-{number}" for number in range(QUEUED)]
    team.webhooks(*names)
    eventually(team.posts, "the first POST is sent")
    team.plane.pause()
    try:
        paused = datetime.now(UTC)
        eventually(lambda: "lost; this process stops writing" in first.text(), "the leader gives up")
        time.sleep(DURATION)
        late = [each for each in replicas.requests() if each.at > paused + timedelta(seconds=RENEW_DEADLINE + RETRY)]
        assert late == []
        assert second.terms == 0
    finally:
        team.plane.resume()
    team.ready(*names)
    team.exactly(*names)


def test_one_replica_acts_at_a_time_after_any_edit_of_the_lease(replicas: Replicas, team: Team) -> None:
    first, second = replicas.pair()
    team.webhooks("edited")
    team.ready("edited")
    with team.editing("edited"):
        delete_lease(team.plane)
        eventually(lambda: first.terms + second.terms == 2, "one leads after the deletion")
        edit_lease(team.plane, leaseDurationSeconds=1)
        eventually(lambda: lease(team.plane)["leaseDurationSeconds"] == DURATION, "the holder sets it right")
        first.freeze()
        edit_lease(team.plane, holderIdentity="another-holder")
        wait_for_leader(second)
        first.thaw()
        eventually(lambda: "lost; this process stops writing" in first.text(), "it knows that it follows")
        held = first.terms + second.terms
        edit_lease(team.plane, holderIdentity=first.identity)
        eventually(lambda: first.terms + second.terms == held + 1, "one leads after it was named")
        edit_lease(team.plane, holderIdentity="")
        eventually(lambda: first.terms + second.terms == held + 2, "one leads after it was emptied")
    team.ready("edited")
    team.exactly("edited")
    assert team.posts() == 1


def test_single_replica_works_without_a_lease_and_never_requests_one(replicas: Replicas, team: Team) -> None:
    only = replicas.start("--lease=false")
    team.webhooks("alone")
    team.ready("alone")
    team.exactly("alone")
    assert (only.probe("/readyz"), only.probe("/healthz")) == ((200, "ok\n"), (200, "ok\n"))
    assert replicas.looks(only) == 0
    assert only.stop() == 0
