"""The rights of the chart are exactly the calls of the operator, and a missing right is named.

The API server decides: its audit log has each request and each refusal.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final
from uuid import uuid4

import pytest

from tests.doubles.netbird.process import RunningNetBird, running_netbird
from tests.harness.controlplane import AuditEvent, ControlPlane
from tests.harness.end_to_end import QUICK_LEASE, eventually
from tests.harness.operator import Operator, apply
from tests.harness.release import Release
from tests.harness.rights import Granted, granted_by
from tests.harness.rights_flows import LABELS, Flows

Unit = tuple[str, Granted]
"""The namespace (`""`: the whole cluster), and the right."""
SELECTOR: Final = "--selector=app.kubernetes.io/instance=op"
FORBIDDEN: Final = 403
REFUSED: Final = re.compile("denies access")
"""Text in the operator's log."""
KEY: Final = "secrets=netbird-streaming-operator-fingerprint-key"
READ: Final = {"secrets": "Secret", "configmaps": "ConfigMap", "namespaces": "Namespace"}
"""The unreadable object in a condition."""
OURS: Final = "integrations.netbird.io"


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """A separate control plane, because resources and rights of other tests would be visible."""
    with ControlPlane.start() as started:
        yield started


@pytest.fixture(scope="module")
def netbird() -> Iterator[RunningNetBird]:
    with running_netbird() as running:
        yield running


@contextmanager
def installed(plane: ControlPlane, netbird: RunningNetBird, **values: Any) -> Iterator[Flows]:
    """A release, and a team whose namespace replaces `TEAM` in the values."""
    name = uuid4().hex[:8]
    release, team = Release(plane, "rights-test"), f"team-{name}"
    for namespace in (release.namespace, team):
        metadata = {"name": namespace, "labels": LABELS}
        apply(plane, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    given = json.loads(json.dumps(values).replace("TEAM", team))
    release.install(userRoles={"enabled": False}, **given)
    cluster = given.get("scope", {}).get("clusterConnections", True)
    flows = Flows(release, netbird, team, cluster=cluster)
    yield flows
    flows.close()
    release.uninstall()
    plane.kubectl("delete", "namespace", team, "--wait=false")
    # Objects that are created once would not be created again by the next release.
    plane.kubectl("delete", "lease,secret", "--all", f"--namespace={release.namespace}")


class Grants:
    """The rights of the release, which can be removed one by one, and restored."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._roles: dict[tuple[str, str], set[Granted]] = {}
        for kind in ("clusterroles", "roles"):
            found = json.loads(plane.kubectl("get", kind, SELECTOR, "--all-namespaces", "--output=json"))
            for each in found["items"]:
                place = each["metadata"].get("namespace", "")
                self._roles[place, each["metadata"]["name"]] = granted_by(each)
        self.units = {(place, right) for (place, _), rights in self._roles.items() for right in rights}

    @contextmanager
    def without(self, *units: Unit) -> Iterator[None]:
        """Remove them for the duration of the block."""
        self._write(set(units))
        yield
        self._write(set())

    def _write(self, missing: set[Unit]) -> None:
        for (place, name), rights in self._roles.items():
            kind, scope = ("role", f"--namespace={place}") if place else ("clusterrole", "--namespace=default")
            rules = [_rule(right) for right in sorted(rights) if (place, right) not in missing]
            self._plane.kubectl("patch", kind, name, scope, "--type=merge", f"--patch={json.dumps({'rules': rules})}")


def _rule(right: Granted) -> dict[str, Any]:
    group, resource, verb = right
    plural, _, name = resource.partition("=")
    names = {"resourceNames": [name]} if name else {}
    return {"apiGroups": [group], "resources": [plural], "verbs": [verb], **names}


def is_use(event: AuditEvent, unit: Unit) -> bool:
    place, (group, resource, verb) = unit
    wanted, _, name = resource.partition("=")
    asked = f"{event.resource}/{event.subresource}" if event.subresource else event.resource
    return (
        (event.group, asked, event.verb) == (group, wanted, verb)
        and place in ("", event.namespace)
        and name in ("", event.name)
    )


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"scope": {"namespaces": ["TEAM"]}},
        {"secretNamespaces": ["TEAM"], "secretWatch": False},
        {"scope": {"namespaces": ["TEAM"], "clusterConnections": False}},
    ],
    ids=["cluster", "namespaces", "get on secrets of a namespace", "without a ClusterRole"],
)
def test_every_right_is_used_and_no_other_is_requested(
    plane: ControlPlane, netbird: RunningNetBird, values: dict[str, Any]
) -> None:
    with installed(plane, netbird, **values) as flows:
        since, granted = plane.audit_position(), Grants(plane).units
        with flows.release.pod() as operator:
            flows.connect()
            flows.rotate()
            flows.orphan()
            flows.hand_over()
            if ("default", ("events.k8s.io", "events", "create")) in granted:
                flows.reject()
            for unit in sorted(granted):
                if unit[1][2] == "get" and unit[1][0] == OURS:
                    eventually(partial(_is_used, flows, unit, since), f"{unit} is used")
            plane.kubectl("delete", "esi,nbc,cnbc", "--all", f"--namespace={flows.team}", "--timeout=45s")
        asked = list(flows.asked(since))
        assert [each for each in asked if each.status == FORBIDDEN] == []
        assert {unit for unit in granted if not any(is_use(each, unit) for each in asked)} == set()
        assert "a right is missing" not in operator.text()


def test_each_removed_right_is_named(plane: ControlPlane, netbird: RunningNetBird) -> None:
    with installed(plane, netbird) as flows:
        grants = Grants(plane)
        watching = {unit for unit in grants.units if unit[1][2] in {"list", "watch"}}
        key = next(unit for unit in grants.units if unit[1][1:] == (KEY, "patch"))
        with Operator(flows.release.installation(), *QUICK_LEASE) as operator:
            with grants.without(key):
                eventually(lambda: "fingerprint-key" in operator.text(), "it says that it can't make its key")
            operator.leading()
            flows.connect()
            for unit in sorted(grants.units - watching - {key}):
                # An early refusal counts too, because the operator warns of it only once.
                since, before = flows.plane.audit_position(), len(operator.text())
                with grants.without(unit):
                    _is_missed(flows, operator, unit, since, before)
            operator.stop()
        with grants.without(*watching), Operator(flows.release.installation(), *QUICK_LEASE) as operator:
            named = {f"a right is missing: {verb} {resource}" for _, (_, resource, verb) in watching}
            eventually(lambda: all(each in operator.text() for each in named), f"it says {named}")


def _is_used(flows: Flows, unit: Unit, since: int) -> bool:
    flows.start(unit[1], unit[0])
    return any(is_use(each, unit) for each in flows.asked(since))


def _is_missed(flows: Flows, operator: Operator, unit: Unit, since: int, before: int) -> None:
    def refused() -> bool:
        flows.start(unit[1], unit[0])
        return any(is_use(each, unit) and each.status == FORBIDDEN for each in flows.asked(since))

    def said() -> bool:
        if unit[1][1] in READ:
            return f"{READ[unit[1][1]]} " in flows.refusals()
        return bool(REFUSED.search(operator.text()[before:]))

    eventually(refused, f"{unit} is refused")
    eventually(said, f"it says that it lacks {unit}")
