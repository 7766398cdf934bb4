"""Calls of the program's commands in this process, as a test needs them: the exit code and everything printed."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from netbird_streaming.cli.commands import Invocation, load, parser
from netbird_streaming.telemetry import logs


def called(command: str, *arguments: str) -> tuple[int, str, str]:
    """Call a command, and return its exit code, standard output and standard error."""
    out, err = io.StringIO(), io.StringIO()
    parsed = parser([command]).parse_args([command, *arguments])
    with unchanged_logging():
        code = load(command).execute(Invocation(parsed, {}, out, err))
    return code, out.getvalue(), err.getvalue()


@contextmanager
def unchanged_logging() -> Iterator[None]:
    """Restore what a set-up changes: the levels and handlers of loggers outlive the test."""
    root = logging.getLogger()
    levels = {name: logging.getLogger(name).level for name in ("", "netbird_streaming", logs.SILENT, *logs.LIBRARIES)}
    handlers = list(root.handlers)
    try:
        yield
    finally:
        logging.captureWarnings(capture=False)
        root.handlers[:] = handlers
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
