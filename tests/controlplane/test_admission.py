"""Clusters with strict admission policies: installed and created objects comply, or the error names them."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final
from uuid import uuid4

import pytest
import yaml

from tests.harness.controlplane import ControlPlane, KubectlError
from tests.harness.end_to_end import QUICK_LEASE, eventually
from tests.harness.operator import LEASE, Operator, apply, install
from tools.chart import CHART, of_kind, render

_GROUP: Final = {"secrets": "", "leases": "coordination.k8s.io", "pods": ""}
LABELLED: Final = "has(object.metadata.labels) && 'app.kubernetes.io/name' in object.metadata.labels"
RESTRICTED: Final = (
    "[object.spec.?securityContext.runAsUser, object.spec.?securityContext.runAsGroup,"
    " object.spec.?securityContext.fsGroup].all(id, id.orValue(1000680000) >= 1000680000)"
    " && object.spec.containers.all(c, c.?securityContext.runAsUser.orValue(1000680000) >= 1000680000)"
    " && object.spec.?securityContext.runAsNonRoot.orValue(false)"
)
"""The limits of OpenShift's security context constraint `restricted-v2`, with the range of one namespace."""


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    name = f"strict-{uuid4().hex[:8]}"
    apply(control_plane, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    control_plane.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


@contextmanager
def policy(plane: ControlPlane, namespace: str, resource: str, expression: str) -> Iterator[None]:
    """Reject the creation and change of objects in a namespace for which the expression is false."""
    name = f"{resource}-{namespace}"
    rule = {
        "apiGroups": [_GROUP[resource]],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": [resource],
    }
    spec = {"matchConstraints": {"resourceRules": [rule]}, "validations": [{"expression": expression}]}
    only = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    binding = {"policyName": name, "validationActions": ["Deny"], "matchResources": only}
    kind = "ValidatingAdmissionPolicy"
    for suffix, each in (("", spec), ("Binding", binding)):
        manifest = {"kind": kind + suffix, "metadata": {"name": name}, "spec": each}
        apply(plane, {"apiVersion": "admissionregistration.k8s.io/v1", **manifest})
    try:
        eventually(lambda: _rejects(plane, namespace, resource), "the policy is in force")
        yield
    finally:
        plane.kubectl("delete", f"{kind.lower()},{kind.lower()}binding", name, "--ignore-not-found")


def _rejects(plane: ControlPlane, namespace: str, resource: str) -> bool:
    bare: dict[str, dict[str, Any]] = {
        "secrets": {"apiVersion": "v1", "kind": "Secret"},
        "leases": {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"},
        "pods": {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "a", "image": "a"}]}},
    }
    probe = {**bare[resource], "metadata": {"name": "probe", "namespace": namespace}}
    try:
        plane.kubectl("create", "--dry-run=server", "-f", "-", input=yaml.safe_dump(probe))
    except KubectlError as error:
        return "denied request" in str(error)
    return False


def test_objects_created_by_the_operator_have_the_recommended_labels(
    control_plane: ControlPlane, namespace: str
) -> None:
    installation = install(control_plane, {"connection": {"enabled": False}}, namespace=namespace)
    with (
        policy(control_plane, namespace, "secrets", LABELLED),
        policy(control_plane, namespace, "leases", LABELLED),
        Operator(installation, *QUICK_LEASE) as operator,
    ):
        operator.leading()


def test_lease_created_before_the_operator_keeps_the_labels_that_a_policy_demands(
    control_plane: ControlPlane, namespace: str
) -> None:
    installation = install(control_plane, {"connection": {"enabled": False}}, namespace=namespace)
    demanded = "has(object.metadata.labels) && 'team' in object.metadata.labels"
    metadata = {"name": LEASE, "namespace": namespace, "labels": {"team": "platform"}}
    with (
        policy(control_plane, namespace, "leases", demanded),
        Operator(installation, *QUICK_LEASE) as operator,
    ):
        eventually(lambda: "Lease" in operator.probe("/readyz")[1], "the operator's own Lease is rejected")
        lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata}
        control_plane.kubectl("create", "-f", "-", input=yaml.safe_dump(lease))
        operator.leading()
        labels = control_plane.kubectl("get", "lease", LEASE, "-n", namespace, "--output=jsonpath={.metadata.labels}")
        assert labels == '{"team":"platform"}'


@pytest.mark.parametrize(("resource", "named"), [("secrets", "fingerprint-key"), ("leases", "Lease")])
def test_readiness_and_log_name_an_object_that_a_policy_rejects(
    control_plane: ControlPlane, namespace: str, resource: str, named: str
) -> None:
    installation = install(control_plane, {"connection": {"enabled": False}}, namespace=namespace)
    with ExitStack() as later:
        with policy(control_plane, namespace, resource, "false"):
            operator = later.enter_context(Operator(installation, *QUICK_LEASE))
            eventually(lambda: named in operator.probe("/readyz")[1], "it says what is rejected", 60)
            said = operator.probe("/readyz")[1]
            assert "Kubernetes refuses the request (422)" in said
            assert said.strip() in operator.text()
        operator.ready()


@pytest.mark.parametrize("values", ["openshift", "cluster"])
def test_pod_of_the_chart_meets_restricted_v2_with_the_values_for_openshift(
    control_plane: ControlPlane, namespace: str, values: str
) -> None:
    given = yaml.safe_load((CHART / "ci" / f"{values}-values.yaml").read_text())
    (deployment,) = of_kind(render(control_plane.binaries.find("helm"), namespace, given), "Deployment")
    spec = {**deployment["spec"]["template"]["spec"], "serviceAccountName": "default", "priorityClassName": None}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod", "namespace": namespace}, "spec": spec}
    create = ("create", "--dry-run=server", "--output=json", "-f", "-")
    with policy(control_plane, namespace, "pods", RESTRICTED):
        if values != "openshift":
            with pytest.raises(KubectlError, match="denied request"):
                control_plane.kubectl(*create, input=yaml.safe_dump(pod))
            return
        made = json.loads(control_plane.kubectl(*create, input=yaml.safe_dump(pod)))
    assert made["spec"]["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
