"""Logs: one line each, in both forms, and no text of a foreign exception."""

import json
import logging
from typing import NoReturn

import pytest

from netbird_streaming.errors import WaitError
from netbird_streaming.logs import HumanFormatter, JsonFormatter, RepeatFilter
from netbird_streaming.reasons import Reason

SECRET = "s3cr3t-value"


def record(message: str, name: str = "netbird_streaming.reconciler.queue", created: float = 0.0) -> logging.LogRecord:
    made = logging.LogRecord(name, logging.WARNING, "file.py", 1, message, (), None)
    made.created = created
    return made


def with_error(made: logging.LogRecord, error: BaseException) -> logging.LogRecord:
    made.exc_info = (type(error), error, error.__traceback__)
    return made


def test_human_lines_are_one_line() -> None:
    line = HumanFormatter().format(record("two\nlines\x1b[31m"))
    assert line == r"1970-01-01T00:00:00.000Z WARNING  reconciler.queue  two\nlines\x1b[31m"


def test_fields_are_appended_in_human_lines_and_are_members_in_json() -> None:
    made = record("applied")
    made.__dict__.update(namespace="team-a", resource="siem", reason=Reason.SYNCED, empty="", attempt=2)
    assert HumanFormatter().format(made).endswith("applied  namespace=team-a  resource=siem  reason=Synced  attempt=2")
    assert json.loads(JsonFormatter().format(made)) == {
        "time": "1970-01-01T00:00:00.000Z",
        "level": "warning",
        "logger": "reconciler.queue",
        "message": "applied",
        "namespace": "team-a",
        "resource": "siem",
        "reason": "Synced",
        "empty": "",
        "attempt": 2,
    }


@pytest.mark.parametrize("formatter", [HumanFormatter(), JsonFormatter()])
def test_a_foreign_exceptions_text_is_left_out_with_its_cause_and_its_group(formatter: logging.Formatter) -> None:
    def fail() -> NoReturn:
        try:
            int(SECRET)
        except ValueError as error:
            raise RuntimeError(SECRET) from error
        raise AssertionError

    with pytest.raises(RuntimeError) as caught:
        fail()
    line = formatter.format(with_error(record("failed"), ExceptionGroup(SECRET, [caught.value])))
    assert SECRET not in line
    assert "ExceptionGroup" in line
    assert "RuntimeError" in line
    assert "ValueError" in line
    assert "fail" in line
    assert "\n" not in line


def test_our_own_messages_are_kept() -> None:
    line = HumanFormatter().format(
        with_error(record("x"), WaitError(Reason.SECRET_NOT_FOUND, "Secret a/b: is missing."))
    )
    assert "WaitError: Secret a/b: is missing." in line


def test_a_library_says_the_same_once_a_minute() -> None:
    repeats = RepeatFilter()
    first = "Request attempt #1 failed; will retry: GET https://x -> refused"
    again = "Request attempt #27 failed; will retry: GET https://x -> refused"
    assert repeats.filter(record(first, "kopf._cogs.clients.api", 0.0))
    assert not repeats.filter(record(again, "kopf._cogs.clients.api", 59.0))
    assert repeats.filter(record("something else", "kopf._cogs.clients.api", 59.0))
    assert repeats.filter(record(again, "kopf._cogs.clients.api", 60.0))


def test_our_own_lines_are_never_left_out() -> None:
    repeats = RepeatFilter()
    assert repeats.filter(record("same"))
    assert repeats.filter(record("same"))
