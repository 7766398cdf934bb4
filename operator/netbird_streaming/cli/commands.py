"""The commands: their names, and the modules that implement them."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Final, NoReturn, Protocol, TextIO, cast

from netbird_streaming.cli.exit_codes import ExitCode
from netbird_streaming.version import PROGRAM, program_version


@dataclass(frozen=True, slots=True)
class Invocation:
    """Call of a command: its parsed arguments, the process's environment, and the standard streams."""

    arguments: argparse.Namespace
    environment: Mapping[str, str]
    out: TextIO
    err: TextIO


class CommandModule(Protocol):
    """Module that implements a command."""

    DESCRIPTION: str
    """Sentences about the command, for `--help`."""
    EXAMPLES: Sequence[str]
    """Command lines without the program's name, for `--help`."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's own arguments."""
        ...

    def execute(self, invocation: Invocation) -> int:
        """Run the command and return its exit code.

        Raises:
            OperatorError: The command failed. The message is printed, and the exit code is 1.
            SettingsError: An argument is wrong. The message is printed, and the exit code is 64.
        """
        ...


COMMANDS: Final[Mapping[str, str]] = {
    "run": "run the operator",
    "plan": "show what the operator would do now for each resource",
    "check": "check what the operator needs, and name the fix for what is wrong",
    "bundle": "write what a support ticket needs into one file",
    "export": "print the integrations of an account as resources that adopt them",
    "verify": "test the assumptions about NetBird's API on a real account",
    "completion": "print a script that completes commands and flags in a shell",
}
"""Each command with its summary, in the order of `--help`. The module has the command's name."""


class Parser(argparse.ArgumentParser):
    """Parser of arguments that exits with `ExitCode.USAGE`."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and the problem, and exit."""
        self.print_usage(sys.stderr)
        self.exit(ExitCode.USAGE, f"{self.prog}: {message}\n")


def load(name: str) -> CommandModule:
    """Import the module of a command."""
    return cast("CommandModule", import_module(f"{__package__}.{name}"))


def parser(names: Sequence[str]) -> Parser:
    """Return the program's parser, in which only the commands of `names` have their arguments.

    The others would have to be imported for it.
    """
    program = Parser(
        PROGRAM, description="Manages NetBird event-streaming integrations as Kubernetes resources.", allow_abbrev=False
    )
    program.add_argument("--version", action="version", version=f"{PROGRAM} {program_version()}")
    subparsers = program.add_subparsers(required=True, metavar="command", dest="command")
    for name, summary in COMMANDS.items():
        if name not in names:
            subparsers.add_parser(name, help=summary, add_help=False)
            continue
        module = load(name)
        examples = "\n".join(f"  {PROGRAM} {each}" for each in module.EXAMPLES)
        command = subparsers.add_parser(
            name,
            help=summary,
            description=module.DESCRIPTION,
            epilog=f"Examples:\n\n{examples}",
            formatter_class=_Formatter,
            allow_abbrev=False,
        )
        module.add_arguments(command)
    return program


class _Formatter(argparse.HelpFormatter):
    """Formatter that wraps the description and keeps the lines of the examples."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith("Examples:"):
            return text
        return super()._fill_text(text, width, indent)
