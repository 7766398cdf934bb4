"""The chart in a cluster: `kubectl apply -k`, restricted pod security, the users' roles."""

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final
from uuid import uuid4

import pytest
import yaml

from tests.doubles.netbird.process import running_netbird
from tests.doubles.netbird.tenancy import Account, Token
from tests.harness import manifests
from tests.harness.controlplane import ControlPlane, KubectlError
from tests.harness.end_to_end import QUICK_LEASE, eventually
from tests.harness.kubectl_team import secret
from tests.harness.operator import Installation, Operator, apply
from tests.harness.roles import aggregated_roles
from tools.chart import Manifest, of_kind, render
from tools.plain_manifests import FOLDER, VARIANTS

RESTRICTED: Final = {"pod-security.kubernetes.io/enforce": "restricted"}
EVERYTHING: Final = yaml.safe_load(
    (FOLDER.parent / "chart/netbird-streaming-operator/ci/everything-values.yaml").read_text()
)
TOKEN: Final = "nbp_" + "t" * 36


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """Start a control plane without earlier installations."""
    with ControlPlane.start() as started:
        yield started


def in_namespace(namespace: str, *documents: Manifest) -> list[Manifest]:
    for each in documents:
        each["metadata"]["namespace"] = namespace
    return list(documents)


def pod_of(plane: ControlPlane, values: dict[str, Any]) -> Manifest:
    """Return the pod that the Deployment would create."""
    (deployment,) = of_kind(render(plane.binaries.find("helm"), "netbird-system", values), "Deployment")
    template = deepcopy(deployment["spec"]["template"])
    metadata = {**template["metadata"], "name": f"pod-{uuid4().hex[:8]}"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def try_to_create(plane: ControlPlane, pod: Manifest) -> str:
    """Let the API server validate and admit it, by a dry run."""
    name = f"restricted-{uuid4().hex[:8]}"
    apply(plane, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}})
    arguments = ("create", "--dry-run=server", "--filename=-", f"--namespace={name}")
    return plane.kubectl(*arguments, input=yaml.safe_dump(pod))


@pytest.mark.parametrize("values", [{}, {**EVERYTHING, "priorityClassName": ""}], ids=["defaults", "everything"])
def test_namespace_with_the_restricted_standard_admits_the_pod(plane: ControlPlane, values: dict[str, Any]) -> None:
    assert "created" in try_to_create(plane, pod_of(plane, values))


def test_restricted_standard_is_enforced(plane: ControlPlane) -> None:
    pod = pod_of(plane, {})
    del pod["spec"]["securityContext"]["seccompProfile"]
    with pytest.raises(KubectlError, match="seccompProfile"):
        try_to_create(plane, pod)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.folder)
def test_apply_k_installs_a_working_operator(plane: ControlPlane, variant: Any) -> None:
    if "../crds" not in variant.resources:
        plane.kubectl("apply", "--server-side", f"--kustomize={FOLDER / 'crds'}")
    said = plane.kubectl("apply", "--server-side", f"--kustomize={FOLDER / variant.folder}")
    assert f"namespace/{variant.namespace} serverside-applied" in said
    plane.wait_until_established("crd", "--all")
    assert plane.kubectl("diff", "--server-side", f"--kustomize={FOLDER / variant.folder}") == ""
    # Namespaced, it serves only its own namespace.
    namespace = variant.namespace
    target = ("get", "deployment", "netbird-streaming-operator", f"--namespace={namespace}", "--output=json")
    pod = json.loads(plane.kubectl(*target))["spec"]["template"]["spec"]
    kubeconfig = plane.service_account_kubeconfig(namespace, pod["serviceAccountName"])
    installation = Installation(plane, namespace, kubeconfig, tuple(pod["containers"][0]["args"]))
    with running_netbird() as netbird, Operator(installation, *QUICK_LEASE) as operator:
        netbird.control.add_account(Account("account"))
        netbird.control.add_token(Token("token", TOKEN, "account"))
        connection = manifests.connection(url=netbird.url)
        reference = {"kind": "NetBirdConnection", "name": "netbird"}
        wanted = manifests.integration(connectionRef=reference)
        secrets = (secret("netbird", token=TOKEN), secret("datadog", api_key="key"))
        apply(plane, *in_namespace(namespace, *secrets, connection, wanted))
        plane.kubectl("wait", "--for=condition=Ready", "esi/events", f"--namespace={namespace}", "--timeout=45s")
        plane.kubectl("delete", "esi,nbc", "--all", f"--namespace={namespace}", "--timeout=45s")
        assert netbird.control.integrations() == []
        assert operator.stop() == 0
    plane.kubectl("delete", f"--kustomize={FOLDER / variant.folder}", "--timeout=60s")


@pytest.fixture(scope="module")
def users(plane: ControlPlane) -> Iterator[ControlPlane]:
    """Create a namespace in which three users have Kubernetes' own roles, with the chart's roles installed."""
    rendered = render(plane.binaries.find("helm"), "netbird-system")
    apply(plane, *of_kind(rendered, "CustomResourceDefinition"), *of_kind(rendered, "ClusterRole"))
    apply(plane, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team-users"}})
    for role in ("view", "edit", "admin"):
        grant = ("create", "rolebinding", role, f"--clusterrole={role}", f"--user={role}", "--namespace=team-users")
        plane.kubectl(*grant)
    with aggregated_roles(plane):
        eventually(lambda: _may(plane, "view", "get", "eventstreamingintegrations"), "the roles are aggregated")
        yield plane


WRITING: Final = ("create", "update", "patch", "delete", "deletecollection")
MAY: Final = [
    ("view", "get", "eventstreamingintegrations", True),
    ("view", "list", "netbirdconnections", True),
    ("view", "get", "secrets", False),
    *(("view", verb, "eventstreamingintegrations", False) for verb in WRITING),
    *((role, verb, "eventstreamingintegrations", True) for role in ("edit", "admin") for verb in ("get", *WRITING)),
    *((role, verb, "netbirdconnections", True) for role in ("edit", "admin") for verb in WRITING),
    *(
        (role, verb, f"{plural}/status", False)
        for role in ("view", "edit", "admin")
        for verb in ("update", "patch")
        for plural in ("eventstreamingintegrations", "netbirdconnections")
    ),
    *((role, "create", "clusternetbirdconnections", False) for role in ("view", "edit", "admin")),
]


def test_aggregated_roles_grant_users_the_same_as_for_kubernetes_kinds(users: ControlPlane) -> None:
    found = [(role, verb, resource, _may(users, role, verb, resource)) for role, verb, resource, _ in MAY]
    assert found == MAY


def _may(plane: ControlPlane, user: str, verb: str, resource: str) -> bool:
    plural, _, subresource = resource.partition("/")
    core = plural == "secrets"
    arguments = [verb, plural if core else f"{plural}.integrations.netbird.io", f"--as={user}"]
    arguments += [f"--subresource={subresource}"] if subresource else []
    try:
        said = plane.kubectl("auth", "can-i", *arguments, "--namespace=team-users")
    except KubectlError as error:
        assert str(error) == "no" or "not namespace scoped" in str(error)  # noqa: PT017 — that is how it says no
        return False
    return said.strip().endswith("yes")
