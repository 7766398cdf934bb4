"""For each value of the chart: a value other than the default, and its effect on the rendered objects."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from tests.harness.manifests import Manifest

YES: Final = True
NO: Final = False
GONE: Final = None
LABELS: Final = {"team": "platform"}
PEER: Final = {"ipBlock": {"cidr": "192.0.2.1/32"}}
RELABELING: Final = {"action": "drop", "regex": "a"}
ON: Final = {"enabled": True}
MONITOR: Final = {"podMonitor": ON}
CONNECTION: Final = {"tokenSecret": {"name": "netbird"}}
POLICY: Final = {"networkPolicy": ON}


class Reach(NamedTuple):
    """A value other than the default, and its effect: a kind of object, and the field to read."""

    given: Any
    kind: str
    expected: Callable[[Manifest], Any] | None
    """None: no such object is rendered."""
    beside: Mapping[str, Any] = {}
    """The other values that it needs."""


def merged(*trees: Mapping[str, Any]) -> dict[str, Any]:
    """Return the trees merged as Helm merges values: the last one takes precedence."""
    found: dict[str, Any] = {}
    for tree in trees:
        for key, value in tree.items():
            both = isinstance(value, Mapping) and isinstance(found.get(key), Mapping)
            found[key] = merged(found[key], value) if both else value
    return found


def nested(path: str, value: Any) -> dict[str, Any]:
    """Return a tree with the value at that path."""
    for part in reversed(path.split(".")):
        value = {part: value}
    found: dict[str, Any] = value
    return found


def spec(*path: str | int) -> Callable[[Manifest], Any]:
    """Return a reader of a path below spec."""
    return at("spec", *path)


def at(*path: str | int) -> Callable[[Manifest], Any]:
    """Return a reader of a path."""

    def read(manifest: Manifest) -> Any:
        node: Any = manifest
        for part in path:
            node = node.get(part) if isinstance(node, dict) else node[part]
        return node

    return read


def pod(*path: str | int) -> Callable[[Manifest], Any]:
    """Return a reader of a path below the pod's spec."""
    return spec("template", "spec", *path)


def container(*path: str | int) -> Callable[[Manifest], Any]:
    """Return a reader of a path of the container."""
    return pod("containers", 0, *path)


def metadata(key: str) -> Callable[[Manifest], Any]:
    return at("metadata", key)


def labels(manifest: Manifest) -> dict[str, str]:
    return {key: value for key, value in manifest["metadata"]["labels"].items() if key in LABELS}


def flag(name: str) -> Callable[[Manifest], Any]:
    """Return a reader of a flag of the operator."""

    def read(manifest: Manifest) -> Any:
        found: list[str] = container("args")(manifest)
        return [each.partition("=")[2] for each in found if each.startswith(f"--{name}=")]

    return read


def variable(name: str) -> Callable[[Manifest], Any]:
    """Return a reader of an environment variable."""
    return lambda manifest: [each["value"] for each in container("env")(manifest) if each["name"] == name]


def volume(name: str, *path: str) -> Callable[[Manifest], Any]:
    def read(manifest: Manifest) -> Any:
        (found,) = (each for each in pod("volumes")(manifest) if each["name"] == name)
        return at(*path)(found)

    return read


def port(number: int) -> Callable[[Manifest], Any]:
    """Return a check that a network policy allows a port."""
    return lambda policy: any(each["port"] == number for rule in policy["spec"]["egress"] for each in rule["ports"])


def monitored(kind: str, name: str) -> dict[str, Reach]:
    endpoint = spec("podMetricsEndpoints" if kind == "PodMonitor" else "endpoints", 0)

    def of(key: str) -> Callable[[Manifest], Any]:
        return lambda manifest: endpoint(manifest).get(key)

    given = {
        "labels": (LABELS, labels),
        "annotations": (LABELS, metadata("annotations")),
        "interval": ("30s", of("interval")),
        "scrapeTimeout": ("10s", of("scrapeTimeout")),
        "honorLabels": (True, of("honorLabels")),
        "relabelings": ([RELABELING], of("relabelings")),
        "metricRelabelings": ([RELABELING], of("metricRelabelings")),
    }
    beside = {"metrics": {name: ON}}
    found = {f"metrics.{name}.{key}": Reach(value, kind, read, beside) for key, (value, read) in given.items()}
    return {f"metrics.{name}.enabled": Reach(YES, kind, exists), **found}


