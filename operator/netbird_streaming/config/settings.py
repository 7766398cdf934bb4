"""Settings of the process. They are read once from flags and the environment.

A flag takes precedence over its environment variable, and that over the default. Each field of `Settings` has its unit,
bounds and description. The parser, `run --help` and the error messages are made from them.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass

from netbird_streaming.config import options
from netbird_streaming.config.options import Group, SettingsError, setting
from netbird_streaming.version import PROGRAM

__all__ = ["Settings", "SettingsError", "add_flags", "read_settings", "unknown_variables"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of one process. Durations are in seconds."""

    namespaces: tuple[str, ...] = setting(
        (),
        options.namespaces(
            Group.SCOPE,
            "--namespace",
            "A namespace to watch; repeat it for more (in the environment: separated by commas). Without it, all are "
            "watched, which takes a ClusterRole. With it, a Role in each namespace is enough, and one ClusterRole "
            "for cluster connections.",
        ),
    )
    cluster_connections: bool = setting(
        True,  # noqa: FBT003 # the default value of a flag, not a call's mode
        options.boolean(
            Group.SCOPE,
            "Serve ClusterNetBirdConnections. They have no namespace, so this takes a ClusterRole; turned off, a "
            "resource needs a NetBirdConnection of its own namespace.",
        ),
    )
    namespaced_connections: bool = setting(
        True,  # noqa: FBT003 # the default value of a flag, not a call's mode
        options.boolean(
            Group.SCOPE,
            "Serve NetBirdConnections, whose server and token a namespace chooses. Turned off, resources refer to a "
            "ClusterNetBirdConnection.",
        ),
    )
    operator_namespace: str = setting(
        "",
        options.namespace(
            Group.SCOPE,
            "The operator's own namespace: of its Lease, its fingerprint key, and of the Secrets and ConfigMaps that "
            "cluster connections name. Without it: the pod's; outside of a cluster the kubeconfig context's, else "
            "default.",
        ),
    )
    fingerprint_key_secret: str = setting(
        "netbird-streaming-operator-fingerprint-key",
        options.name(
            Group.SCOPE,
            "The Secret of the operator's namespace that holds the key of all fingerprints. The chart creates it "
            "empty, and the operator adds the key. Losing it costs one PUT for each integration, and each account must "
            "be confirmed again.",
        ),
    )
    secret_watch: bool = setting(
        True,  # noqa: FBT003 # the default value of a flag, not a call's mode
        options.boolean(
            Group.SCOPE,
            "Watch the metadata of Secrets, so that a rotated value acts within seconds. It takes list and watch on "
            "Secrets; where those are not granted, turn it off: referenced Secrets are then read with each resync.",
        ),
    )
    secret_namespaces: tuple[str, ...] = setting(
        (),
        options.namespaces(
            Group.SCOPE,
            "--secret-namespaces",
            "The namespaces whose Secrets are watched, separated by commas. Without it, those of all watched "
            "namespaces. For cluster connections, the operator's own namespace is one of them in any case.",
        ),
    )
    request_timeout: float = setting(
        30.0,
        options.duration(
            Group.NETBIRD,
            1,
            600,
            "The total deadline of one request to NetBird, its answer's body included. A POST takes long, since "
            "NetBird sends a test event to the destination before it responds.",
        ),
    )
    late_commit_window: float = setting(
        60.0,
        options.duration(
            Group.NETBIRD,
            0,
            3600,
            "How long after a POST without a response NetBird may still create the integration. Five seconds later, "
            "since its list may lag, the operator looks for it. This is an assumption: no source states it. A shorter "
            "time can cause a duplicate, a longer one only delays.",
        ),
    )
    absence_window: float = setting(
        60.0,
        options.duration(
            Group.NETBIRD,
            0,
            3600,
            "How long an integration must be absent, by its id and in the list, before it counts as deleted: the "
            "time between two observations. This is an assumption: no source states how long a read replica may hide "
            "one. A shorter time can cause a duplicate, a longer one only delays.",
        ),
    )
    initial_burst_fraction: float = setting(
        0.1,
        options.fraction(
            Group.NETBIRD,
            "The part of a token's burst that a new leader assumes to remain, since the previous leader may have used "
            "the rest.",
        ),
    )
    allow_http: bool = setting(
        False,  # noqa: FBT003 # the default value of a flag, not a call's mode
        options.boolean(
            Group.NETBIRD,
            "Let connections name http:// URLs that are not loopback. Tokens and keys are then sent in plain text.",
        ),
    )
    allowed_urls: tuple[str, ...] = setting(
        (),
        options.urls(
            Group.NETBIRD,
            "The API URLs that NetBirdConnections may name, separated by commas; repeat it for more. Without it, a "
            "namespace may name any server. ClusterNetBirdConnections are the administrator's and may name any.",
        ),
    )
    connections_per_namespace: int = setting(
        5,
        options.integer(
            Group.NETBIRD,
            1,
            1000,
            "How many NetBirdConnections of a namespace are served, the oldest ones. Its owner chooses their servers, "
            "and each answer may take up to 20 MiB of memory.",
        ),
    )
    token_expiry: bool = setting(
        True,  # noqa: FBT003 # the default value of a flag, not a call's mode
        options.boolean(
            Group.NETBIRD,
            "Ask NetBird when each personal access token expires, until it is known: two requests per token and day at "
            "most. The connection's status, an Event and a metric then warn before that. It takes the right to read "
            "the token's own user; where that is denied, nothing is reported.",
        ),
    )
    workers: int = setting(
        8,
        options.integer(
            Group.RECONCILE,
            1,
            64,
            "How many resources are reconciled at once. More are slower, as measured: a request costs about 1 ms of "
            "CPU, and more with more requests in flight.",
        ),
    )
    relist_interval: float = setting(
        600.0,
        options.duration(
            Group.RECONCILE,
            30,
            86400,
            "How often all resources are listed and compared with the cache, in case a watch missed a change. A watch "
            "that starts again lists them too.",
        ),
    )
    shutdown_grace: float = setting(
        20.0,
        options.duration(
            Group.RECONCILE,
            0,
            600,
            "How long running reconciles may take after SIGTERM before they are cancelled. Keep it below the "
            "pod's terminationGracePeriodSeconds. The next leader resolves the outcome of a cancelled POST.",
        ),
    )
    lease: bool = setting(
        True,  # noqa: FBT003 # the default value of a flag, not a call's mode
        options.boolean(
            Group.LEASE,
            "Act only while holding a Lease, so that of several replicas, and of the old and the new pod in an "
            "update, one acts. Turn it off only where no other replica can run.",
        ),
    )
    lease_name: str = setting(
        PROGRAM,
        options.name(
            Group.LEASE,
            "The Lease's name, in the operator's namespace. All replicas of one installation share it.",
        ),
    )
    lease_duration: float = setting(
        15.0,
        options.duration(
            Group.LEASE,
            2,
            300,
            "How long followers wait after the last renewal before one takes over: a crashed leader is replaced "
            "after about this time. Whole seconds, since the Lease stores no fraction.",
        ),
    )
    lease_renew_deadline: float = setting(
        10.0,
        options.duration(
            Group.LEASE,
            1,
            299,
            "How long a leader that can't renew continues to act. It must be shorter than the Lease's duration: the "
            "rest is what clocks that differ, and requests under way, may take.",
        ),
    )
    lease_retry_period: float = setting(
        2.0, options.duration(Group.LEASE, 0.1, 60, "How long between two tries to renew, or to take over.")
    )
    health_host: str = setting(
        "",
        options.text(
            Group.HEALTH,
            "an IP address or a host name, or nothing",
            "The address that /healthz and /readyz are served on. Without it: all, as the kubelet asks at the pod's.",
        ),
    )
    health_port: int = setting(
        8081,
        options.integer(Group.HEALTH, 0, 65535, "The TCP port of /healthz and /readyz; 0 takes a free one, logged."),
    )
    stuck_after: float = setting(
        600.0,
        options.duration(
            Group.HEALTH,
            60,
            86400,
            "/healthz fails when resources are due and no reconcile ended for longer than this.",
        ),
    )
    watch_silent_after: float = setting(
        300.0,
        options.duration(
            Group.HEALTH,
            180,
            86400,
            "/healthz fails when a watch has sent no request and received no response for longer than this. An API "
            "server that is down does not count: the watch retries, and a restart would lose the cache.",
        ),
    )
    metrics: bool = setting(
        True,  # noqa: FBT003 # the default value of a flag, not a call's mode
        options.boolean(
            Group.METRICS,
            "Serve /metrics. It needs no login, and names no account, Secret or resource. Turned off, "
            "no port is opened for it.",
        ),
    )
    metrics_host: str = setting(
        "",
        options.text(
            Group.METRICS,
            "an IP address or a host name, or nothing",
            "The address that /metrics is served on. Without it: all, as Prometheus asks at the pod's.",
        ),
    )
    metrics_port: int = setting(
        8080,
        options.integer(
            Group.METRICS,
            0,
            65535,
            "The TCP port of /metrics; 0 takes a free one, logged. It is not the kubelet's, so that a network policy "
            "can open the one and not the other.",
        ),
    )
    metrics_per_connection: bool = setting(
        False,  # noqa: FBT003 # the default value of a flag, not a call's mode
        options.boolean(
            Group.METRICS,
            "Report the rate limit and resync of each connection by its namespace and name, of at most 100; the others "
            "together. Turned off, only the worst of all is reported, and readers of the metrics learn no name.",
        ),
    )
    log_format: str = setting(
        "human",
        options.choice(Group.LOG, ("human", "json"), "One line for each decision, for people or for a log pipeline."),
    )
    log_level: str = setting(
        "info",
        options.choice(
            Group.LOG,
            ("debug", "info", "warning", "error"),
            "The least severe level that is logged. Libraries are logged from warning upwards whatever it is.",
        ),
    )
    docs_url: str = setting(
        "",
        options.pages(
            Group.MESSAGES,
            "The address where docs/ of this project is served; {page} stands for the path of a page, without .md. "
            "Messages of conditions and Events then end with the address of their reason's section, except those of "
            "successes. Without it, messages have no address.",
        ),
    )


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add a flag for each setting, with its group and description."""
    options.add_flags(parser, Settings)


def read_settings(arguments: argparse.Namespace, environment: Mapping[str, str]) -> Settings:
    """Return the settings of parsed flags and an environment.

    Raises:
        SettingsError: A value is not accepted, or contradicts another one.
    """
    settings = Settings(**options.read_values(Settings, arguments, environment))
    _check_relations(settings)
    return settings


def unknown_variables(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the environment variables with the prefix of settings that are no setting."""
    return options.unknown_variables(Settings, environment)


def _check_relations(settings: Settings) -> None:
    """Raise `SettingsError` for values that contradict each other."""
    if settings.metrics and settings.metrics_port == settings.health_port != 0:
        msg = (
            f"--metrics-port: must differ from --health-port, not {settings.metrics_port} too; a network policy "
            "distinguishes them by port"
        )
        raise SettingsError(msg)
    duration, deadline, retry = settings.lease_duration, settings.lease_renew_deadline, settings.lease_retry_period
    if not duration.is_integer():
        msg = f"--lease-duration: takes whole seconds, not {duration:g}s; the Lease stores no fraction"
        raise SettingsError(msg)
    if not retry < deadline < duration:
        msg = (
            f"--lease-renew-deadline: must be longer than --lease-retry-period ({retry:g}s) and shorter than "
            f"--lease-duration ({duration:g}s), not {deadline:g}s"
        )
        raise SettingsError(msg)
    if settings.stuck_after <= 2 * settings.request_timeout:
        msg = (
            f"--stuck-after: must be more than twice --request-timeout ({settings.request_timeout:g}s), not "
            f"{settings.stuck_after:g}s; else one slow answer looks like a hang"
        )
        raise SettingsError(msg)
