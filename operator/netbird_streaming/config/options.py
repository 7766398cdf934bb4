"""Options: parsers of settings, and the flags, variables and help that a table of settings defines."""

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from enum import StrEnum
from typing import Any, Final, TypeVar

ENVIRONMENT_PREFIX: Final = "NETBIRD_STREAMING_"
MAX_SHOWN: Final = 80
T = TypeVar("T")

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?")
_SECONDS_IN: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN: Final = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_URL: Final = re.compile(r"https?://[^/?#@\s]+(/[^?#\s]*)?")
_PAGES: Final = re.compile(r"https?://[^/{}\s]+/[^{}\s]*\{page\}[^{}#\s]*")
_PAGES_CHARACTERS: Final = 256
_SERVICE_LINK: Final = re.compile(r"_(SERVICE_(HOST|PORT)|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)")


class SettingsError(ValueError):
    """Error about the value of a setting. The message names the flag, the accepted values and the remedy."""


class Group(StrEnum):
    """Headings of `run --help`, in order."""

    SCOPE = "scope: what it watches"
    NETBIRD = "NetBird: how it is called"
    RECONCILE = "work: how many resources at once, and how often"
    LEASE = "lease: which of several replicas acts"
    HEALTH = "health: what the kubelet asks"
    METRICS = "metrics: what Prometheus asks"
    LOG = "log: lines on the standard error stream"
    MESSAGES = "messages: of conditions and Events"


@dataclass(frozen=True, slots=True)
class Option:
    """Parser and description of a setting.

    `parse` raises ValueError for a text that it does not accept. `accepts` describes the accepted texts.
    """

    group: Group
    accepts: str
    parse: Callable[[str], Any]
    description: str
    flag: str | None = None
    repeat: bool = False
    unit: str = ""


def setting(default: T, option: Option) -> T:
    """Return a dataclass field with its option. Its type is that of the default, as in pydantic and attrs."""
    made: T = field(default=default, metadata={"option": option})
    return made


def duration(group: Group, low: float, high: float, description: str) -> Option:
    """Return an option for a duration in seconds, written with or without a unit."""

    def parse(text: str) -> float:
        found = _DURATION.fullmatch(text)
        if found is None:
            raise ValueError
        return float(found[1]) * _SECONDS_IN[found[2] or "s"]

    accepts = f"a duration from {low:g}s to {high:g}s, such as 90, 90s, 1.5m or 1h"
    return Option(group, accepts, _checked(parse, lambda value: low <= value <= high), description, unit="s")


def integer(group: Group, low: int, high: int, description: str) -> Option:
    """Return an option for an integer."""
    parse = _checked(int, lambda value: low <= value <= high)
    return Option(group, f"a whole number from {low} to {high}", parse, description)


def fraction(group: Group, description: str) -> Option:
    """Return an option for a number from 0 to 1."""
    return Option(group, "a number from 0 to 1", _checked(float, lambda value: 0 <= value <= 1), description)


def boolean(group: Group, description: str) -> Option:
    """Return an option for true or false. The flag without a value is true."""

    def parse(text: str) -> bool:
        return {"true": True, "1": True, "false": False, "0": False}[text.lower()]

    return Option(group, "true or false", _checked(parse, lambda _: True), description)


def name(group: Group, description: str) -> Option:
    """Return an option for the name of a Kubernetes object (RFC 1123 subdomain)."""
    parse = _checked(str, lambda value: _SUBDOMAIN.fullmatch(value) is not None)
    return Option(group, "a Kubernetes name (lower-case letters, digits, '-' and '.')", parse, description)


def namespace(group: Group, description: str) -> Option:
    """Return an option for a namespace (RFC 1123 label), or nothing."""
    parse = _checked(str, lambda value: not value or _LABEL.fullmatch(value) is not None)
    return Option(group, "a namespace's name, or nothing", parse, description)


def namespaces(group: Group, flag: str, description: str) -> Option:
    """Return an option for a tuple of namespaces: a repeated flag, or a list separated by commas."""

    def parse(text: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))

    accept = _checked(parse, lambda names: all(_LABEL.fullmatch(each) is not None for each in names))
    accepts = "namespaces' names (lower-case letters, digits and '-')"
    return Option(group, accepts, accept, description, flag=flag, repeat=True)


