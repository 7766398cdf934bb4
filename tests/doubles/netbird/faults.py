"""Faults on command: the matching requests, the moment, and the effect on the client."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal, assert_never

from pydantic import Discriminator

from tests.doubles.netbird.admission import Admission
from tests.doubles.netbird.model import NetBird
from tests.doubles.netbird.wire import HTML_TYPE, JSON_TYPE, Answer, Operation, Request, refusal


class Moment(StrEnum):
    """The moment of a fault: before the request is applied, after it, or now, with the request applied later."""

    BEFORE = "before"
    AFTER = "after"
    LATE = "late"


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection is reset without a response."""

    kind: Literal["reset"] = "reset"


@dataclass(frozen=True, slots=True)
class Hang:
    """No response. After `seconds` (None: when the client gives up) the connection is reset."""

    seconds: float | None = None
    kind: Literal["hang"] = "hang"


@dataclass(frozen=True, slots=True)
class Reply:
    """Another response: an error, an HTML page, an empty body, JSON of a wrong type."""

    status: int
    content: str = ""
    content_type: str = JSON_TYPE
    headers: tuple[tuple[str, str], ...] = ()
    kind: Literal["reply"] = "reply"


@dataclass(frozen=True, slots=True)
class Truncate:
    """The connection closes after the first `keep` bytes of a body with a longer Content-Length."""

    keep: int = 20
    kind: Literal["truncate"] = "truncate"


@dataclass(frozen=True, slots=True)
class Oversize:
    """The true response, grown to at least `size` bytes by blanks that JSON allows."""

    size: int = 64 * 2**20
    kind: Literal["oversize"] = "oversize"


@dataclass(frozen=True, slots=True)
class Slow:
    """The true response, its header after `header` seconds, its body spread over `body` seconds more."""

    header: float = 0.0
    body: float = 0.0
    kind: Literal["slow"] = "slow"


@dataclass(frozen=True, slots=True)
class Interim:
    """The true response, after an interim one (RFC 9110, section 15.2) without information."""

    status: int = 103
    kind: Literal["interim"] = "interim"


@dataclass(frozen=True, slots=True)
class Redirect:
    """A redirect to `location`, which a client must not follow with its token."""

    location: str
    status: int = 307
    kind: Literal["redirect"] = "redirect"


