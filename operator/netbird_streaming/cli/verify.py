"""`verify`: tests the assumptions about NetBird's API on a real account, and deletes everything again."""

import argparse
import asyncio
import secrets
import signal
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TextIO
from urllib.parse import urlsplit

from netbird_streaming.cli.account_access import add_url_arguments, by_url
from netbird_streaming.cli.assumptions import Row, render, rows
from netbird_streaming.cli.commands import Invocation
from netbird_streaming.cli.exit_codes import ExitCode
from netbird_streaming.cli.observations import Verdict
from netbird_streaming.cli.output import Output, add_output_argument
from netbird_streaming.cli.verify_journal import Journal
from netbird_streaming.cli.verify_steps import Verification
from netbird_streaming.config.options import SettingsError
from netbird_streaming.version import program_version

DESCRIPTION: Final = (
    "Test the operator's assumptions about NetBird's API on a real account, and print what was observed. This is the "
    "only command that writes: it creates disabled generic HTTP integrations, changes one, and deletes all of them "
    "again, also after Ctrl-C. It asks first."
)
EXAMPLES: Final = (
    "verify --url=https://api.netbird.io --token-file=token",
    "verify --url=https://api.netbird.io --token-file=token --yes -o json > report.json",
)
LIST_SECONDS: Final = 70.0
"""Seconds, a little more than `--absence-window`."""
RESERVED: Final = "https://netbird-streaming-operator.invalid"
"""A host in a domain that RFC 2606 reserves: nothing is ever sent to it."""


@dataclass(frozen=True, slots=True)
class Report:
    """The report, which names the server and nothing of the account."""

    server: str
    time: datetime
    version: str
    rows: tuple[Row, ...]
    not_deleted: tuple[int, ...]

    @property
    def exit_code(self) -> ExitCode:
        """Return `PROBLEM` if an assumption is broken or something was left."""
        broken = any(row.verdict is Verdict.BROKEN for row in self.rows)
        return ExitCode.PROBLEM if broken or self.not_deleted else ExitCode.OK


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_url_arguments(parser, required=True)
    parser.add_argument(
        "--destination",
        default=RESERVED,
        metavar="URL",
        help="An HTTP endpoint that accepts NetBird's test events, for a NetBird that tests the destination. Default: "
        "a host that does not exist.",
    )
    parser.add_argument(
        "--list-seconds",
        type=float,
        default=LIST_SECONDS,
        metavar="SECONDS",
        help=f"How long to wait until a list shows a change. Default: {LIST_SECONDS:.0f}.",
    )
    parser.add_argument("--yes", action="store_true", help="Do not ask.")
    add_output_argument(parser)


def execute(invocation: Invocation) -> int:
    """Ask, verify, clean up, and print the report."""
    output = Output(invocation)
    if not invocation.arguments.yes:
        _ask(output, sys.stdin, invocation.arguments.url)
    try:
        report = asyncio.run(_verify(invocation, output))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    output.done()
    for line in render(report.rows):
        output.line(line)
    output.document(report)
    return report.exit_code


def _ask(output: Output, answers: TextIO, url: str) -> None:
    output.warn(f"This creates disabled integrations in the account of the token at {url}, and deletes them again.")
    output.warn("Type yes to continue:")
    if answers.readline().strip() != "yes":
        message = "--yes: nothing was sent, because the question was not answered with yes; answer it, or set --yes"
        raise SettingsError(message)


async def _verify(invocation: Invocation, output: Output) -> Report:
    """Send all requests, and delete what was created, also after a signal or an error."""
    _cancel_by_signal()
    journal, arguments = Journal(), invocation.arguments
    nonce, secret = secrets.token_hex(8), f"verify-{secrets.token_hex(12)}"
    output.secrets.add(secret)
    async with by_url(invocation, output, read_only=False, inspect=journal.inspect) as access:
        url = f"{arguments.destination.rstrip('/')}/Verify-{nonce}/a{{b}}"
        run = Verification(access, journal, output, url, secret, arguments.list_seconds)
        try:
            await run.run()
        finally:
            left = await run.clean_up()
            if left:
                output.warn(f"not deleted: integrations {', '.join(map(str, left))}; delete them in NetBird")
    server = urlsplit(arguments.url).netloc
    return Report(server, datetime.now(UTC).replace(microsecond=0), program_version(), rows(run), left)


def _cancel_by_signal() -> None:
    """Cancel this task at the first SIGINT or SIGTERM. Later ones don't interrupt the clean-up."""
    task = asyncio.current_task()
    if task is None:
        return

    def cancel_once() -> None:
        if not task.cancelling():
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, cancel_once)
