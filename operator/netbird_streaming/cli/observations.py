"""Observations of `verify`: pure functions of what NetBird answered."""

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final

from netbird_streaming.api.timestamps import parse_time
from netbird_streaming.cli.verify_journal import Answer, Journal
from netbird_streaming.cli.verify_steps import HEADER, OK, TEMPLATE, Verification
from netbird_streaming.core.netbird.compare import is_masked, parse_headers
from netbird_streaming.netbird.responses import Operation, parse_date

NOT_FOUND: Final = 404
TOO_MANY: Final = 429
SLOW_SECONDS: Final = 5.0
CLOCK_SECONDS: Final = 60.0
DATABASE_SECONDS: Final = 3.0
MICROSECOND_DIGITS: Final = 6
_KNOWN_FIELDS: Final = frozenset({"id", "account_id", "enabled", "platform", "created_at", "updated_at", "config"})
_KNOWN_KEYS: Final = frozenset({"url", "headers", "body_template"})
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,40}")
_PATH: Final = "/api/integrations/event-streaming"


class Verdict(StrEnum):
    """Meaning of an observation for an assumption."""

    AS_EXPECTED = "AsExpected"
    SUPPORTED = "Supported"
    """NetBird behaves in another way, which the operator supports, too."""
    BROKEN = "Broken"
    """The operator relies on it, and it does not hold."""
    NOT_OBSERVED = "NotObserved"


Seen = tuple[Verdict, str]
Observe = Callable[[Verification], Seen]
_UNSEEN: Final[Seen] = (Verdict.NOT_OBSERVED, "not observed")


def _expect(value: str, expected: str, other: Verdict = Verdict.SUPPORTED) -> Seen:
    return (Verdict.AS_EXPECTED if value == expected else other), value


def _status(answer: Answer | None) -> str:
    if answer is None:
        return "not observed"
    return f"status {answer.status}" if answer.status is not None else f"no answer: {answer.failure}"


def _answered(journal: Journal, step: str, expected: int = OK) -> Seen:
    answer = journal.last(step)
    return _UNSEEN if answer is None else _expect(_status(answer), f"status {expected}", Verdict.BROKEN)


def offered(run: Verification) -> Seen:
    """Return the paths at which the list was answered."""
    known = {each.path for each in run.journal.answers if each.operation is Operation.LIST and each.status == OK}
    return _expect(", ".join(sorted(known)) or "none", _PATH)


def unknown_path(run: Verification) -> Seen:
    """Return the form of a 404 for a path that NetBird does not have."""
    pages = [each for each in run.journal.answers if each.operation is Operation.LIST and each.status == NOT_FOUND]
    if not pages:
        return _UNSEEN
    kind = "JSON" if pages[0].is_json else "HTML" if "<" in pages[0].text else "plain text"
    return _expect(f"404 in {kind}", "404 in plain text")


def tenant(run: Verification) -> Seen:
    """Return the account of a tenant that the token has no right to."""
    account, tenant = run.journal.last("account"), run.journal.last("tenant")
    if account is None or tenant is None or account.status != OK:
        return _UNSEEN
    if tenant.status != OK:
        return Verdict.SUPPORTED, _status(tenant)
    return _expect(
        "the token's own account" if tenant.body == account.body else "another account",
        "the token's own account",
        Verdict.BROKEN,
    )


def token(run: Verification) -> Seen:
    """Return whether the token's user and its tokens can be read."""
    answers = run.journal.of("token")
    if not answers:
        return _UNSEEN
    failed = next((each for each in answers if each.status != OK), None)
    return (Verdict.AS_EXPECTED, "readable") if failed is None else (Verdict.SUPPORTED, _status(failed))


def empty(run: Verification) -> Seen:
    """Return the form of an empty list."""
    answer = run.journal.last("list")
    if answer is None or answer.status != OK or answer.body:
        return _UNSEEN
    return _expect("null" if answer.body is None else "[]", "null")


def readable(run: Verification) -> Seen:
    """Return how many elements of the list have another form than in the reference."""
    answer = run.journal.last("list created") or run.journal.last("list")
    if answer is None or not isinstance(answer.body, list | None):
        return _UNSEEN
    odd = sum(not _is_readable(item) for item in answer.body or ())
    return _expect(f"{odd} elements of another form", "0 elements of another form", Verdict.BROKEN)


