"""Replicas of one installation, and the actions of each, from the logs of the servers alone.

Each replica reaches the API server through its own proxy, from its own address, by which the audit log distinguishes
them. NetBird has one URL for all, so the proxy to it asks the kernel which process a connection belongs to. Neither
depends on the operator, which may be frozen or wrong.
"""

import json
import os
import re
import signal
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from anyio.from_thread import BlockingPortal, start_blocking_portal

from netbird_streaming.api.types import GROUP
from tests.controlplane.cuttable_connection import CuttableConnection, cuttable_connection
from tests.harness.controlplane import ControlPlane, freeze
from tests.harness.operator import LEASE, NAMESPACE, Installation, Operator

_REQUEST: Final = re.compile(rb"(GET|POST|PUT|DELETE) (\S+) HTTP/1\.1\r\n")
_WRITES: Final = frozenset({"create", "update", "patch", "delete"})
_ACTED_ON: Final = frozenset({GROUP, "events.k8s.io"})


@dataclass(frozen=True, slots=True, order=True)
class Act:
    """A request to NetBird, or a write to Kubernetes, at its time of arrival."""

    at: datetime
    who: int
    """The replica's number."""
    what: str


@dataclass(frozen=True, slots=True, order=True)
class Term:
    """The time from the first write by which a replica acquired the Lease, until another's."""

    begin: datetime
    who: int


class Replica(Operator):
    """A process. Its number is the last part of its address in the API server's log."""

    def __init__(
        self, installation: Installation, number: int, cable: CuttableConnection, arguments: Sequence[str]
    ) -> None:
        """Start it with its proxy."""
        self.number: Final = number
        self.cable: Final = cable
        config = json.loads(installation.kubeconfig.read_text())
        config["clusters"][0]["cluster"]["server"] = cable.url
        kubeconfig = installation.kubeconfig.with_suffix(f".{number}")
        kubeconfig.touch(mode=0o600)
        kubeconfig.write_text(json.dumps(config))
        super().__init__(replace(installation, kubeconfig=kubeconfig), *arguments)

    @property
    def terms(self) -> int:
        """Return how often it began to lead."""
        return self.text().count("leading as")

    @property
    def identity(self) -> str:
        """Return its name in the Lease, once it has led."""
        found = re.findall(r"leading as ([^\s\"]+)", self.text())
        assert found, "it has not led yet"
        name: str = found[-1]
        return name

    def freeze(self) -> None:
        """SIGSTOP."""
        freeze(self.pid)

    def thaw(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)


