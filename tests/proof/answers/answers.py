"""The closed list of remote faults: every response to a call, and missing ones."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Final

from tests.doubles.netbird.faults import (
    Failure,
    Hang,
    Interim,
    Moment,
    Oversize,
    Redirect,
    Reply,
    Reset,
    Slow,
    Truncate,
    error_reply,
)
from tests.doubles.netbird.wire import HTML_TYPE, JSON_TYPE, PLAIN_TYPE, Operation
from tests.harness.leaks import canary
from tests.proof.api_user import SECRET, TOKENS

DEADLINE: Final = 4
"""Seconds of the operator's timeout of a request."""
WINDOW: Final = 2
"""Seconds after which the operator excludes a late commit, and for which an absence has to last."""
WRITES: Final = frozenset({Operation.CREATE, Operation.UPDATE, Operation.DELETE})
SERVERS_TEXT: Final = canary("server", "-words-")
"""A secret that no user may ever read and every leak search finds.

Next to it is the text that a careless server quotes.
"""
_QUOTED: Final = f"{SERVERS_TEXT} {TOKENS['netbird']} {SECRET}"
_PAGE: Final = f"<!doctype html><html><body><h1>{_QUOTED}</h1></body></html>"
_ELSEWHERE: Final = f"https://elsewhere.example.com/{SERVERS_TEXT}?token={TOKENS['netbird']}"
_LARGE: Final = 2 * 2**20
_LARGE_LIST: Final = 33 * 2**20

Make = Callable[[Operation, datetime], Failure]


@dataclass(frozen=True, slots=True)
class Answer:
    """A response. `status` is what its messages may name. `place` is set if no request arrives.

    `make` builds the server's action, for an operation and a time. `operations` are the tested ones. `is_pause` says
    that the token is refused for longer than the test waits, so that another token is the remedy.
    """

    name: str
    make: Make
    moment: Moment = Moment.BEFORE
    status: int | None = None
    late: float = 0.0
    operations: frozenset[Operation] = frozenset(Operation)
    place: str | None = None
    is_pause: bool = False

    def __str__(self) -> str:
        """The name in the page and in pytest."""
        return self.name


def _always(failure: Failure) -> Make:
    return lambda _operation, _now: failure


def _refusal(status: int) -> Answer:
    return Answer(str(status), _always(error_reply(status, _QUOTED)), status=status)


def _reply(  # noqa: PLR0913 # what a reply consists of
    name: str,
    status: int,
    content: str = "",
    kind: str = JSON_TYPE,
    *,
    header: tuple[str, str] | None = None,
    moment: Moment = Moment.BEFORE,
    operations: frozenset[Operation] = frozenset(Operation),
) -> Answer:
    reply = Reply(status, content, kind, () if header is None else (header,))
    return Answer(name, _always(reply), moment, status, operations=operations)


def _dated(_operation: Operation, now: datetime) -> Failure:
    header = ("Retry-After", format_datetime(now + timedelta(seconds=3), usegmt=True))
    return Reply(429, _QUOTED, PLAIN_TYPE, (header,))


def _of_wrong_type(operation: Operation, _now: datetime) -> Failure:
    lists = operation in {Operation.LIST, Operation.ACCOUNTS}
    return Reply(200, f'{{"id": "{SERVERS_TEXT}"}}' if lists else f'["{SERVERS_TEXT}"]')


def _of_wrong_shape(operation: Operation, _now: datetime) -> Failure:
    item = f'{{"id": "{SERVERS_TEXT}", "platform": 7, "config": "{SECRET}"}}'
    return Reply(200, f"[{item}, {item}]" if operation in {Operation.LIST, Operation.ACCOUNTS} else item)


def _oversized(operation: Operation, _now: datetime) -> Failure:
    return Oversize(_LARGE_LIST if operation is Operation.LIST else _LARGE)


