"""`check`: looks at everything that the operator needs, and names the fix for what is wrong."""

import argparse
import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from netbird_streaming.api.types import (
    ClusterNetBirdConnection,
    Connection,
    ConnectionKind,
    EventStreamingIntegration,
    NetBirdConnection,
    Resource,
)
from netbird_streaming.cli import check_kubernetes, check_netbird
from netbird_streaming.cli.account_access import add_url_arguments, by_url
from netbird_streaming.cli.commands import Invocation
from netbird_streaming.cli.exit_codes import ExitCode
from netbird_streaming.cli.output import Finding, Output, State, add_output_argument
from netbird_streaming.cli.session import Session, add_cluster_arguments, environment_of, opened
from netbird_streaming.clock import SystemClock
from netbird_streaming.cluster.configuration import is_in_cluster
from netbird_streaming.config.options import SettingsError
from netbird_streaming.errors import OperatorError

DESCRIPTION: Final = (
    "Check everything that the operator needs, and print a line for each: ✔, or ✘ with the fix. Nothing is written to "
    "Kubernetes or NetBird."
)
EXAMPLES: Final = (
    "check",
    "check -o json",
    "check --pre --url https://api.netbird.io --token-file token",
)
_KINDS: Final = (*(each.value for each in ConnectionKind), EventStreamingIntegration.__name__)


@dataclass(frozen=True, slots=True)
class Report:
    """All findings of a check."""

    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> ExitCode:
        """Return `PROBLEM` if any finding is one."""
        return ExitCode.PROBLEM if any(each.state is State.PROBLEM for each in self.findings) else ExitCode.OK


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_cluster_arguments(parser)
    add_output_argument(parser)
    parser.add_argument(
        "--pre",
        action="store_true",
        help="Check before the installation: whether you may install, and with --url and --token-file whether NetBird "
        "accepts the token.",
    )
    add_url_arguments(parser, required=False)


def execute(invocation: Invocation) -> int:
    """Check, print the findings, and return the exit code."""
    output, arguments = Output(invocation), invocation.arguments
    if (arguments.url is None) != (arguments.token_file is None):
        message = "--url and --token-file: give both, or none"
        raise SettingsError(message)
    report = asyncio.run(_check(invocation, output))
    output.document(report)
    return report.exit_code


async def _check(invocation: Invocation, output: Output) -> Report:
    findings: list[Finding] = []

    def add(*found: Finding) -> None:
        output.findings(found)
        findings.extend(found)

    if invocation.arguments.url is not None:
        output.progress("asking NetBird")
        async with by_url(invocation, output) as access:
            add(*(await check_netbird.account("NetBird", access, None, SystemClock())).findings)
    try:
        async with opened(invocation, output) as session:
            await _check_cluster(invocation, session, add)
    except OperatorError as error:
        add(check_kubernetes.problem("Kubernetes", error))
    output.done()
    return Report(tuple(findings))


async def _check_cluster(invocation: Invocation, session: Session, add: Callable[..., None]) -> None:
    output, pre = session.output, invocation.arguments.pre
    environment = environment_of(invocation)
    in_pod = is_in_cluster(environment, invocation.arguments.context)
    output.progress("asking the API server")
    answered = await check_kubernetes.version(session)
    add(answered)
    if answered.state is State.PROBLEM:
        return
    served = await check_kubernetes.definitions(session, installed=not pre)
    add(served.finding)
    output.progress("checking permissions")
    if pre:
        add(*await check_kubernetes.installing(session))
    else:
        add(*await check_kubernetes.permissions(session, in_pod=in_pod))
        add(await check_kubernetes.lease(session, session.clock.now()))
    if served.served:
        await _check_resources(session, environment, add)


async def _check_resources(session: Session, environment: Mapping[str, str], add: Callable[..., None]) -> None:
    output = session.output
    output.progress("listing connections and resources")
    found: list[Resource] = []
    for kind in _KINDS:
        for namespace in session.resources.scopes(kind):
            try:
                await session.resources.list_resources(kind, namespace, lambda *_: True, found.append)
            except OperatorError as error:
                add(check_kubernetes.problem(kind, error))
    connections: list[Connection] = [
        each for each in found if isinstance(each, NetBirdConnection | ClusterNetBirdConnection)
    ]
    resources = [each for each in found if isinstance(each, EventStreamingIntegration)]
    add(*check_kubernetes.installations(session, connections))
    if not connections:
        add(Finding("Connections", State.NOTE, "there are none yet"))
    output.progress(f"asking NetBird through {len(connections)} connections")
    for group in await asyncio.gather(*(check_netbird.connection(session, each, environment) for each in connections)):
        add(*group)
    add(*await check_netbird.secrets(session, resources, connections))
