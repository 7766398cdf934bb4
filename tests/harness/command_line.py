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
    """Restore the levels of the root's handlers: a command raises them, and pytest's handler outlives the test."""
    levels = [(handler, handler.level) for handler in logging.getLogger().handlers]
    try:
        yield
    finally:
        for handler, level in levels:
            handler.setLevel(level)
