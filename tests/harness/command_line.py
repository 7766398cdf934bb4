"""Calls of the program's commands in this process, as a test needs them: the exit code and everything printed."""

import io

from netbird_streaming.cli.commands import Invocation, load, parser


def called(command: str, *arguments: str) -> tuple[int, str, str]:
    """Call a command, and return its exit code, standard output and standard error."""
    out, err = io.StringIO(), io.StringIO()
    parsed = parser([command]).parse_args([command, *arguments])
    return load(command).execute(Invocation(parsed, {}, out, err)), out.getvalue(), err.getvalue()
