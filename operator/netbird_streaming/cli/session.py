"""Clients of commands: the shipped ones, without starting the operator, and unable to write."""

import argparse
import logging
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from netbird_streaming.api.types import RateLimit
from netbird_streaming.cli.commands import Invocation
from netbird_streaming.cli.installation import Installation, find, of_this_pod, with_settings
from netbird_streaming.cli.output import Output
from netbird_streaming.clock import SystemClock
from netbird_streaming.cluster.client import KubernetesClient, load_configuration
from netbird_streaming.cluster.configuration import is_in_cluster
from netbird_streaming.cluster.events import EventPublisher
from netbird_streaming.cluster.namespace import own_namespace
from netbird_streaming.cluster.read_only import ReadOnlyKubernetesClient
from netbird_streaming.cluster.resources import Resources
from netbird_streaming.config.settings import Settings, read_settings
from netbird_streaming.core.netbird.types import Endpoint
from netbird_streaming.netbird.client import ClientContext, NetBirdClient, ignore_outcome
from netbird_streaming.netbird.factory import ClientFactory
from netbird_streaming.netbird.http_clients import EnvironmentHttpClients, HttpClients
from netbird_streaming.netbird.responses import Call, NoResponse, Response
from netbird_streaming.telemetry import logs


def add_cluster_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that choose a cluster, and the namespaces to look at."""
    group = parser.add_argument_group("cluster")
    group.add_argument(
        "--kubeconfig",
        metavar="FILE",
        help="The kubeconfig. Without it: KUBECONFIG, else the pod's ServiceAccount, else ~/.kube/config.",
    )
    group.add_argument("--context", metavar="NAME", help="The context of the kubeconfig. Without it: the current one.")
    group.add_argument(
        "-n",
        "--namespace",
        dest="namespaces",
        action="append",
        metavar="NAMESPACE",
        help="A namespace whose resources to look at; repeat it for more. Without it: all that the operator watches.",
    )
    group.add_argument(
        "--operator-namespace",
        metavar="NAMESPACE",
        help="The operator's own namespace. Without it: the pod's, else the one in which the operator is found, else "
        "that of the kubeconfig's context.",
    )


@dataclass(frozen=True, slots=True)
class Session:
    """Values and clients that a command works with."""

    output: Output
    settings: Settings
    """The operator's settings, as far as the command knows them."""
    installation: Installation
    namespace: str
    """The operator's own namespace."""
    kubernetes: KubernetesClient
    resources: Resources
    netbird: ClientFactory
    clock: SystemClock


class CommandClients(ClientFactory):
    """Factory that keeps all clients until the command ends, so that their connections are closed and not dropped."""

    def __init__(self, context: ClientContext, settings: Settings, http: HttpClients, *, read_only: bool) -> None:
        super().__init__(
            context,
            timeout=settings.request_timeout,
            initial_fraction=settings.initial_burst_fraction,
            http=http,
            read_only=read_only,
        )
        self._clients: list[NetBirdClient] = []

    def client(self, endpoint: Endpoint, limit: RateLimit) -> NetBirdClient:
        """Return a client for this endpoint."""
        self._clients.append(super().client(endpoint, limit))
        return self._clients[-1]


class FilteredResources(Resources):
    """Resources that register each value of a Secret at the output's filter, before a command sees it."""

    def __init__(self, client: KubernetesClient, publisher: EventPublisher, settings: Settings, output: Output) -> None:
        super().__init__(
            client, publisher, namespaces=settings.namespaces or None, cluster_kinds=settings.cluster_connections
        )
        self._output = output

    async def secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """Return the decoded data of a Secret, or None if there is no such Secret."""
        data = await super().secret(namespace, name)
        self._output.secrets.add(*(data or {}).values())
        return data


@asynccontextmanager
async def opened(invocation: Invocation, output: Output) -> AsyncIterator[Session]:
    """Open the clients of a command that works with a cluster; none of them can write.

    Raises:
        SettingsError: An argument is wrong.
        WaitError: There is no usable Kubernetes configuration.
    """
    arguments = invocation.arguments
    environment = environment_of(invocation)
    _log_defects(output)
    clock = SystemClock()
    configuration = await load_configuration(environment, clock.monotonic, arguments.context)
    output.secrets.add(*configuration.api_key.values())
    client = ReadOnlyKubernetesClient(configuration)
    try:
        output.progress("looking for the operator")
        if is_in_cluster(environment, arguments.context):
            installed = of_this_pod()
        else:
            installed = await find(client, arguments.operator_namespace)
        settings = read_settings(with_settings(arguments, installed), {**(installed.variables or {}), **environment})
        namespace = (
            settings.operator_namespace or installed.namespace or own_namespace(environment, context=arguments.context)
        )
        async with netbird_clients(invocation, settings, clock) as netbird:
            publisher = EventPublisher(client, "command", clock.now, _always)
            resources = FilteredResources(client, publisher, settings, output)
            yield Session(output, settings, installed, namespace, client, resources, netbird, clock)
    finally:
        await client.close()


def _log_defects(output: Output) -> None:
    """Print errors of the log only: what the shipped code logs about a failure is what the command reports."""
    logs.set_up("human", "error", output.log_stream())
    for handler in logging.getLogger().handlers:
        handler.setLevel(logging.ERROR)


def environment_of(invocation: Invocation) -> Mapping[str, str]:
    """Return the environment, with the kubeconfig of the arguments."""
    kubeconfig = invocation.arguments.kubeconfig
    return invocation.environment if kubeconfig is None else {**invocation.environment, "KUBECONFIG": kubeconfig}


def netbird_clients(
    invocation: Invocation,
    settings: Settings,
    clock: SystemClock,
    *,
    read_only: bool = True,
    inspect: Callable[[Call, str, Response | NoResponse], None] = ignore_outcome,
) -> ClientFactory:
    """Return a factory of NetBird clients, which is also the context in which they work; by default they only read."""
    context = ClientContext(clock, random.Random(), _always, inspect=inspect)  # noqa: S311  # jitter only
    return CommandClients(context, settings, EnvironmentHttpClients(invocation.environment), read_only=read_only)


def _always() -> None:
    """Guard nothing: no Lease says whether a command may read."""
