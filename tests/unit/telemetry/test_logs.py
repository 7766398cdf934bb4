"""Logs: one line each, in both formats, and no text of a foreign exception."""

import io
import json
import logging
from typing import NoReturn

import httpx
import pytest
from kubernetes.aio.client.exceptions import ApiException
from pydantic import BaseModel

from netbird_streaming.errors import WaitError
from netbird_streaming.log_context import LogOnce, log_fields
from netbird_streaming.reasons import Reason
from netbird_streaming.telemetry.logs import HumanFormatter, JsonFormatter, RepeatFilter, set_up
from tests.harness.command_line import unchanged_logging

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
        "attempt": 2,
    }


@pytest.mark.parametrize("formatter", [HumanFormatter(), JsonFormatter()])
def test_text_of_a_foreign_exception_is_omitted_with_its_cause_and_its_group(formatter: logging.Formatter) -> None:
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


def test_own_messages_are_kept() -> None:
    line = HumanFormatter().format(
        with_error(record("x"), WaitError(Reason.SECRET_NOT_FOUND, "Secret a/b: is missing."))
    )
    assert "WaitError: Secret a/b: is missing." in line


def test_equal_line_of_a_library_is_logged_once_a_minute() -> None:
    repeats = RepeatFilter()
    assert repeats.filter(record("socket.send() raised exception.", "asyncio", 0.0))
    assert not repeats.filter(record("socket.send() raised exception.", "asyncio", 59.0))
    assert repeats.filter(record("something else", "asyncio", 59.0))
    assert repeats.filter(record("socket.send() raised exception.", "asyncio", 60.0))


def test_lines_of_kopf_are_omitted_because_they_have_the_text_of_the_api_server() -> None:
    stream = io.StringIO()
    with unchanged_logging():
        set_up("json", "debug", stream)
        logging.getLogger("kopf._cogs.clients.api").error("Request attempt #7 failed: %s", SECRET)
        logging.getLogger("asyncio").warning("socket.send() raised exception.")
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["logger"] == "asyncio"


def test_own_lines_are_never_omitted() -> None:
    repeats = RepeatFilter()
    assert repeats.filter(record("same"))
    assert repeats.filter(record("same"))


class Model(BaseModel):
    """Parsing errors of a resource."""

    count: int


def hostile() -> list[Exception]:
    """Exceptions of the used libraries whose text holds sent or received data."""
    made: list[Exception] = []
    for fail in (
        lambda: Model.model_validate({"count": SECRET}),
        lambda: httpx.Request("GET", "https://x", headers={"Authorization": f"{SECRET}\n☃"}),
        lambda: httpx.URL(f"https://{SECRET}\x00"),
        lambda: json.loads(f'{{"{SECRET}": '),
        lambda: int(SECRET),
    ):
        with pytest.raises(Exception, match=r"(?s).*") as caught:
            fail()
        made.append(caught.value)
    refused = ApiException(status=403, reason=SECRET)
    refused.body, refused.headers = SECRET, {"Warning": SECRET}
    request = httpx.Request("POST", "https://x", headers={"Authorization": SECRET})
    answered = httpx.Response(302, headers={"Location": f"https://x/?token={SECRET}"}, request=request)
    broken = httpx.ConnectError(SECRET, request=request)
    status = httpx.HTTPStatusError(f"redirect to {SECRET}", request=request, response=answered)
    return [
        *made,
        refused,
        broken,
        status,
        httpx.RemoteProtocolError(SECRET),
        ExceptionGroup(SECRET, [KeyError(SECRET)]),
    ]


@pytest.mark.parametrize("formatter", [HumanFormatter(), JsonFormatter()])
@pytest.mark.parametrize("error", hostile(), ids=lambda error: type(error).__name__)
def test_no_text_of_a_hostile_exception_reaches_a_line(formatter: logging.Formatter, error: Exception) -> None:
    chained = RuntimeError(SECRET)
    chained.__cause__ = error
    lines = [
        with_error(record("failed"), error),
        with_error(record("failed"), chained),
        logging.LogRecord("netbird_streaming.x", logging.ERROR, "f", 1, "failed: %s", (error,), None),
        logging.LogRecord("netbird_streaming.x", logging.ERROR, "f", 1, "failed: %r", (error,), None),
        logging.LogRecord("netbird_streaming.x", logging.ERROR, "f", 1, "failed: %(why)s", ({"why": error},), None),
        logging.LogRecord("netbird_streaming.x", logging.ERROR, "f", 1, error, (), None),
        logging.makeLogRecord({"name": "x", "msg": "failed", "why": error}),
        logging.makeLogRecord({"name": "x", "msg": "failed", "why": [error], "more": {"why": error}}),
        logging.LogRecord("netbird_streaming.x", logging.ERROR, "f", 1, "failed: %s", ([error],), None),
    ]
    for each in lines:
        line = formatter.format(each)
        assert SECRET not in line
        assert type(error).__name__ in line


def test_object_of_another_kind_is_named_by_its_type() -> None:
    line = HumanFormatter().format(
        logging.LogRecord("x", logging.ERROR, "f", 1, "%s of %d in %.1f s", (Model(count=1), 7, 2.5), None)
    )
    assert line.endswith("Model of 7 in 2.5 s")


def test_all_lines_of_one_reconcile_have_its_fields() -> None:
    with log_fields(resource="team-a/siem", reconcile="0badcafe"):
        with log_fields(action="Create"):
            inner = record("created")
            inner.__dict__.update(resource="its own")
            human, parsed = HumanFormatter().format(inner), json.loads(JsonFormatter().format(inner))
        outer = json.loads(JsonFormatter().format(record("x")))
    assert human.endswith("created  resource=its own  reconcile=0badcafe  action=Create")
    assert (parsed["resource"], parsed["reconcile"], parsed["action"]) == ("its own", "0badcafe", "Create")
    assert (outer["resource"], "action" in outer) == ("team-a/siem", False)
    assert "reconcile" not in json.loads(JsonFormatter().format(record("x")))


def test_failure_is_logged_once_until_it_changes_or_recovers() -> None:
    log_once = LogOnce()
    said = [log_once.level(logging.WARNING, text, about) for text, about in [("x", 1), ("x", 1), ("x", 2), ("y", 1)]]
    log_once.reset(1)
    assert [*said, log_once.level(logging.ERROR, "y", 1)] == [
        logging.WARNING,
        logging.DEBUG,
        logging.WARNING,
        logging.WARNING,
        logging.ERROR,
    ]
