"""`plan`: says what the operator would do now for each resource, and does nothing."""

import argparse
import asyncio
import random
import secrets
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from netbird_streaming.cli.commands import Invocation
from netbird_streaming.cli.exit_codes import ExitCode
from netbird_streaming.cli.output import Finding, Output, State, add_output_argument
from netbird_streaming.cli.overlay import Manifests, OverlaidCluster, read_manifests
from netbird_streaming.cli.session import Session, add_cluster_arguments, environment_of, opened
from netbird_streaming.cluster.fingerprint_key import read_fingerprint_key
from netbird_streaming.cluster.namespace import own_namespace
from netbird_streaming.controller_settings import controller_settings
from netbird_streaming.core.netbird.fingerprint import KEY_BYTES, FingerprintKey
from netbird_streaming.core.plan import CHANGES, PROBLEMS, PlanEntry
from netbird_streaming.reconciler.planner import Planner
from netbird_streaming.reconciler.ports import NoRecorder, Ports

DESCRIPTION: Final = (
    "Show what the operator would do now for each resource: create, update, adopt, delete, nothing, or why not. The "
    "command reads the cluster and NetBird, decides as the operator does, and writes nothing."
)
EXAMPLES: Final = ("plan", "plan --namespace team-a -o json", "plan --filename integrations.yaml")


@dataclass(frozen=True, slots=True)
class Plan:
    """Entries of a plan, and what could not be planned."""

    entries: tuple[PlanEntry, ...]
    problems: tuple[Finding, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        """Return `PROBLEM` if anything is refused, else `CHANGES` if anything would change."""
        if any(each.state is State.PROBLEM for each in self.problems) or any(
            each.action in PROBLEMS for each in self.entries
        ):
            return ExitCode.PROBLEM
        return ExitCode.CHANGES if any(each.action in CHANGES for each in self.entries) else ExitCode.OK


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_cluster_arguments(parser)
    add_output_argument(parser)
    parser.add_argument(
        "-f",
        "--filename",
        dest="files",
        action="append",
        metavar="FILE",
        default=[],
        help="A YAML file, a folder of them, or - for standard input, of resources, connections, Secrets and "
        "ConfigMaps: plan as if they were applied. Repeat it for more.",
    )


def execute(invocation: Invocation) -> int:
    """Plan, print the entries, and return the exit code."""
    output = Output(invocation)
    plan = asyncio.run(_plan(invocation, output))
    for each in plan.entries:
        output.line(f"{_SYMBOLS[each.action in CHANGES, each.action in PROBLEMS]} {each.label}: {_sentence(each)}")
    output.findings(plan.problems)
    output.line(_summary(plan))
    output.document(plan)
    return plan.exit_code


_SYMBOLS: Final = {(False, False): "•", (True, False): "~", (False, True): "✘"}


def _sentence(entry: PlanEntry) -> str:
    reason = f" ({entry.reason})" if entry.reason is not None and entry.action not in CHANGES else ""
    return f"{entry.action.lower()}{reason}: {entry.message}"


def _summary(plan: Plan) -> str:
    if not plan.entries:
        return "No resources."
    counted = Counter(each.action for each in plan.entries)
    return ", ".join(f"{counted[action]} {action.lower()}" for action in sorted(counted)) + "."


async def _plan(invocation: Invocation, output: Output) -> Plan:
    manifests = _manifests(invocation)
    output.secrets.add(*manifests.secret_values())
    async with opened(invocation, output) as session:
        output.progress("reading the cluster")
        problems, key = await _key(session)
        ports = Ports(
            cluster=OverlaidCluster(session.resources, manifests),
            netbird=session.netbird,
            clock=session.clock,
            random=random.Random(),  # noqa: S311  # jitter only
            key=FingerprintKey(key),
            recorder=NoRecorder(),
        )
        planner = Planner(ports, controller_settings(session.settings, session.namespace))
        entries = await planner.plan(lambda done, count: output.progress(f"planning: {done} of {count} resources"))
        if manifests.resources:
            entries = tuple(each for each in entries if manifests.names(each.kind, each.namespace, each.name))
        refused = [Finding("Kubernetes", State.PROBLEM, each.message, reason=each.reason) for each in planner.refusals]
    return Plan(entries, (*problems, *refused))


def _manifests(invocation: Invocation) -> Manifests:
    """Return the manifests of `--filename`; objects without a namespace are in that of kubectl."""
    arguments = invocation.arguments
    if not arguments.files:
        return Manifests({}, {}, {})
    named = arguments.namespaces or [own_namespace(environment_of(invocation), context=arguments.context)]
    return read_manifests([Path(each) for each in arguments.files], named[0])


async def _key(session: Session) -> tuple[list[Finding], bytes]:
    """Return the fingerprint key; a random one if there is none yet, since no fingerprint was made then."""
    name = session.settings.fingerprint_key_secret
    key = await read_fingerprint_key(session.kubernetes, session.namespace, name)
    if key is not None:
        session.output.secrets.add(key)
        return [], key
    return [
        Finding(
            f"Secret {session.namespace}/{name}",
            State.NOTE,
            "holds no fingerprint key; if the operator is installed, name its namespace by --operator-namespace",
        )
    ], secrets.token_bytes(KEY_BYTES)
