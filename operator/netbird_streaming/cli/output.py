"""Output of commands: lines for people, or the same data as JSON or YAML."""

import argparse
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from enum import Enum, StrEnum
from typing import Any, Final, TextIO, cast

from netbird_streaming.cli.commands import Invocation
from netbird_streaming.cli.secret_filter import SecretFilter
from netbird_streaming.reasons import Reason

_ERASE_LINE: Final = "\r\x1b[K"
_CONTROL: Final = dict.fromkeys([*range(32), *range(127, 160)], " ") | {ord("\n"): "\n", ord("\t"): "\t"}
"""Text of a server or a resource must not control the terminal."""


class Format(StrEnum):
    """Format of a command's output."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"


class State(StrEnum):
    """Outcome of one check."""

    OK = "OK"
    PROBLEM = "Problem"
    NOTE = "Note"
    """Not a problem, or not known."""


_SYMBOLS: Final = {State.OK: "✔", State.PROBLEM: "✘", State.NOTE: "•"}


@dataclass(frozen=True, slots=True)
class Finding:
    """Line of a command's output: the subject, what is the matter with it, and the fix if it is a problem."""

    subject: str
    state: State
    message: str
    remedy: str | None = None
    reason: Reason | None = None

    def __str__(self) -> str:
        """Return the finding as one line."""
        fix = f" → {self.remedy}" if self.remedy else ""
        return f"{_SYMBOLS[self.state]} {self.subject}: {self.message}{fix}"


def add_output_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--output`."""
    parser.add_argument(
        "-o",
        "--output",
        choices=[each.value for each in Format],
        default=Format.TEXT.value,
        help="The format: text for people, json or yaml for programs. Default: text.",
    )


class Output:
    """Standard output and standard error of a command. Every text passes the secret filter.

    The format is that of `--output`, if the command has it.
    """

    def __init__(self, invocation: Invocation) -> None:
        self.secrets: Final = SecretFilter()
        self.format: Final = Format(getattr(invocation.arguments, "output", Format.TEXT))
        self._out, self._err = invocation.out, invocation.err
        self._progress_is_shown = False

    def line(self, text: str = "") -> None:
        """Print a line on standard output, in the text format only."""
        if self.format is Format.TEXT:
            self._print(self._out, f"{text.translate(_CONTROL)}\n")

    def findings(self, findings: Iterable[Finding]) -> None:
        """Print each finding as a line, in the text format only."""
        for each in findings:
            self.line(str(each))

    def document(self, value: object) -> None:
        """Print a dataclass, or a list of them, in the JSON and YAML formats only."""
        if self.format is not Format.TEXT:
            self._print(self._out, rendered(value, self.format))

    def raw(self, text: str) -> None:
        """Print a text on standard output, in every format."""
        self._print(self._out, text)

    def warn(self, text: str) -> None:
        """Print a line on standard error."""
        self._print(self._err, f"{text.translate(_CONTROL)}\n")

    def progress(self, text: str) -> None:
        """Replace the line that says what the command is doing, if standard error is a terminal."""
        if self._err.isatty():
            self._clear_progress()
            self._err.write(self.secrets.clean(f"{text.translate(_CONTROL)} …"))
            self._err.flush()
            self._progress_is_shown = True

    def done(self) -> None:
        """Remove the line of `progress`."""
        self._clear_progress()

    def log_stream(self) -> TextIO:
        """Return a stream whose lines pass the secret filter to standard error."""
        return cast("TextIO", _LogStream(self))

    def _print(self, stream: TextIO, text: str) -> None:
        self._clear_progress()
        stream.write(self.secrets.clean(text))
        stream.flush()

    def _clear_progress(self) -> None:
        if self._progress_is_shown:
            self._err.write(_ERASE_LINE)
            self._err.flush()
            self._progress_is_shown = False


class _LogStream:
    """Stream that `logging` writes to."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def write(self, text: str) -> int:
        """Print a line of the log."""
        self._output.warn(text.rstrip("\n"))
        return len(text)

    def flush(self) -> None:
        """Do nothing: each line is flushed when it is printed."""


def rendered(value: object, form: Format) -> str:
    """Return a value as JSON or YAML text."""
    data = to_data(value)
    if form is Format.YAML:
        import yaml  # noqa: PLC0415  # only this format needs it

        return str(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120))
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def to_data(value: object) -> Any:  # noqa: ANN401  # JSON has no narrower type
    """Return a value as JSON types: a field's name in camelCase, and without fields that are None."""
    if is_dataclass(value) and not isinstance(value, type):
        pairs = ((_camel(each.name), getattr(value, each.name)) for each in fields(value))
        return {name: to_data(part) for name, part in pairs if part is not None}
    match value:
        case Enum():
            return value.value
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case Mapping():
            return {str(name): to_data(part) for name, part in value.items()}
        case list() | tuple() | set() | frozenset():
            return [to_data(each) for each in value]
        case _:
            return value


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(each.capitalize() for each in others)
