"""The chart, as Helm renders it: strict values, least rights, restricted pods, the definitions of crds/."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from netbird_streaming.settings import Settings
from tests.support.chart import CHART, COPIES, DEFINITIONS, ChartError, Manifest, of_kind, render
from tests.support.controlplane import Binaries

NAMESPACE = "netbird-system"
SERVED = "integrations.netbird.io/v1alpha1"
CONNECTION = {"create": True, "tokenSecret": {"name": "netbird"}, "access": {"namespaces": ["team-a"]}}
OURS = "integrations.netbird.io"
Rights = set[tuple[str, str, str]]


@pytest.fixture(scope="module")
def helm() -> Path:
    return Binaries().find("helm")


def rights(role: Manifest) -> Rights:
    """(group, resource, verb), a resource with the names that it is limited to."""
    found: Rights = set()
    for rule in role["rules"]:
        names = rule.get("resourceNames")
        suffix = f"={','.join(names)}" if names else ""
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                found |= {(group, resource + suffix, verb) for verb in rule["verbs"]}
    return found


def verbs(group: str, resource: str, *names: str) -> Rights:
    return {(group, resource, verb) for verb in names}


CLUSTER_KIND = verbs(OURS, "clusternetbirdconnections", "get", "list", "watch", "patch") | verbs(
    OURS, "clusternetbirdconnections/status", "patch"
)
NAMESPACED = {
    *verbs(OURS, "eventstreamingintegrations", "get", "list", "watch", "patch"),
    *verbs(OURS, "netbirdconnections", "get", "list", "watch", "patch"),
    *verbs(OURS, "eventstreamingintegrations/status", "patch"),
    *verbs(OURS, "netbirdconnections/status", "patch"),
    *verbs("", "secrets", "get"),
    *verbs("", "configmaps", "get"),
    *verbs("", "namespaces", "get"),
    *verbs("events.k8s.io", "events", "create"),
}
SECRET_WATCH = verbs("", "secrets", "list", "watch")
OWN = {
    *verbs("coordination.k8s.io", "leases", "create"),
    *verbs("coordination.k8s.io", "leases=netbird-streaming-operator", "get", "patch"),
    *verbs("", "secrets", "create"),
}
REFERENCES = {*verbs("", "secrets", "get"), *verbs("", "configmaps", "get")}


def granted(manifests: list[Manifest]) -> dict[str, Rights]:
    """What the ServiceAccount may do, by namespace; `*` is the cluster. Each role must be bound to it, and it alone."""
    found: dict[str, Rights] = {}
    (account,) = of_kind(manifests, "ServiceAccount")
    for binding in of_kind(manifests, "ClusterRoleBinding", "RoleBinding"):
        subject = {"kind": "ServiceAccount", "name": account["metadata"]["name"], "namespace": NAMESPACE}
        assert binding["subjects"] == [subject]
        place = binding["metadata"].get("namespace", "*")
        (role,) = (
            each
            for each in of_kind(manifests, binding["roleRef"]["kind"])
            if each["metadata"]["name"] == binding["roleRef"]["name"]
            and each["metadata"].get("namespace", "*") == place
        )
        found[place] = found.get(place, set()) | rights(role)
    assert len(of_kind(manifests, "ClusterRole", "Role")) == len(
        of_kind(manifests, "ClusterRoleBinding", "RoleBinding")
    )
    return found


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, {"*": CLUSTER_KIND | NAMESPACED | SECRET_WATCH, NAMESPACE: OWN}),
        ({"secretWatch": False}, {"*": CLUSTER_KIND | NAMESPACED, NAMESPACE: OWN}),
        (
            {"scope": {"namespaces": ["team-a", "team-b"]}},
            {
                "*": CLUSTER_KIND,
                "team-a": NAMESPACED | SECRET_WATCH,
                "team-b": NAMESPACED | SECRET_WATCH,
                NAMESPACE: OWN | REFERENCES | SECRET_WATCH,
                "default": verbs("events.k8s.io", "events", "create"),
            },
        ),
        (
            {"scope": {"namespaces": [NAMESPACE]}, "secretWatch": False},
            {
                "*": CLUSTER_KIND,
                NAMESPACE: OWN | REFERENCES | NAMESPACED,
                "default": verbs("events.k8s.io", "events", "create"),
            },
        ),
    ],
    ids=["cluster", "without secret watch", "namespaces", "its own namespace"],
)
def test_the_rights_are_exactly_the_calls(helm: Path, values: Mapping[str, Any], expected: dict[str, Rights]) -> None:
    assert granted(render(helm, NAMESPACE, values)) == expected


def test_the_pod_is_restricted_and_its_root_read_only(helm: Path) -> None:
    (deployment,) = of_kind(render(helm, NAMESPACE), "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "volumes" not in pod
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}
    assert {container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe")} == {"/healthz"}
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert pod["terminationGracePeriodSeconds"] > Settings().shutdown_grace


def test_values_become_flags_that_the_operator_knows(helm: Path) -> None:
    values = {"scope": {"namespaces": ["team-a"]}, "secretWatch": False, "extraArgs": ["--late-commit-window=2m"]}
    (deployment,) = of_kind(render(helm, NAMESPACE, values), "Deployment")
    arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    assert arguments[0] == "run"
    assert {"--namespace=team-a", "--secret-watch=false", "--late-commit-window=2m"} < set(arguments)
    flags = {f"--{name.replace('_', '-')}" for name in Settings.__dataclass_fields__} | {"--namespace"}
    assert {each.partition("=")[0] for each in arguments[1:]} <= flags


def test_the_definitions_are_those_of_crds_and_stay_on_removal(helm: Path) -> None:
    sources = {path.name: path.read_bytes() for path in DEFINITIONS.glob("*.yaml")}
    assert sources
    assert {path.name: path.read_bytes() for path in COPIES.glob("*.yaml")} == sources, (
        "run `python -m tests.support.chart`"
    )
    rendered = of_kind(render(helm, NAMESPACE), "CustomResourceDefinition")
    assert len(rendered) == len(sources)
    for definition in rendered:
        assert definition["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_there_is_no_connection_unless_asked_for_and_then_it_stays(helm: Path) -> None:
    assert of_kind(render(helm, NAMESPACE), "ClusterNetBirdConnection") == []
    values = {"connection": CONNECTION}
    (connection,) = of_kind(render(helm, NAMESPACE, values, api_versions=[SERVED]), "ClusterNetBirdConnection")
    assert connection["metadata"]["name"] == "default"
    assert connection["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert "helm.sh/hook" not in connection["metadata"]["annotations"]
    assert connection["spec"] == {
        "url": "https://api.netbird.io",
        "tokenSecretRef": {"name": "netbird", "key": "token"},
        "access": [{"namespaces": ["team-a"]}],
    }


def test_the_first_install_makes_the_connection_after_its_definition(helm: Path) -> None:
    (connection,) = of_kind(render(helm, NAMESPACE, {"connection": CONNECTION}), "ClusterNetBirdConnection")
    annotations = connection["metadata"]["annotations"]
    assert annotations["helm.sh/hook"] == "post-install,post-upgrade"
    # Without these two the next upgrade would refuse to take it into the release.
    assert annotations["meta.helm.sh/release-namespace"] == NAMESPACE
    assert connection["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"


def test_no_namespace_may_use_the_connection_by_default(helm: Path) -> None:
    values = {"connection": {"create": True, "tokenSecret": {"name": "netbird"}}}
    (connection,) = of_kind(render(helm, NAMESPACE, values), "ClusterNetBirdConnection")
    assert "access" not in connection["spec"]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"secretWach": True}, "secretWach"),
        ({"connection": {"acess": {}}}, "acess"),
        ({"connection": {"create": True}}, "/connection/tokenSecret/name"),
        ({"connection": {**CONNECTION, "token": "nbp_x"}}, "token"),
        ({"scope": {"namespaces": ["Team_A"]}}, "/scope/namespaces/0"),
        ({"image": {"digest": "latest"}}, "/image/digest"),
        ({"log": {"level": "trace"}}, "/log/level"),
        ({"extraArgs": ["workers=3"]}, "/extraArgs/0"),
        ({"serviceAccount": {"create": False}}, "serviceAccount.name"),
    ],
)
def test_wrong_values_are_refused_by_name(helm: Path, values: Mapping[str, Any], named: str) -> None:
    with pytest.raises(ChartError) as caught:
        render(helm, NAMESPACE, values)
    assert named in str(caught.value)


def test_a_digest_goes_before_a_tag(helm: Path) -> None:
    digest = "sha256:" + "a" * 64
    (deployment,) = of_kind(render(helm, NAMESPACE, {"image": {"tag": "1", "digest": digest}}), "Deployment")
    image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == f"netbird-streaming-operator@{digest}"


def test_no_template_holds_a_token_value() -> None:
    text = "\n".join(path.read_text() for path in (CHART / "templates").glob("*.yaml"))
    assert "stringData" not in text
    assert "kind: Secret" not in text
