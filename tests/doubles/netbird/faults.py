"""Failures on command: which requests fail, at which moment, and how it looks to the client."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal, assert_never

from pydantic import Discriminator

from tests.doubles.netbird.admission import Admission
from tests.doubles.netbird.model import NetBird
from tests.doubles.netbird.wire import HTML_TYPE, JSON_TYPE, Answer, Operation, Request, refusal


class Moment(StrEnum):
    """When a failure strikes: before the request is applied, after it, or now, with the request applied later."""

    BEFORE = "before"
    AFTER = "after"
    LATE = "late"


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection is reset without an answer."""

    kind: Literal["reset"] = "reset"


@dataclass(frozen=True, slots=True)
class Hang:
    """No answer comes; after `seconds` (None: when the client gives up) the connection is reset."""

    seconds: float | None = None
    kind: Literal["hang"] = "hang"


@dataclass(frozen=True, slots=True)
class Reply:
    """Another answer than the true one: an error, a page of HTML, nothing at all, JSON of a wrong type."""

    status: int
    content: str = ""
    content_type: str = JSON_TYPE
    headers: tuple[tuple[str, str], ...] = ()
    kind: Literal["reply"] = "reply"


@dataclass(frozen=True, slots=True)
class Truncate:
    """The connection closes after the first `keep` bytes of a body whose whole length was announced."""

    keep: int = 20
    kind: Literal["truncate"] = "truncate"


@dataclass(frozen=True, slots=True)
class Oversize:
    """The true answer, grown to at least `size` bytes by blanks that JSON allows."""

    size: int = 64 * 2**20
    kind: Literal["oversize"] = "oversize"


@dataclass(frozen=True, slots=True)
class Slow:
    """The true answer, its header after `header` seconds, its body spread over `body` seconds more."""

    header: float = 0.0
    body: float = 0.0
    kind: Literal["slow"] = "slow"


@dataclass(frozen=True, slots=True)
class Interim:
    """The true answer, after an interim one (RFC 9110, section 15.2) that says nothing of it."""

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
    """A failure, and the requests that it strikes.

    It strikes requests of `operation` and of the account with the id `account` (None: any), lets the first `skip` of
    them through, and strikes `times` of them (None: until it is removed). `late` is how many seconds after its receipt
    a request is applied at `Moment.LATE`. A request that the server refuses by itself (its token, its rights, its
    budget) is only struck before it is applied.
    """

    failure: Annotated[Failure, Discriminator("kind")]
    moment: Moment = Moment.BEFORE
    operation: Operation | None = None
    account: str | None = None
    skip: int = 0
    times: int | None = 1
    late: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what could not happen.

        Raises:
            ValueError: the failure shows the true answer, which there is only after applying.
        """
        if isinstance(self.failure, _NEEDS_ANSWER) and self.moment is not Moment.AFTER:
            message = f"{self.failure.kind} shows the true answer: its moment is after applying"
            raise ValueError(message)

    def matches(self, operation: Operation, account_id: str | None) -> bool:
        """Tell whether a request is of the kind that this fault strikes."""
        return self.operation in {None, operation} and self.account in {None, account_id}


@dataclass(frozen=True, slots=True)
class Armed:
    """A fault in the plan, with what it has seen: `seen` requests matched, `struck` of them failed."""

    id: int
    fault: Fault
    seen: int = 0
    struck: int = 0

    @property
    def spent(self) -> bool:
        """Tell whether it will not strike again."""
        return self.fault.times is not None and self.struck >= self.fault.times


class FaultPlan:
    """The faults that are armed, in the order of their arming; of several that fit a request the first strikes."""

    def __init__(self) -> None:
        """Start with nothing armed."""
        self._armed: dict[int, Armed] = {}
        self._next_id = 1

    @property
    def armed(self) -> tuple[Armed, ...]:
        """All faults, spent ones too, until they are removed."""
        return tuple(self._armed.values())

    def add(self, fault: Fault) -> int:
        """Arm a fault and return the id that removes it."""
        fault_id = self._next_id
        self._next_id += 1
        self._armed[fault_id] = Armed(fault_id, fault)
        return fault_id

    def remove(self, fault_id: int) -> None:
        """Disarm a fault; one that is gone already is no error."""
        self._armed.pop(fault_id, None)

    def clear(self) -> None:
        """Disarm all faults."""
        self._armed.clear()

    def take(self, request: Request, admission: Admission) -> Fault | None:
        """Find the fault that strikes a request; every fault that it matches counts it."""
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
    """How a request ends for its client.

    `answer` is what the server has to say (None: nothing will ever be said), `failure` what happens to it on the way.
    `applied` is the truth, whatever the client sees; `late` is when a deferred request will be applied.
    """

    admission: Admission
    answer: Answer | None
    failure: Failure | None = None
    applied: bool = False
    late: datetime | None = None


class Exchange:
    """A server behind a network that fails on command: the model and the faults together, still without I/O."""

    def __init__(self, model: NetBird, faults: FaultPlan | None = None) -> None:
        """Put a plan of faults in front of a server."""
        self.model = model
        self.faults = faults or FaultPlan()

    def serve(self, request: Request, now: datetime) -> Delivery:
        """Take a request in, apply it as far as the faults let it, and say how it ends for its client."""
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
    """Say what is left of an answer; how it is sent (slowly, cut short) is for whoever sends it."""
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
    """An error as NetBird writes it."""
    return Reply(status, refusal(status, message).content.decode())


def html_reply(status: int = 200) -> Reply:
    """A page of a proxy or a dashboard where JSON belongs."""
    return Reply(status, "<!doctype html><html><body><h1>It works</h1></body></html>", HTML_TYPE)
