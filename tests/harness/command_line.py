"""Calls of the program's commands in this process, as a test needs them: the exit code and everything printed."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from netbird_streaming.cli.commands import Invocation, load, parser


def called(command: str, *arguments: str) -> tuple[int, str, str]:
    """Call a command, and return its exit code, standard output and standard error."""
    out, err = io.StringIO(), io.StringIO()
    parsed = parser([command]).parse_args([command, *arguments])
    with _unchanged_logging():
        code = load(command).execute(Invocation(parsed, {}, out, err))
    return code, out.getvalue(), err.getvalue()


@contextmanager
def _unchanged_logging() -> Iterator[None]:
    """Restore what a command sets up: the levels and handlers of loggers outlive the test."""
    root, package = logging.getLogger(), logging.getLogger("netbird_streaming")
    levels, handlers = (root.level, package.level), list(root.handlers)
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(levels[0])
        package.setLevel(levels[1])