_AFTER: Final = Moment.AFTER
_NO_LIE: Final = frozenset(Operation) - {Operation.DELETE}
"""A response that accepts a deletion. It is combined with those after which the deletion is uncertain."""
_BY_ID: Final = frozenset({Operation.GET, Operation.UPDATE})
_REFUSALS: Final = (400, 401, 403, 404, 405, 408, 409, 412, 418, 422, 429, 500, 502, 503, 504)
_REDIRECTS: Final = (301, 302, 303, 307, 308)

ANSWERS: Final = (
    # These wait longest, so they begin first.
    Answer(
        "429, Retry-After absurd",
        _always(Reply(429, _QUOTED, PLAIN_TYPE, (("Retry-After", "9" * 30),))),
        status=429,
        operations=frozenset(Operation) - {Operation.LIST},  # a connection asks for it too, and the order varies
        is_pause=True,
    ),
    *(_refusal(status) for status in _REFUSALS),
    _reply("404 as text", 404, _QUOTED, PLAIN_TYPE),
    _reply("404 as HTML", 404, _PAGE, HTML_TYPE),
    _reply("429, Retry-After 2", 429, _QUOTED, PLAIN_TYPE, header=("Retry-After", "2")),
    Answer("429, Retry-After a date", _dated, status=429),
    _reply("429, Retry-After unreadable", 429, _QUOTED, PLAIN_TYPE, header=("Retry-After", _QUOTED)),
    _reply("503, Retry-After 2", 503, _PAGE, HTML_TYPE, header=("Retry-After", "2")),
    *(
        _reply(f"{status} after the commit", status, _PAGE, HTML_TYPE, moment=_AFTER, operations=WRITES)
        for status in (500, 502, 504)
    ),
    *(Answer(f"{status} elsewhere", _always(Redirect(_ELSEWHERE, status)), status=status) for status in _REDIRECTS),
    Answer("103, then the answer", _always(Interim(103)), _AFTER),
    _reply("101", 101),
    _reply("202, nothing done", 202),
    _reply("202 after the commit", 202, moment=_AFTER, operations=WRITES),
    _reply("204 after the commit", 204, "", moment=_AFTER),
    _reply("204, nothing done", 204, operations=_NO_LIE & WRITES),
    _reply("200, a page of HTML", 200, _PAGE, HTML_TYPE),
    _reply("200, a page of HTML after the commit", 200, _PAGE, HTML_TYPE, moment=_AFTER, operations=WRITES),
    _reply("200, empty", 200, moment=_AFTER),
    Answer("200, cut off", _always(Truncate(1)), _AFTER),
    Answer("200, oversized", _oversized, _AFTER),
    Answer("200, JSON of a wrong type", _of_wrong_type, _AFTER),
    Answer("200, JSON of a wrong shape", _of_wrong_shape, _AFTER),
    _reply("200, of another integration", 200, '{"id": 4711, "enabled": true}', moment=_AFTER, operations=_BY_ID),
    Answer("a slow one, in time", _always(Slow(header=0.4, body=0.4)), _AFTER),
    Answer("a slow header", _always(Slow(header=DEADLINE + 1.0)), _AFTER),
    Answer("a slow body", _always(Slow(body=3.0 * DEADLINE)), _AFTER),
    Answer("none in time", _always(Hang())),
    Answer("none in time after the commit", _always(Hang()), _AFTER, operations=WRITES),
    Answer("none in time, a late commit", _always(Hang()), Moment.LATE, late=DEADLINE + 1.0, operations=WRITES),
    Answer("a reset", _always(Reset())),
    Answer("a reset after the commit", _always(Reset()), _AFTER, operations=WRITES),
    Answer("a reset, a late commit", _always(Reset()), Moment.LATE, late=1.0, operations=WRITES),
)
"""The responses of a reachable server."""

PLACES: Final = tuple(
    Answer(name, _always(Reset()), place=place)
    for name, place in (
        ("a name that does not resolve", "unresolved"),
        ("an untrusted certificate", "untrusted"),
        ("a refused connection", "refused"),
    )
)
"""The faults of an unreachable server, which affect the first call."""
