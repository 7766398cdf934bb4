"""Logs on the standard error stream: one line for each action or change of state, and never a secret.

Levels:

- error: a bug in the operator. It continues, and retries.
- warning: a resource or connection can't make progress. The line names the cause, and whether it is retried.
- info: the operator changed NetBird, or a resource or connection reached another state.
- debug: each step, each request to NetBird, and the repetition of a failure.

A new failure is a warning, and its repetition is debug. A resync without a difference, a restart without a change and a
candidate that waits for the Lease log nothing. All lines of one reconcile have the same `reconcile`, `kind`,
`resource` (`namespace/name`), `connection` and `action` (`log_context.py`). A line may add `reason` (of the closed
list) and `integration` (its id in NetBird).

The text of an exception of a library can hold what was sent: httpx includes the value of an illegal header, pydantic
the input of a field. The log therefore holds the messages of the operator's own errors only. Of other exceptions it
holds the type and the place. Arguments and fields of a line that are not text or numbers are replaced by their type.
"""

import asyncio
import json
import logging
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, TextIO

from netbird_streaming.errors import OperatorError
from netbird_streaming.log_context import current_fields

LIBRARIES: Final = ("kubernetes", "httpx", "httpcore", "aiohttp", "urllib3", "asyncio", "py.warnings")
SILENT: Final = "kopf"
"""A library whose lines have the text of the API server. `KopfWatcher` logs what fails."""
REPEAT_SECONDS: Final = 60.0
MAX_REMEMBERED: Final = 256
MAX_FRAMES: Final = 12

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def set_up(log_format: str, level: str, stream: TextIO) -> None:
    """Configure the logging of the process: all lines to `stream`, those of libraries from level warning.

    Args:
        log_format: `human` or `json`.
        level: The least severe level of the operator's own lines, such as `info`.
        stream: The destination.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter() if log_format == "json" else HumanFormatter())
    handler.addFilter(RepeatFilter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger(SILENT).setLevel(logging.CRITICAL + 1)
    logging.getLogger("netbird_streaming").setLevel(level.upper())


def asyncio_reporter() -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]:
    """Return an exception handler for an event loop. That of asyncio logs the `repr` of tasks, with exception texts."""
    logger = logging.getLogger("netbird_streaming.loop")

    def report(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        logger.error("%s", context.get("message", "unknown"), exc_info=error)

    return report


class RepeatFilter(logging.Filter):
    """Filter that accepts one of equal lines of a library per minute."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is logged. The time is that of the record."""
        if not record.name.startswith(LIBRARIES):
            return True
        text = record.getMessage()
        if record.created - self._said.get(text, -REPEAT_SECONDS) < REPEAT_SECONDS:
            return False
        if len(self._said) >= MAX_REMEMBERED:
            self._said.clear()
        self._said[text] = record.created
        return True


class _SafeFormatter(logging.Formatter):
    """Base of both formatters: it removes the text of other programs' exceptions from a record."""

    def message(self, record: logging.LogRecord) -> str:
        """Return the message with safe arguments."""
        args = record.args
        if isinstance(args, tuple):
            args = tuple(_safe(each) for each in args)
        elif args is not None:
            args = {key: _safe(value) for key, value in args.items()}
        text = str(_safe(record.msg))
        return text % args if args else text

    def formatException(self, ei: ExceptionInfo) -> str:  # noqa: N802 # the name is the standard library's
        """Return types, places and the operator's own messages, from the outermost exception to its cause."""
        parts: list[str] = []
        error = ei[1]
        while error is not None and len(parts) < MAX_FRAMES:
            frames = traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
            places = " > ".join(f"{_module(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames)
            parts.append(f"{_safe(error)} at {places or 'unknown'}")
            error = _cause(error)
        return " caused by ".join(parts)


class HumanFormatter(_SafeFormatter):
    """Formatter of single lines: `2026-01-31T12:00:00.000Z INFO    reconciler.queue  message  key=value`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of the record."""
        extra = "".join(f"  {key}={value}" for key, value in _extra(record).items())
        error = f"  error={self.formatException(record.exc_info)}" if record.exc_info else ""
        line = f"{_time(record)} {record.levelname:<8} {_name(record)}  {self.message(record)}{extra}{error}"
        return "".join(character if character.isprintable() else repr(character)[1:-1] for character in line)


class JsonFormatter(_SafeFormatter):
    """Formatter of JSON objects, one a line: `time`, `level`, `logger`, `message`, the line's own fields, `error`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of the record."""
        fields: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": _name(record),
            "message": self.message(record),
        }
        fields |= {key: value for key, value in _extra(record).items() if key not in fields}
        if record.exc_info:
            fields["error"] = self.formatException(record.exc_info)
        return json.dumps(fields)


def _cause(error: BaseException) -> BaseException | None:
    if isinstance(error, BaseExceptionGroup):
        return error.exceptions[0]
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _extra(record: logging.LogRecord) -> dict[str, object]:
    """Return the fields of a line that have a value."""
    own = {key: _safe(value) for key, value in vars(record).items() if key not in _STANDARD}
    return {key: value for key, value in {**current_fields(), **own}.items() if value is not None and value != ""}


def _safe(value: object) -> object:
    """Return text and numbers unchanged, the message of an `OperatorError`, and the type of any other value."""
    match value:
        case str() | int() | float() | None:
            return value
        case list() | tuple() | set() | frozenset():
            return [_safe(each) for each in value]
        case dict():
            return {str(_safe(key)): _safe(each) for key, each in value.items()}
        case OperatorError():
            return f"{type(value).__qualname__}: {value.message}"
        case _:
            return type(value).__qualname__


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _name(record: logging.LogRecord) -> str:
    return record.name.removeprefix("netbird_streaming.")


def _module(filename: str) -> str:
    """Return the path of a module without the folders of the machine."""
    for folder in sys.path:
        if folder and filename.startswith(f"{folder}/"):
            return filename[len(folder) + 1 :]
    return filename.rsplit("/", 1)[-1]
