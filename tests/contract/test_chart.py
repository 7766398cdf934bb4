"""The chart, as Helm renders it: restricted pods, known flags, the definitions of crds/."""

import asyncio
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from netbird_streaming.config.settings import Settings
from netbird_streaming.netbird.http_clients import EnvironmentHttpClients
from tests.harness.controlplane import Binaries
from tools.chart import CHART, COPIES, DEFINITIONS, ChartError, Manifest, of_kind, render

NAMESPACE = "netbird-system"
SERVED = "integrations.netbird.io/v1alpha1"
CONNECTION = {"tokenSecret": {"name": "netbird"}, "access": {"namespaces": ["team-a"]}}
PORTS = ("health", "metrics")
PEERS = [{"ipBlock": {"cidr": "192.0.2.1/32"}}]
TLS = Path(__file__).parent / "netbird_tls"
TOKEN_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"


@pytest.fixture(scope="module")
def helm() -> Path:
    return Binaries().find("helm")


def deployment(helm: Path, **values: Any) -> Manifest:
    (found,) = of_kind(render(helm, NAMESPACE, values), "Deployment")
    return found


def pod(helm: Path, **values: Any) -> Manifest:
    found: Manifest = deployment(helm, **values)["spec"]["template"]["spec"]
    return found


def container(helm: Path, **values: Any) -> Manifest:
    (found,) = pod(helm, **values)["containers"]
    assert isinstance(found, dict)
    return found


def environment(helm: Path, **values: Any) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in container(helm, **values).get("env", ())}