def _is_readable(item: Any) -> bool:  # noqa: ANN401  # JSON
    return (
        isinstance(item, dict)
        and type(item.get("id")) is int
        and isinstance(item.get("enabled"), bool)
        and isinstance(item.get("config"), dict)
        and parse_time(item.get("created_at")) is not None
    )


def clock(run: Verification) -> Seen:
    """Return how far the clock of Date is from this machine's."""
    answer = run.journal.last("list")
    date = parse_date(answer.date) if answer is not None else None
    if answer is None or answer.at is None:
        return _UNSEEN
    if date is None:
        return Verdict.SUPPORTED, "no Date header"
    skew = round((date - answer.at).total_seconds())
    return (
        (Verdict.AS_EXPECTED, "within a minute")
        if abs(skew) <= CLOCK_SECONDS
        else (Verdict.SUPPORTED, f"{skew} s apart")
    )


def refusal(run: Verification) -> Seen:
    """Return whether a refused create quotes the secret."""
    answer = run.journal.last("create")
    if answer is None or answer.status == OK:
        return _UNSEEN
    quotes = run.secret in f"{answer.body}{answer.text}"
    return (Verdict.SUPPORTED, "it quotes the secret") if quotes else (Verdict.AS_EXPECTED, "it quotes no value")


def enabled(run: Verification) -> Seen:
    """Return whether a create heeded enabled."""
    shown = run.journal.body("create").get("enabled")
    return (
        _UNSEEN
        if shown is None
        else _expect("false is heeded" if shown is False else "false is ignored", "false is ignored")
    )


def masks(run: Verification) -> Seen:
    """Return how much of the headers is masked."""
    shown = _config(run, "create").get("headers")
    if not isinstance(shown, str):
        return _UNSEEN
    if is_masked(shown):
        return Verdict.AS_EXPECTED, "headers are masked whole"
    if run.secret in shown:
        return Verdict.SUPPORTED, "headers are shown with their values"
    return Verdict.SUPPORTED, "only the values of headers are masked"


def as_sent(run: Verification) -> Seen:
    """Return the values that are shown in another form than they were sent."""
    shown = _config(run, "create")
    if not shown:
        return _UNSEEN
    other = [key for key, value in (("url", run.url), ("body_template", TEMPLATE)) if shown.get(key) != value]
    headers = parse_headers(str(shown.get("headers")))
    if headers is not None and set(headers) != {HEADER.lower()}:
        other.append("headers")
    return _expect(f"other form: {', '.join(other)}" if other else "as sent", "as sent")


def unknown(run: Verification) -> Seen:
    """Return the names of keys that the reference does not have."""
    body = run.journal.body("create")
    if not body:
        return _UNSEEN
    odd = sorted((set(body) - _KNOWN_FIELDS) | (set(_config(run, "create")) - _KNOWN_KEYS))
    named = ", ".join(each for each in odd if _NAME.fullmatch(each))
    return _expect(f"unknown keys: {named}" if odd else "none", "none")


def get(run: Verification) -> Seen:
    """Return how much a GET by id shows."""
    answer = run.journal.last("get")
    if answer is None or answer.status != OK:
        return _UNSEEN if answer is None else (Verdict.SUPPORTED, _status(answer))
    thin = not set(run.journal.body("get")) >= _KNOWN_FIELDS
    return _expect("some fields" if thin else "all fields", "some fields")


def lag(what: str) -> Observe:
    """Return an observation of how long a list took to show a change."""

    def observe(run: Verification) -> Seen:
        if what not in run.lags:
            return _UNSEEN
        seconds = run.lags[what]
        if seconds is None:
            return Verdict.BROKEN, f"not within {run.list_seconds:g} s"
        return (Verdict.AS_EXPECTED, "at once") if seconds < 1 else (Verdict.SUPPORTED, f"after {seconds:.0f} s")

    return observe


def times(run: Verification) -> Seen:
    """Return the forms of times after a create and in a list."""
    made = run.journal.body("create").get("created_at")
    listed = run.journal.listed("list created", run.first).get("created_at")
    if not isinstance(made, str) or not isinstance(listed, str):
        return _UNSEEN
    return _expect(f"{_form(made)}; in lists {_form(listed)}", "UTC, microseconds; in lists +01:00, microseconds")