@dataclass(slots=True)
class Replicas:
    """Replicas of one installation. Made by `replicas_of`."""

    installation: Installation
    portal: BlockingPortal
    stack: ExitStack
    arguments: tuple[str, ...]
    netbird: str
    """The URL by which all of them reach NetBird."""
    said: list[tuple[datetime, int, str]]
    """The requests to NetBird: time, process and request line."""
    owners: dict[int, int | None] = field(default_factory=dict)
    """The process at the other end of a connection, by its port."""
    barred: set[int] = field(default_factory=set)
    """Process ids that can't reach NetBird any more."""
    all: list[Replica] = field(default_factory=list)
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    """Earlier entries of the audit log belong to others."""

    @property
    def plane(self) -> ControlPlane:
        """The control plane."""
        return self.installation.plane

    def start(self, *arguments: str) -> Replica:
        """Start another replica, and wait until it leads or follows."""
        number = len(self.all) + 2
        laying = self.portal.wrap_async_context_manager(cuttable_connection(self.plane.url, f"127.0.0.{number}"))
        cable = self.stack.enter_context(laying)
        replica = Replica(self.installation, number, cable, (*self.arguments, *arguments))
        self.stack.callback(replica.kill)
        self.all.append(replica)
        return replica.ready()

    def pair(self) -> tuple[Replica, Replica]:
        """Start two: the first leads, the second follows."""
        first = self.start().leading()
        return first, self.start()

    def cut(self, replica: Replica) -> None:
        """Reset its connections to the API server and refuse new ones."""
        self.portal.call(replica.cable.cut)

    def hang(self, replica: Replica) -> None:
        """Keep its connections to the API server open without traffic."""
        self.portal.call(replica.cable.hang)

    def restore(self, replica: Replica) -> None:
        """Restore its connection to the API server. Data in transit are lost."""
        self.portal.call(replica.cable.cut)
        self.portal.call(replica.cable.restore)

    def listen(self, port: int, data: bytes) -> None:
        """Record what NetBird receives from a port. Blocked requests are recorded too, and not forwarded."""
        if not data:
            # Asked as the connection begins, because a process may close it as soon as its request is sent.
            self.owners[port] = _owner(port, [each.pid for each in self.all])
        found = _REQUEST.match(data)
        if found is None:
            return
        owner = self.owners[port]
        self.said.append((datetime.now(UTC), owner or 0, f"{found[1].decode()} {found[2].decode()}"))
        if owner in self.barred:
            raise ConnectionResetError

    def requests(self) -> list[Act]:
        """Return the requests to NetBird with their replicas."""
        numbers = {each.pid: each.number for each in self.all}
        return [Act(at, numbers.get(pid, 0), what) for at, pid, what in list(self.said)]

    def acts(self) -> list[Act]:
        """Return all requests to NetBird and all writes to Kubernetes, in order."""
        written = [Act(_received(each), number, _described(each)) for number, each in self._audit() if _is_act(each)]
        return sorted([*self.requests(), *written])

    def terms(self) -> list[Term]:
        """Return the holders of the Lease, in order: only its holder, or its next one, ever writes it successfully."""
        writes = sorted(
            (_answered(each), Term(_received(each), number)) for number, each in self._audit() if _is_lease_write(each)
        )
        held = [term for _, term in writes]
        return [
            term for before, term in zip([None, *held], held, strict=False) if before is None or before.who != term.who
        ]

    def looks(self, replica: Replica) -> int:
        """Return how often it has requested the Lease."""
        return sum(1 for number, each in self._audit() if number == replica.number and _is_lease(each))

    def one_at_a_time(self) -> None:
        """Check that each action is of the Lease's holder at its arrival. Without a Lease, all are of one replica."""
        terms = self.terms()
        if not terms:
            assert len({act.who for act in self.acts()}) == 1
            return
        begins = [term.begin for term in terms]
        for act in self.acts():
            position = bisect_right(begins, act.at) - 1
            assert position >= 0, f"{act} before anybody held the Lease"
            assert terms[position].who == act.who, f"{act} in the term {terms[position]}; all terms: {terms}"

    def _audit(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Return the API server's responses to each replica, by its number."""
        numbers = {f"127.0.0.{each.number}": each.number for each in self.all}
        seen: set[str] = set()
        for line in (self.plane.folder / "audit.log").read_bytes().splitlines(keepends=True):
            entry = json.loads(line) if line.endswith(b"\n") else {}
            number = numbers.get(entry.get("sourceIPs", [""])[0])
            # A watch is logged at its start and again at its end.
            if number is not None and entry["auditID"] not in seen and _received(entry) >= self.since:
                seen.add(entry["auditID"])
                yield number, entry


@contextmanager
def replicas_of(installation: Installation, netbird_url: str, *arguments: str) -> Iterator[Replicas]:
    """Start the proxy to NetBird. The replicas end with the block, and their Lease is deleted."""
    with start_blocking_portal() as portal, ExitStack() as stack:
        replicas = Replicas(installation, portal, stack, arguments, "", [])
        laying = portal.wrap_async_context_manager(cuttable_connection(netbird_url, listener=replicas.listen))
        replicas.netbird = stack.enter_context(laying).url
        stack.callback(_forget_lease, installation.plane)
        yield replicas


def lease(plane: ControlPlane) -> dict[str, Any]:
    """Return the Lease's spec."""
    text = plane.kubectl("get", "lease", LEASE, f"--namespace={NAMESPACE}", "--output=json")
    spec: dict[str, Any] = json.loads(text)["spec"]
    return spec


def edit_lease(plane: ControlPlane, **spec: object) -> None:
    """Change the Lease as `kubectl edit` does."""
    patch = json.dumps({"spec": spec})
    plane.kubectl("patch", "lease", LEASE, f"--namespace={NAMESPACE}", "--type=merge", f"--patch={patch}")


def delete_lease(plane: ControlPlane) -> None:
    """Delete the Lease if it exists."""
    plane.kubectl("delete", "lease", LEASE, f"--namespace={NAMESPACE}", "--ignore-not-found")


def _forget_lease(plane: ControlPlane) -> None:
    # The Lease of a killed one would delay the next test.
    delete_lease(plane)


def _owner(port: int, pids: Sequence[int]) -> int | None:
    """Ask the kernel which of the processes has a TCP connection from this port (proc_pid_net(5))."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {f"socket:[{line[9]}]" for line in lines if int(line[1].rpartition(":")[2], 16) == port}
    for pid in pids:
        with suppress(OSError):
            for each in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(OSError):
                    if str(each.readlink()) in sockets:
                        return pid
    return None


def _is_lease(entry: Mapping[str, Any]) -> bool:
    return bool(entry.get("objectRef", {}).get("resource") == "leases")


def _is_lease_write(entry: Mapping[str, Any]) -> bool:
    return _is_lease(entry) and entry["verb"] in _WRITES and entry["responseStatus"]["code"] < 300


def _is_act(entry: Mapping[str, Any]) -> bool:
    return entry["verb"] in _WRITES and entry.get("objectRef", {}).get("apiGroup") in _ACTED_ON


def _described(entry: Mapping[str, Any]) -> str:
    return f"{entry['verb']} {entry['requestURI'].partition('?')[0]} {entry['responseStatus']['code']}"


def _received(entry: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(entry["requestReceivedTimestamp"])


def _answered(entry: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(entry["stageTimestamp"])
