"""`bundle`: writes what a support ticket needs into one file."""

import argparse
import asyncio
import io
import os
import secrets
import tarfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from netbird_streaming.cli.bundle_contents import Contents, gather
from netbird_streaming.cli.commands import Invocation, load, parser
from netbird_streaming.cli.exit_codes import ExitCode
from netbird_streaming.cli.output import Output
from netbird_streaming.cli.redaction import NameRedaction
from netbird_streaming.cli.secret_filter import SecretFilter
from netbird_streaming.cli.session import add_cluster_arguments, opened
from netbird_streaming.config.options import SettingsError
from netbird_streaming.errors import OperatorError

DESCRIPTION: Final = (
    "Write one tar file for a support ticket: the statuses of all resources and connections, their Events, the end of "
    "the log and the metrics of each pod, the settings, the versions, and the output of check. Before it is written, "
    "the values of all referenced Secrets are searched and removed. Nothing is written to Kubernetes or NetBird."
)
EXAMPLES: Final = ("bundle", "bundle --redact-names --file=ticket.tar.gz")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_cluster_arguments(parser)
    parser.add_argument(
        "--file",
        type=Path,
        metavar="FILE",
        help="The file to write, which must not exist. Default: netbird-streaming-TIME.tar.gz in this directory.",
    )
    parser.add_argument(
        "--redact-names",
        action="store_true",
        help="Replace the names of namespaces, resources, Secrets and pods, accounts, tenants and hosts by hashes.",
    )


def execute(invocation: Invocation) -> int:
    """Write the bundle; the exit code is 0 also if a part could not be read."""
    output, now = Output(invocation), datetime.now(UTC)
    file = invocation.arguments.file or Path(f"netbird-streaming-{now:%Y%m%dT%H%M%SZ}.tar.gz")
    if file.exists():
        message = f"--file: {file} exists; name another one"
        raise SettingsError(message)
    contents = asyncio.run(_gather(invocation, output))
    contents.files["check.txt"] = _check(invocation)
    contents.files["missing.txt"] = "".join(f"{each}\n" for each in contents.missing)
    redaction = NameRedaction(contents.names if invocation.arguments.redact_names else (), secrets.token_bytes(32))
    files, removed = cleaned(contents.files, output.secrets, redaction)
    _write(file, files, now)
    for each in contents.missing:
        output.warn(f"not in the bundle: {redaction.clean(each)}")
    output.line(f"{file}: {len(files)} files, {removed} of them with a secret that was removed")
    return ExitCode.OK


def cleaned(files: Mapping[str, str], secrets: SecretFilter, redaction: NameRedaction) -> tuple[dict[str, str], int]:
    """Return the files without secrets and redacted names, and the number of files that had a secret."""
    found = {name: secrets.clean(text) for name, text in files.items()}
    removed = sum(found[name] != text for name, text in files.items())
    return {redaction.clean(name): redaction.clean(text) for name, text in found.items()}, removed


async def _gather(invocation: Invocation, output: Output) -> Contents:
    async with opened(invocation, output) as session:
        contents = await gather(session)
    output.done()
    return contents


def _check(invocation: Invocation) -> str:
    """Return the output of `check` with the same arguments."""
    given, arguments = ["check"], invocation.arguments
    for flag, value in (
        ("--kubeconfig", arguments.kubeconfig),
        ("--context", arguments.context),
        ("--operator-namespace", arguments.operator_namespace),
    ):
        given += [] if value is None else [f"{flag}={value}"]
    given += [f"--namespace={each}" for each in arguments.namespaces or ()]
    text = io.StringIO()
    parsed = parser(["check"]).parse_args(given)
    try:
        load("check").execute(Invocation(parsed, invocation.environment, text, text))
    except (OperatorError, SettingsError) as problem:
        text.write(f"{problem}\n")
    return text.getvalue()


def _write(file: Path, files: Mapping[str, str], now: datetime) -> None:
    """Write the file, which only its owner may read."""
    folder = file.name.partition(".")[0]
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as target, tarfile.open(fileobj=target, mode="w:gz") as archive:
            for name, text in sorted(files.items()):
                content = text.encode(errors="replace")
                member = tarfile.TarInfo(f"{folder}/{name}").replace(mtime=int(now.timestamp()), mode=0o600, deep=False)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    except OSError as error:
        message = f"--file: {file} can't be written ({error.strerror}); name another one"
        raise SettingsError(message) from None