def exists(manifest: Manifest) -> bool:
    return bool(manifest)


WITH_CA: Final = {"caBundle": {"configMap": {"name": "company-ca"}}}
OWN_ACCOUNT: Final = {"serviceAccount": {"name": "mine"}}
CASES: Final[dict[str, Reach]] = {
    "image.registry": Reach(
        "registry.example.com",
        "Deployment",
        lambda each: container("image")(each).partition("/")[0],
    ),
    "image.repository": Reach("mirror/operator", "Deployment", lambda each: container("image")(each).partition(":")[0]),
    "image.tag": Reach("7", "Deployment", lambda each: container("image")(each).partition(":")[2]),
    "image.digest": Reach("sha256:" + "a" * 64, "Deployment", lambda each: container("image")(each).partition("@")[2]),
    "image.pullPolicy": Reach("Always", "Deployment", container("imagePullPolicy")),
    "imagePullSecrets": Reach([{"name": "registry"}], "Deployment", pod("imagePullSecrets")),
    "replicaCount": Reach(3, "Deployment", spec("replicas")),
    "leaderElection": Reach(NO, "Deployment", lambda each: flag("lease")(each) != ["false"], {"replicaCount": 1}),
    "connection.enabled": Reach(NO, "ClusterNetBirdConnection", GONE, {"connection": CONNECTION}),
    "connection.name": Reach("company", "ClusterNetBirdConnection", metadata("name"), {"connection": CONNECTION}),
    "connection.url": Reach(
        "https://netbird.example.com", "ClusterNetBirdConnection", spec("url"), {"connection": CONNECTION}
    ),
    "connection.tokenSecret.name": Reach("company", "ClusterNetBirdConnection", spec("tokenSecretRef", "name")),
    "connection.tokenSecret.key": Reach(
        "pat", "ClusterNetBirdConnection", spec("tokenSecretRef", "key"), {"connection": CONNECTION}
    ),
    "connection.managementPolicy": Reach(
        "Observe", "ClusterNetBirdConnection", spec("managementPolicy"), {"connection": CONNECTION}
    ),
    "connection.access.namespaces": Reach(
        ["team-a"], "ClusterNetBirdConnection", spec("access", 0, "namespaces"), {"connection": CONNECTION}
    ),
    "connection.access.adoptionNamespaces": Reach(
        ["team-a"], "ClusterNetBirdConnection", spec("access", 0, "namespaces"), {"connection": CONNECTION}
    ),
    "connection.access.entries": Reach(
        [{"namespaces": ["team-a"]}], "ClusterNetBirdConnection", spec("access"), {"connection": CONNECTION}
    ),
    "scope.namespaces": Reach(["team-a"], "Deployment", flag("namespace")),
    "scope.clusterConnections": Reach(NO, "Deployment", lambda each: flag("cluster-connections")(each) != ["false"]),
    "scope.namespacedConnections": Reach(
        NO, "Deployment", lambda each: flag("namespaced-connections")(each) != ["false"]
    ),
    "scope.allowedURLs": Reach(["https://nb.example"], "Deployment", flag("allowed-urls")),
    "secretWatch": Reach(NO, "Deployment", lambda each: flag("secret-watch")(each) != ["false"]),
    "secretNamespaces": Reach(["team-a"], "Deployment", flag("secret-namespaces")),
    "crds.enabled": Reach(NO, "CustomResourceDefinition", GONE),
    "crds.keep": Reach(NO, "CustomResourceDefinition", lambda each: "annotations" in each["metadata"]),
    "userRoles.enabled": Reach(
        NO, "ClusterRole", lambda each: "rbac.authorization.k8s.io/aggregate-to-view" in each["metadata"]["labels"]
    ),
    "extraArgs": Reach(["--workers=3"], "Deployment", lambda each: container("args")(each)[-1:]),
    "docsURL": Reach("https://docs.example.com/{page}/", "Deployment", lambda each: flag("docs-url")(each)[0]),
    "log.format": Reach("human", "Deployment", lambda each: flag("log-format")(each)[0]),
    "log.level": Reach("debug", "Deployment", lambda each: flag("log-level")(each)[0]),
    "metrics.enabled": Reach(NO, "Deployment", lambda each: flag("metrics")(each) != ["false"]),
    "metrics.perConnection": Reach(YES, "Deployment", lambda each: flag("metrics-per-connection")(each) == ["true"]),
    "metrics.service.enabled": Reach(YES, "Service", exists),
    "metrics.service.annotations": Reach(LABELS, "Service", metadata("annotations"), {"metrics": {"service": ON}}),
    **monitored("PodMonitor", "podMonitor"),
    **monitored("ServiceMonitor", "serviceMonitor"),
    "metrics.prometheusRule.enabled": Reach(YES, "PrometheusRule", exists, {"metrics": MONITOR}),
    "metrics.prometheusRule.scrapedElsewhere": Reach(
        YES, "PrometheusRule", exists, {"metrics": {"prometheusRule": ON}}
    ),
    "metrics.prometheusRule.labels": Reach(
        LABELS, "PrometheusRule", labels, {"metrics": {**MONITOR, "prometheusRule": ON}}
    ),
    "metrics.prometheusRule.annotations": Reach(
        LABELS, "PrometheusRule", metadata("annotations"), {"metrics": {**MONITOR, "prometheusRule": ON}}
    ),
    "metrics.prometheusRule.alerts": Reach(
        {"NetBirdStreamingNoLeader": {"for": "1h"}},
        "PrometheusRule",
        lambda each: {"NetBirdStreamingNoLeader": {"for": spec("groups", 0, "rules", 0, "for")(each)}},
        {"metrics": {**MONITOR, "prometheusRule": ON}},
    ),
    "metrics.dashboard.enabled": Reach(YES, "ConfigMap", exists),
    "metrics.dashboard.labels": Reach(LABELS, "ConfigMap", labels, {"metrics": {"dashboard": ON}}),
    "metrics.dashboard.annotations": Reach(
        LABELS, "ConfigMap", metadata("annotations"), {"metrics": {"dashboard": ON}}
    ),
    "proxy.http": Reach("http://proxy:3128", "Deployment", lambda each: variable("HTTP_PROXY")(each)[0]),
    "proxy.https": Reach("http://proxy:3128", "Deployment", lambda each: variable("HTTPS_PROXY")(each)[0]),
    "proxy.noProxy": Reach(".example.net", "Deployment", lambda each: variable("NO_PROXY")(each)[0].rpartition(",")[2]),
    "caBundle.configMap.name": Reach("company-ca", "Deployment", volume("ca-bundle", "configMap", "name")),
    "caBundle.configMap.key": Reach(
        "root.pem",
        "Deployment",
        lambda each: volume("ca-bundle", "configMap", "items")(each)[0]["key"],
        WITH_CA,
    ),
    "extraEnv": Reach([{"name": "A", "value": "b"}], "Deployment", container("env")),
    "extraEnvFrom": Reach([{"secretRef": {"name": "proxy"}}], "Deployment", container("envFrom")),
    "extraVolumes": Reach([{"name": "extra", "emptyDir": {}}], "Deployment", lambda each: pod("volumes")(each)[-1:]),
    "extraVolumeMounts": Reach(
        [{"name": "extra", "mountPath": "/extra"}], "Deployment", lambda each: container("volumeMounts")(each)[-1:]
    ),
    "serviceAccount.create": Reach(NO, "ServiceAccount", GONE, OWN_ACCOUNT),
    "serviceAccount.name": Reach("mine", "Deployment", pod("serviceAccountName")),
    "serviceAccount.annotations": Reach(LABELS, "ServiceAccount", metadata("annotations")),
    "networkPolicy.enabled": Reach(YES, "NetworkPolicy", exists),
    "networkPolicy.dns.to": Reach([PEER], "NetworkPolicy", spec("egress", 0, "to"), POLICY),
    "networkPolicy.dns.ports": Reach([5353], "NetworkPolicy", lambda each: [5353] if port(5353)(each) else [], POLICY),
    "networkPolicy.apiServer.to": Reach([PEER], "NetworkPolicy", spec("egress", 1, "to"), POLICY),
    "networkPolicy.apiServer.ports": Reach(
        [16443], "NetworkPolicy", lambda each: [16443] if port(16443)(each) else [], POLICY
    ),
    "networkPolicy.netbird.to": Reach(
        [PEER], "NetworkPolicy", spec("egress", 2, "to"), {"networkPolicy": {**ON, "apiServer": {"to": [PEER]}}}
    ),
    "networkPolicy.netbird.ports": Reach(
        [33073], "NetworkPolicy", lambda each: [33073] if port(33073)(each) else [], POLICY
    ),
    "networkPolicy.health.from": Reach([PEER], "NetworkPolicy", spec("ingress", 0, "from"), POLICY),
    "networkPolicy.metrics.from": Reach([PEER], "NetworkPolicy", spec("ingress", 1, "from"), POLICY),
    "podDisruptionBudget.enabled": Reach(NO, "PodDisruptionBudget", GONE),
    "resources": Reach(
        {"limits": {"memory": "1Gi"}},
        "Deployment",
        lambda each: {"limits": {"memory": container("resources", "limits", "memory")(each)}},
    ),
    "livenessProbe.periodSeconds": Reach(7, "Deployment", container("livenessProbe", "periodSeconds")),
    "livenessProbe.timeoutSeconds": Reach(7, "Deployment", container("livenessProbe", "timeoutSeconds")),
    "livenessProbe.failureThreshold": Reach(7, "Deployment", container("livenessProbe", "failureThreshold")),
    "terminationGracePeriodSeconds": Reach(60, "Deployment", pod("terminationGracePeriodSeconds")),
    "podSecurityContext": Reach(
        {"supplementalGroups": [1]},
        "Deployment",
        lambda each: {"supplementalGroups": pod("securityContext", "supplementalGroups")(each)},
    ),
    "securityContext": Reach(
        {"runAsUser": 1},
        "Deployment",
        lambda each: {"runAsUser": container("securityContext", "runAsUser")(each)},
    ),
    "topologySpreadConstraints": Reach(
        [{"maxSkew": 2, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
        "Deployment",
        lambda each: [
            {key: value for key, value in one.items() if key != "labelSelector"}
            for one in pod("topologySpreadConstraints")(each)
        ],
    ),
    "deploymentAnnotations": Reach(LABELS, "Deployment", metadata("annotations")),
    "revisionHistoryLimit": Reach(2, "Deployment", spec("revisionHistoryLimit")),
    "podAnnotations": Reach(LABELS, "Deployment", spec("template", "metadata", "annotations")),
    "podLabels": Reach(LABELS, "Deployment", lambda each: labels(each["spec"]["template"])),
    "commonLabels": Reach(LABELS, "ServiceAccount", labels),
    "nodeSelector": Reach(LABELS, "Deployment", pod("nodeSelector")),
    "tolerations": Reach([{"operator": "Exists"}], "Deployment", pod("tolerations")),
    "affinity": Reach({"podAffinity": {}}, "Deployment", pod("affinity")),
    "dnsPolicy": Reach("Default", "Deployment", pod("dnsPolicy")),
    "dnsConfig": Reach({"nameservers": ["192.0.2.53"]}, "Deployment", pod("dnsConfig")),
    "hostAliases": Reach([{"ip": "192.0.2.1", "hostnames": ["nb.example"]}], "Deployment", pod("hostAliases")),
    "priorityClassName": Reach("high", "Deployment", pod("priorityClassName")),
    "extraObjects": Reach([{"apiVersion": "v1", "kind": "Endpoints"}], "Endpoints", lambda each: [each]),
    "nameOverride": Reach("other", "Deployment", at("metadata", "labels", "app.kubernetes.io/name")),
    "fullnameOverride": Reach("other", "Deployment", metadata("name")),
}