def test_pod_is_restricted_and_its_root_read_only(helm: Path) -> None:
    found = pod(helm)
    (made,) = found["containers"]
    assert found["securityContext"]["runAsNonRoot"] is True
    assert found["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert made["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert made["resources"]["requests"].keys() == {"cpu", "memory"}
    assert {made[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe")} == {"/healthz"}
    assert made["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert found["terminationGracePeriodSeconds"] > Settings().shutdown_grace


def test_only_token_is_a_mounted_one_for_an_hour(helm: Path) -> None:
    rendered = render(helm, NAMESPACE)
    (account,) = of_kind(rendered, "ServiceAccount")
    assert account["automountServiceAccountToken"] is False
    found = pod(helm)
    assert found["automountServiceAccountToken"] is False
    (volume,) = found["volumes"]
    assert volume["projected"]["sources"][0] == {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}}
    (mount,) = found["containers"][0]["volumeMounts"]
    assert (mount["name"], mount["mountPath"], mount["readOnly"]) == (volume["name"], TOKEN_FOLDER, True)


def test_values_become_flags_of_the_operator(helm: Path) -> None:
    scope = {"namespaces": ["team-a", "team-b"], "clusterConnections": False}
    arguments = container(
        helm,
        scope=scope,
        secretWatch=False,
        secretNamespaces=["team-a", "team-b"],
        extraArgs=["--late-commit-window=2m"],
        leaderElection=False,
        replicaCount=1,
    )["args"]
    assert arguments[0] == "run"
    assert {
        "--namespace=team-a",
        "--cluster-connections=false",
        "--secret-watch=false",
        "--secret-namespaces=team-a,team-b",
        "--lease=false",
        "--late-commit-window=2m",
    } < set(arguments)
    flags = {f"--{name.replace('_', '-')}" for name in Settings.__dataclass_fields__}
    flags.add("--namespace")
    for given in (arguments, container(helm)["args"]):
        assert {each.partition("=")[0] for each in given[1:]} <= flags


def test_metrics_have_a_separate_port_unless_disabled(helm: Path) -> None:
    found = container(helm, metrics={"perConnection": True})
    ports = {each["name"]: each["containerPort"] for each in found["ports"]}
    assert f"--metrics-port={ports['metrics']}" in found["args"]
    assert "--metrics-per-connection=true" in found["args"]
    without = container(helm, metrics={"enabled": False})
    assert "--metrics=false" in without["args"]
    assert [each["name"] for each in without["ports"]] == ["health"]


def test_pod_monitor_scrapes_the_metrics_port_of_all_pods(helm: Path) -> None:
    assert of_kind(render(helm, NAMESPACE), "PodMonitor") == []
    values = {"metrics": {"podMonitor": {"enabled": True, "labels": {"release": "prometheus"}, "interval": "30s"}}}
    (monitor,) = of_kind(render(helm, NAMESPACE, values), "PodMonitor")
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["selector"] == deployment(helm)["spec"]["selector"]
    assert monitor["spec"]["podMetricsEndpoints"] == [{"port": "metrics", "path": "/metrics", "interval": "30s"}]


def test_two_pods_never_act_at_once_with_or_without_a_lease(helm: Path) -> None:
    assert deployment(helm)["spec"]["replicas"] == 2
    assert deployment(helm)["spec"]["strategy"]["type"] == "RollingUpdate"
    alone = deployment(helm, leaderElection=False, replicaCount=1)["spec"]
    assert alone["strategy"] == {"type": "Recreate"}


def test_definitions_equal_crds_and_stay_on_removal(helm: Path) -> None:
    sources = {path.name: path.read_bytes() for path in DEFINITIONS.glob("*.yaml")}
    assert sources
    assert {path.name: path.read_bytes() for path in COPIES.glob("*.yaml")} == sources, "run `make crds`"
    rendered = of_kind(render(helm, NAMESPACE), "CustomResourceDefinition")
    assert len(rendered) == len(sources)
    for definition in rendered:
        assert definition["metadata"]["annotations"] == {
            "helm.sh/resource-policy": "keep",
            "argocd.argoproj.io/sync-options": "Prune=false",
            "kustomize.toolkit.fluxcd.io/prune": "disabled",
        }


def test_definitions_can_be_removed_with_the_release_or_left_out(helm: Path) -> None:
    kept = of_kind(render(helm, NAMESPACE), "CustomResourceDefinition")
    going = of_kind(render(helm, NAMESPACE, {"crds": {"keep": False}}), "CustomResourceDefinition")
    for definition in kept:
        del definition["metadata"]["annotations"]
    assert going == kept
    assert of_kind(render(helm, NAMESPACE, {"crds": {"enabled": False}}), "CustomResourceDefinition") == []


def test_connection_needs_a_token_and_stays_on_removal(helm: Path) -> None:
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
    unwanted = render(helm, NAMESPACE, {"connection": {**CONNECTION, "enabled": False}})
    assert of_kind(unwanted, "ClusterNetBirdConnection") == []


@pytest.mark.parametrize("api_versions", [[], [SERVED]], ids=["before the definitions", "after them"])
def test_connection_is_an_ordinary_object_without_a_cluster(helm: Path, api_versions: list[str]) -> None:
    """Argo CD deletes a hook before each sync, and Flux, kustomize and CI render without a cluster too."""
    rendered = render(helm, NAMESPACE, {"connection": CONNECTION}, api_versions=api_versions)
    for each in rendered:
        assert not any("hook" in key for key in each["metadata"].get("annotations", {}))
    (connection,) = of_kind(rendered, "ClusterNetBirdConnection")
    assert connection["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"


def test_no_namespace_may_use_the_connection_by_default(helm: Path) -> None:
    values = {"connection": {"tokenSecret": {"name": "netbird"}}}
    (connection,) = of_kind(render(helm, NAMESPACE, values), "ClusterNetBirdConnection")
    assert "access" not in connection["spec"]


def test_digest_has_precedence_over_a_tag(helm: Path) -> None:
    digest = "sha256:" + "a" * 64
    image = container(helm, image={"tag": "1", "digest": digest})["image"]
    assert image == f"netbird-streaming-operator@{digest}"


def test_proxy_is_used_except_for_the_api_server_and_exceptions(helm: Path) -> None:
    assert environment(helm) == {}
    proxy = "http://proxy.example.com:3128"
    found = environment(helm, proxy={"https": proxy, "noProxy": ".corp.example,192.0.2.0/24"})
    # Kubernetes replaces the variable by its value.
    assert found == {"HTTPS_PROXY": proxy, "NO_PROXY": "$(KUBERNETES_SERVICE_HOST),.corp.example,192.0.2.0/24"}


def test_ca_bundle_is_mounted_where_the_http_client_reads_it(helm: Path) -> None:
    found = pod(helm, caBundle={"configMap": {"name": "company-ca", "key": "root.pem"}})
    (variable,) = found["containers"][0]["env"]
    mount = next(each for each in found["containers"][0]["volumeMounts"] if each["name"] == "ca-bundle")
    volume = next(each for each in found["volumes"] if each["name"] == "ca-bundle")
    assert volume["configMap"]["name"] == "company-ca"
    (item,) = volume["configMap"]["items"]
    assert item["key"] == "root.pem"
    assert variable == {"name": "SSL_CERT_FILE", "value": f"{mount['mountPath']}/{item['path']}"}


async def test_only_the_configured_ca_bundle_is_trusted(helm: Path) -> None:
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served.load_cert_chain(TLS / "certificate.pem", TLS / "key.pem")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=served) as server:
        url = f"https://localhost:{server.sockets[0].getsockname()[1]}"
        async with EnvironmentHttpClients({}).open(None, None) as client:
            with pytest.raises(httpx.ConnectError, match="certificate"):
                await client.get(url)
        (variable,) = environment(helm, caBundle={"configMap": {"name": "company-ca"}})
        trusting = EnvironmentHttpClients({variable: str(TLS / "certificate.pem")})
        async with trusting.open(None, None) as client:
            assert (await client.get(url)).status_code == 204


def test_one_of_several_pods_may_be_drained_at_a_time(helm: Path) -> None:
    (budget,) = of_kind(render(helm, NAMESPACE), "PodDisruptionBudget")
    found = deployment(helm)["spec"]
    assert budget["spec"]["maxUnavailable"] == 1
    assert budget["spec"]["selector"] == found["selector"]
    for values in ({"replicaCount": 1}, {"podDisruptionBudget": {"enabled": False}}):
        assert of_kind(render(helm, NAMESPACE, values), "PodDisruptionBudget") == []


def test_pods_are_spread_over_nodes_or_as_configured(helm: Path) -> None:
    labels = deployment(helm)["spec"]["selector"]
    (spread,) = pod(helm)["topologySpreadConstraints"]
    assert (spread["topologyKey"], spread["whenUnsatisfiable"]) == ("kubernetes.io/hostname", "ScheduleAnyway")
    assert spread["labelSelector"] == labels
    zones = {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule"}
    assert pod(helm, topologySpreadConstraints=[zones])["topologySpreadConstraints"] == [
        {**zones, "labelSelector": labels}
    ]


def test_chart_labels_have_precedence_over_the_users(helm: Path) -> None:
    values = {"podLabels": {"app.kubernetes.io/name": "mine", "team": "platform"}}
    found = deployment(helm, **values)["spec"]
    labels = found["template"]["metadata"]["labels"]
    assert labels["team"] == "platform"
    assert found["selector"]["matchLabels"].items() <= labels.items()


@pytest.mark.parametrize(
    ("values", "ports"),
    [
        ({}, {443}),
        ({"connection": {"url": "https://netbird.example.com:8443/api"}}, {443, 8443}),
        ({"connection": {"url": "http://netbird.example.com"}}, {443, 80}),
        ({"proxy": {"https": "http://proxy.example.com:3128"}}, {443, 3128}),
        ({"connection": {"url": "https://[2001:db8::1]:8443"}}, {443, 8443}),
        ({"connection": {"url": "https://[2001:db8::1]"}}, {443}),
    ],
    ids=["default", "port", "http", "proxy", "IPv6 with port", "IPv6"],
)
def test_network_policy_allows_egress_to_dns_the_api_server_and_netbird(
    helm: Path, values: Mapping[str, Any], ports: set[int]
) -> None:
    assert of_kind(render(helm, NAMESPACE, values), "NetworkPolicy") == []
    named = {"enabled": True, "netbird": {"to": PEERS}, "apiServer": {"to": PEERS}}
    policies = render(helm, NAMESPACE, {**values, "networkPolicy": named})
    (policy,) = of_kind(policies, "NetworkPolicy")
    assert policy["spec"]["podSelector"] == deployment(helm)["spec"]["selector"]
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert policy["spec"]["ingress"] == [{"ports": [{"protocol": "TCP", "port": each}]} for each in PORTS]
    dns, api_server, netbird = policy["spec"]["egress"]
    assert {(each["protocol"], each["port"]) for each in dns["ports"]} == {("UDP", 53), ("TCP", 53)}
    assert {each["port"] for each in api_server["ports"]} == {443, 6443}
    assert {each["port"] for each in netbird["ports"]} == ports
    assert netbird["to"] == PEERS


@pytest.mark.parametrize(
    ("policy", "is_refused"),
    [
        ({"netbird": {"to": PEERS}}, True),
        ({"netbird": {"to": PEERS}, "apiServer": {"to": PEERS}}, False),
        ({"netbird": {"to": PEERS}, "apiServer": {"ports": [6443]}}, False),
        ({"netbird": {"to": PEERS, "ports": [8443]}, "apiServer": {"ports": [6443]}}, False),
        ({}, False),
    ],
    ids=["the API server anywhere", "both named", "another port", "other ports", "none named"],
)
def test_network_policy_without_a_restriction_for_netbird_is_refused(
    helm: Path, policy: Mapping[str, Any], *, is_refused: bool
) -> None:
    values = {"networkPolicy": {"enabled": True, **policy}}
    if not is_refused:
        assert of_kind(render(helm, NAMESPACE, values), "NetworkPolicy")
        return
    with pytest.raises(
        ChartError, match=r"networkPolicy\.netbird\.to: has no effect while networkPolicy\.apiServer\.to"
    ):
        render(helm, NAMESPACE, values)


def test_fingerprint_key_has_an_empty_secret_that_outlives_the_release(helm: Path) -> None:
    (secret,) = of_kind(render(helm, NAMESPACE), "Secret")
    assert secret["metadata"]["name"] == "netbird-streaming-operator-fingerprint-key"
    assert secret["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert secret.keys() == {"apiVersion", "kind", "metadata", "type"}


def test_network_policy_allows_named_peers_to_existing_ports(helm: Path) -> None:
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    policy = {"enabled": True, "metrics": {"from": [peer]}}
    (found,) = of_kind(render(helm, NAMESPACE, {"networkPolicy": policy}), "NetworkPolicy")
    health, metrics = found["spec"]["ingress"]
    assert ("from" in health, metrics["from"]) == (False, [peer])
    without = {"networkPolicy": policy, "metrics": {"enabled": False}}
    (found,) = of_kind(render(helm, NAMESPACE, without), "NetworkPolicy")
    assert found["spec"]["ingress"] == [health]


def test_no_template_holds_a_token_value() -> None:
    text = "\n".join(path.read_text() for path in (CHART / "templates").glob("*.yaml"))
    assert "stringData" not in text
    assert text.count("kind: Secret") == 1  # the empty one for the fingerprint key