Failure = Reset | Hang | Reply | Truncate | Oversize | Slow | Interim | Redirect
_NEEDS_ANSWER = (Truncate, Oversize, Slow, Interim)


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault, and the requests that it matches.

    It matches requests of `operation` and of the account with the id `account` (None: any), lets the first `skip` of
    them through, and affects `times` of them (None: until it is removed). `late` is after how many seconds a request is
    applied at `Moment.LATE`. A request that the server refuses by itself (its token, its rights, its budget) is only
    affected before it is applied.
    """

    failure: Annotated[Failure, Discriminator("kind")]
    moment: Moment = Moment.BEFORE
    operation: Operation | None = None
    account: str | None = None
    skip: int = 0
    times: int | None = 1
    late: float = 0.0

    def __post_init__(self) -> None:
        """Refuse impossible faults.

        Raises:
            ValueError: the fault shows the true response, which exists only after applying.
        """
        if isinstance(self.failure, _NEEDS_ANSWER) and self.moment is not Moment.AFTER:
            message = f"{self.failure.kind} shows the true answer: its moment is after applying"
            raise ValueError(message)

    def matches(self, operation: Operation, account_id: str | None) -> bool:
        """Return whether a request matches this fault."""
        return self.operation in {None, operation} and self.account in {None, account_id}


@dataclass(frozen=True, slots=True)
class Armed:
    """An armed fault with its counters: `seen` requests matched, `struck` of them failed."""

    id: int
    fault: Fault
    seen: int = 0
    struck: int = 0

    @property
    def spent(self) -> bool:
        """Return whether it is used up."""
        return self.fault.times is not None and self.struck >= self.fault.times


class FaultPlan:
    """The armed faults, in order. The first matching one is applied."""

    def __init__(self) -> None:
        self._armed: dict[int, Armed] = {}
        self._next_id = 1

    @property
    def armed(self) -> tuple[Armed, ...]:
        """All faults, including used ones, until they are removed."""
        return tuple(self._armed.values())

    def add(self, fault: Fault) -> int:
        """Arm a fault and return the id that removes it."""
        fault_id = self._next_id
        self._next_id += 1
        self._armed[fault_id] = Armed(fault_id, fault)
        return fault_id

    def remove(self, fault_id: int) -> None:
        """Disarm a fault. An unknown id is no error."""
        self._armed.pop(fault_id, None)

    def clear(self) -> None:
        """Disarm all faults."""
        self._armed.clear()

    def take(self, request: Request, admission: Admission) -> Fault | None:
        """Return the fault for a request. Every matching fault counts it."""
        chosen: Fault | None = None
        for armed in self.armed:
            fault = armed.fault
            if not fault.matches(request.operation, admission.account_id):
                continue
            if admission.refusal is not None and fault.moment is not Moment.BEFORE:
                continue
            strikes = chosen is None and not armed.spent and armed.seen >= fault.skip
            self._armed[armed.id] = Armed(armed.id, fault, armed.seen + 1, armed.struck + strikes)
            chosen = fault if strikes else chosen
        return chosen


@dataclass(frozen=True, slots=True)
class Delivery:
    """The end of a request for its client.

    `answer` is the server's response (None: there will be none), `failure` the fault on its way. `applied` is the true
    effect, whatever the client sees. `late` is when a deferred request will be applied.
    """

    admission: Admission
    answer: Answer | None
    failure: Failure | None = None
    applied: bool = False
    late: datetime | None = None


class Exchange:
    """A server behind a network with faults on command: the model and the faults together, without I/O."""

    def __init__(self, model: NetBird, faults: FaultPlan | None = None) -> None:
        self.model = model
        self.faults = faults or FaultPlan()

    def serve(self, request: Request, now: datetime) -> Delivery:
        """Receive a request, apply it as far as the faults allow, and return its end for the client."""
        admission = self.model.admit(request, now)
        fault = self.faults.take(request, admission)
        if fault is None or fault.moment is Moment.AFTER:
            answer = admission.refusal or self.model.apply(request, admission, now)
            seen = answer if fault is None else spoilt(fault.failure, answer)
            return Delivery(admission, seen, fault.failure if fault else None, answer.applied)
        due = None
        if fault.moment is Moment.LATE:
            due = now + timedelta(seconds=fault.late)
            self.model.defer(request, admission, due)
        return Delivery(admission, spoilt(fault.failure, None), fault.failure, late=due)


def spoilt(failure: Failure, answer: Answer | None) -> Answer | None:
    """Return the remaining response. Its delivery (slow, truncated) is the sender's part."""
    match failure:
        case Reset() | Hang():
            return None
        case Reply():
            return Answer(failure.status, failure.content.encode(), failure.content_type, failure.headers)
        case Redirect():
            return Answer(failure.status, b"", HTML_TYPE, (("Location", failure.location),))
        case Oversize():
            content = answer.content if answer else b""
            return answer and Answer(answer.status, content.ljust(failure.size), answer.content_type, answer.headers)
        case Truncate() | Slow() | Interim():
            return answer
        case _:
            assert_never(failure)


def error_reply(status: int, message: str = "internal server error") -> Reply:
    """Return an error in NetBird's format."""
    return Reply(status, refusal(status, message).content.decode())


def html_reply(status: int = 200) -> Reply:
    """Return an HTML page of a proxy or a dashboard."""
    return Reply(status, "<!doctype html><html><body><h1>It works</h1></body></html>", HTML_TYPE)