def urls(group: Group, description: str) -> Option:
    """Return an option for a tuple of URLs: a repeated flag, or a list separated by commas."""

    def parse(text: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))

    accept = _checked(parse, lambda found: all(_URL.fullmatch(each) is not None for each in found))
    return Option(group, "URLs such as https://api.netbird.io", accept, description, repeat=True)


def pages(group: Group, description: str) -> Option:
    """Return an option for the URL of pages, with the placeholder `{page}` for the path of one, or nothing."""
    parse = _checked(
        str, lambda value: not value or (len(value) <= _PAGES_CHARACTERS and _PAGES.fullmatch(value) is not None)
    )
    accepts = "a URL of at most 256 characters with {page}, such as https://docs.example.com/{page}/, or nothing"
    return Option(group, accepts, parse, description)


def choice(group: Group, values: Sequence[str], description: str) -> Option:
    """Return an option for one of several words."""
    return Option(group, f"one of {', '.join(values)}", _checked(str, lambda value: value in values), description)


def text(group: Group, accepts: str, description: str) -> Option:
    """Return an option for any text."""
    return Option(group, accepts, _checked(str, lambda _: True), description)


@dataclass(frozen=True, slots=True)
class Description:
    """Setting as a user writes it."""

    flag: str
    variable: str
    default: str
    option: Option


def describe(each: Field[Any]) -> Description:
    """Return the description of a field of the table."""
    option = _option(each)
    return Description(_flag(each), _variable(each), _written(each.default, option.unit), option)


def add_flags(parser: argparse.ArgumentParser, table: type) -> None:
    """Add a flag for each setting of the dataclass `table`, with its group and description."""
    groups = {group: parser.add_argument_group(group.value) for group in Group}
    for each in fields(table):
        option = _option(each)
        boolean = isinstance(each.default, bool)
        groups[option.group].add_argument(
            _flag(each),
            dest=each.name,
            default=None,
            help=_help(each).replace("%", "%%"),
            nargs="?" if boolean else None,
            const="true" if boolean else None,
            action="append" if option.repeat else "store",
            metavar="BOOL" if boolean else _flag(each)[2:].rsplit("-", 1)[-1].upper(),
        )


def read_values(table: type, arguments: argparse.Namespace, environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of flags and variables by field name. A flag takes precedence over its variable.

    A parser may have the flags of some fields only.

    Raises:
        SettingsError: A value is not accepted.
    """
    values: dict[str, Any] = {}
    for each in fields(table):
        option = _option(each)
        source, given = _flag(each), getattr(arguments, each.name, None)
        if given is None:
            source = _variable(each)
            given = environment.get(source)
        if given is None:
            continue
        written = ",".join(given) if isinstance(given, list) else given
        try:
            values[each.name] = option.parse(written)
        except ValueError:
            msg = f"{source}: takes {option.accepts}, not {written[:MAX_SHOWN]!r}"
            raise SettingsError(msg) from None
    return values


def unknown_variables(table: type, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the variables with the prefix of settings that are no setting. Most are misspelt.

    They are not an error: Kubernetes injects such names for a Service of a similar name ("service links").
    """
    known = {_variable(each) for each in fields(table)}
    suspects = {each for each in environment if each.startswith(ENVIRONMENT_PREFIX)} - known
    return tuple(sorted(each for each in suspects if not _SERVICE_LINK.search(each)))


def _checked(convert: Callable[[str], T], accept: Callable[[T], bool]) -> Callable[[str], T]:
    """Return a parser that raises ValueError for a malformed text or a value out of bounds."""

    def parse(written: str) -> T:
        try:
            value = convert(written.strip())
        except KeyError:
            raise ValueError from None
        if not accept(value):
            raise ValueError
        return value

    return parse


def _option(each: Field[Any]) -> Option:
    option: Option = each.metadata["option"]
    return option


def _flag(each: Field[Any]) -> str:
    return _option(each).flag or f"--{each.name.replace('_', '-')}"


def _variable(each: Field[Any]) -> str:
    return ENVIRONMENT_PREFIX + _flag(each)[2:].replace("-", "_").upper()


def _help(each: Field[Any]) -> str:
    found = describe(each)
    accepts = f"Takes {found.option.accepts}. Default: {found.default}."
    return f"{found.option.description} {accepts} [{found.variable}]"


def _written(value: object, unit: str) -> str:
    """Return the text of a value on the command line."""
    match value:
        case bool():
            return str(value).lower()
        case () | "":
            return "none"
        case float():
            return f"{value:g}{unit}"
        case _:
            return str(value)