def _form(text: str) -> str:
    fraction = re.search(r"\.(\d+)", text)
    zone = "UTC" if text.endswith("Z") else text[-6:]
    digits = len(fraction[1]) if fraction else 0
    return f"{zone}, {'microseconds' if digits <= MICROSECOND_DIGITS else 'nanoseconds'}"


def database_clock(run: Verification) -> Seen:
    """Return how far created_at is from Date."""
    answer, made = run.journal.last("create"), parse_time(run.journal.body("create").get("created_at"))
    date = parse_date(answer.date) if answer is not None else None
    if made is None or date is None:
        return _UNSEEN
    skew = (made - date).total_seconds()
    return (
        (Verdict.AS_EXPECTED, "the same clock")
        if abs(skew) < DATABASE_SECONDS
        else (Verdict.SUPPORTED, f"{skew:.0f} s apart")
    )


def reused(run: Verification) -> Seen:
    """Return whether the id of a deleted integration was given again."""
    if run.reused is None:
        return _UNSEEN
    return _expect("given again" if run.reused else "not given again", "not given again")


def merge(run: Verification) -> Seen:
    """Return what became of a key that a PUT did not name."""
    shown = _listed_config(run)
    return _expect("kept" if shown.get("body_template") else "cleared", "kept") if shown else _UNSEEN


def put_answer(run: Verification) -> Seen:
    """Return which values the answer to a PUT shows."""
    url = _config(run, "update").get("url")
    if url is None:
        return _UNSEEN
    return _expect("the new values" if "updated" in url else "the values from before", "the values from before")


def put_takes(run: Verification) -> Seen:
    """Return whether a PUT changed the URL."""
    url = _listed_config(run).get("url")
    if url is None or not str(url).startswith("https://"):
        return _UNSEEN
    return _expect("changed" if "updated" in url else "not changed", "changed", Verdict.BROKEN)


def stamps(run: Verification) -> Seen:
    """Return whether updated_at moves between two lists without a write."""
    shown = [run.journal.listed(step, run.first).get("updated_at") for step in ("list updated", "list again")]
    if None in shown:
        return _UNSEEN
    return _expect("stays" if shown[0] == shown[1] else "moves without a write", "stays", Verdict.BROKEN)


def secret_stamps(run: Verification) -> Seen:
    """Return whether updated_at moved when a PUT changed the secret alone."""
    answer, before = run.journal.last("rotate"), run.journal.listed("list again", run.first).get("updated_at")
    after = run.journal.listed("list rotated", run.first).get("updated_at")
    if answer is None or answer.status != OK or None in (before, after) or run.lags.get("updated") is None:
        return _UNSEEN
    return _expect("moves" if before != after else "stays", "moves", Verdict.BROKEN)


def json_404(*steps: str) -> Observe:
    """Return an observation of the answers for an id that does not exist."""

    def observe(run: Verification) -> Seen:
        found = [answer for answer in map(run.journal.last, steps) if answer is not None]
        if not found:
            return _UNSEEN
        wrong = [each for each in found if each.status != NOT_FOUND or not each.is_json]
        return (Verdict.AS_EXPECTED, "404 in JSON") if not wrong else (Verdict.BROKEN, _status(wrong[0]))

    return observe


def limit(run: Verification) -> Seen:
    """Return whether a request was refused by the rate limit."""
    refused = [each for each in run.journal.answers if each.status == TOO_MANY]
    if not refused:
        return Verdict.AS_EXPECTED, f"no 429 in {len(run.journal.answers)} requests"
    waits = "with Retry-After" if any(each.retry_after for each in refused) else "without Retry-After"
    return Verdict.SUPPORTED, f"429, {waits}"


def speed(run: Verification) -> Seen:
    """Return how long the slowest answer took."""
    slowest = max((each.seconds for each in run.journal.answers), default=0.0)
    return (Verdict.AS_EXPECTED, "quick") if slowest < SLOW_SECONDS else (Verdict.SUPPORTED, f"up to {slowest:.0f} s")


def _config(run: Verification, step: str) -> dict[str, Any]:
    config = run.journal.body(step).get("config")
    return config if isinstance(config, dict) else {}


def _listed_config(run: Verification) -> dict[str, Any]:
    config = run.journal.listed("list updated", run.first).get("config")
    return config if isinstance(config, dict) and run.journal.last("update") is not None else {}


def step(name: str) -> Observe:
    """Return an observation of the status of a step."""
    return lambda run: _answered(run.journal, name)
