"""`check`: looks at everything that the operator needs, and names the fix for what is wrong."""

import argparse
import asyncio
from dataclasses import dataclass
from typing import Final

from netbird_streaming.cli.commands import Invocation
from netbird_streaming.cli.exit_codes import ExitCode
from netbird_streaming.cli.output import Finding, Output, State, add_output_argument
from netbird_streaming.cli.session import Session, add_cluster_arguments, opened
from netbird_streaming.cluster.client import Request
from netbird_streaming.errors import OperatorError

DESCRIPTION: Final = (
    "Check everything that the operator needs, and print a line for each: ✔, or ✘ with the fix. Nothing is written to "
    "Kubernetes or NetBird."
)
EXAMPLES: Final = ("check", "check -o json")


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


def execute(invocation: Invocation) -> int:
    """Check, print the findings, and return the exit code."""
    output = Output(invocation)
    report = asyncio.run(_check(invocation, output))
    output.document(report)
    return report.exit_code


async def _check(invocation: Invocation, output: Output) -> Report:
    async with opened(invocation, output) as session:
        findings = (await _version(session),)
        output.findings(findings)
    return Report(findings)


async def _version(session: Session) -> Finding:
    session.output.progress("asking the API server for its version")
    try:
        answer = await session.kubernetes.call(Request("the API server's version", "/version"))
    except OperatorError as problem:
        return Finding("Kubernetes", State.PROBLEM, problem.message, reason=problem.reason)
    return Finding("Kubernetes", State.OK, f"version {answer.get('gitVersion')}")
