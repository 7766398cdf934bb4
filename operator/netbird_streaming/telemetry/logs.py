"""One line for each decision that does something or changes a state, on the standard error stream; never a secret.

Levels, from what a human has to read to what only helps to understand:

- error: a defect of the operator; it goes on, and tries again.
- warning: something can't go on. It is tried again, or waits for what the line says.
- info: a change was made in NetBird, or a resource or connection reached another state.
- debug: each step, each request to NetBird, and the same failure again.

A failure is a warning when it becomes the state, and debug while it stays so. A resync that finds all in order, a
restart with nothing changed and a process that waits for its turn write nothing. Lines of one reconcile carry the same
`reconcile`, `kind`, `resource` (`namespace/name`), `connection` and `action` (`log_context.py`), and of their own
`reason` (of the closed list) and `integration` (its id in NetBird).

The text of a foreign exception can hold what was sent (httpx puts an illegal header's value into it, pydantic a field's
input), so only the messages of our own errors are written; of all others the type and where it happened. That holds for
an argument or a field of a line too: what is not text, a number or made of these is named by its type.
"""

import asyncio
import json
import logging
import re
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, TextIO

from netbird_streaming.errors import OperatorError
from netbird_streaming.log_context import current_fields

LIBRARIES: Final = ("kopf", "kubernetes", "httpx", "httpcore", "aiohttp", "urllib3", "asyncio", "py.warnings")
REPEAT_SECONDS: Final = 60.0
MAX_REMEMBERED: Final = 256
MAX_FRAMES: Final = 12

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_ATTEMPT: Final = re.compile(r"#\d+(/\d+)?|\d+(\.\d+)? ?s(ec(ond)?s?)?\b")
_WATCH_REQUEST: Final = re.compile(
    r"Request attempt #\S+ failed; will retry: GET \w+://[^/]*(?P<path>[^?\s]*)\S* -> (?P<error>\w+)"
)
ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def set_up(log_format: str, level: str, stream: TextIO) -> None:
    """Send all logging of the process to `stream`, libraries from warning upwards.

    Args:
        log_format: `human` or `json`.
        level: The least severe level of our own lines, such as `info`.
        stream: Where to write.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter() if log_format == "json" else HumanFormatter())
    handler.addFilter(explain_watch_request)
    handler.addFilter(RepeatFilter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("netbird_streaming").setLevel(level.upper())


def asyncio_reporter() -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]:
    """Make a loop's exception handler: asyncio's own writes the `repr` of tasks, with their exceptions' text."""
    logger = logging.getLogger("netbird_streaming.loop")

    def report(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        logger.error("%s", context.get("message", "unknown"), exc_info=error)

    return report


def explain_watch_request(record: logging.LogRecord) -> bool:
    """Make a warning of kopf's line about a failed request of a watch, without the API server's text; a filter.

    kopf retries such a request, so it is no defect of the operator.
    """
    found = _WATCH_REQUEST.match(record.getMessage()) if record.name.startswith("kopf") else None
    if found is not None:
        record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
        record.msg, record.args = f"a request of a watch failed and is retried: {found['error']}", ()
        record.watch = found["path"]
    return True


class RepeatFilter(logging.Filter):
    """Lets one of equal lines of a library through each minute: kopf says each failed try of each request."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether to write the record; time is the record's own."""
        if not record.name.startswith(LIBRARIES):
            return True
        text = _ATTEMPT.sub("#", record.getMessage()) + getattr(record, "watch", "")
        if record.created - self._said.get(text, -REPEAT_SECONDS) < REPEAT_SECONDS:
            return False
        if len(self._said) >= MAX_REMEMBERED:
            self._said.clear()
        self._said[text] = record.created
        return True


class _SafeFormatter(logging.Formatter):
    """The base of both forms: exceptions without foreign text, wherever they are in a record."""

    def message(self, record: logging.LogRecord) -> str:
        """Write the message, its arguments made safe."""
        args = record.args
        if isinstance(args, tuple):
            args = tuple(_safe(each) for each in args)
        elif args is not None:
            args = {key: _safe(value) for key, value in args.items()}
        text = str(_safe(record.msg))
        return text % args if args else text

    def formatException(self, ei: ExceptionInfo) -> str:  # noqa: N802 # the name is the standard library's
        """Write types, places and our own messages, from the outermost to the cause."""
        parts: list[str] = []
        error = ei[1]
        while error is not None and len(parts) < MAX_FRAMES:
            frames = traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
            places = " > ".join(f"{_module(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames)
            parts.append(f"{_safe(error)} at {places or 'unknown'}")
            error = _cause(error)
        return " caused by ".join(parts)


class HumanFormatter(_SafeFormatter):
    """`2026-01-31T12:00:00.000Z INFO    reconciler.queue  message  key=value`, always one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the record."""
        extra = "".join(
            f"  {key}={value}" for key, value in _extra(record).items() if value is not None and value != ""
        )
        error = f"  error={self.formatException(record.exc_info)}" if record.exc_info else ""
        line = f"{_time(record)} {record.levelname:<8} {_name(record)}  {self.message(record)}{extra}{error}"
        return "".join(character if character.isprintable() else repr(character)[1:-1] for character in line)


class JsonFormatter(_SafeFormatter):
    """One JSON object a line: `time`, `level`, `logger`, `message`, the line's own fields, `error`."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the record."""
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
    own = {key: _safe(value) for key, value in vars(record).items() if key not in _STANDARD}
    return {**current_fields(), **own}


def _safe(value: object) -> object:
    """The value itself where it is plain; of anything else its type, and where it is an error of ours its message."""
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
    """Shorten a path to what tells modules apart, without the machine's folders."""
    for folder in sys.path:
        if folder and filename.startswith(f"{folder}/"):
            return filename[len(folder) + 1 :]
    return filename.rsplit("/", 1)[-1]
