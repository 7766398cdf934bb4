"""The assumptions about NetBird's API, and the report of `verify`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from netbird_streaming.cli import observations
from netbird_streaming.cli.observations import Observe, Verdict
from netbird_streaming.cli.verify_steps import Verification


@dataclass(frozen=True, slots=True)
class Row:
    """Line of the report."""

    assumption: str
    verdict: Verdict
    observation: str
    consequence: str


def rows(verification: Verification) -> tuple[Row, ...]:
    """Return a line for each assumption."""
    made = []
    for assumption, consequence, observe in ASSUMPTIONS:
        verdict, observation = observe(verification)
        shown = consequence if verdict in {Verdict.SUPPORTED, Verdict.BROKEN} else ""
        made.append(Row(assumption, verdict, observation, shown))
    return tuple(made)


ASSUMPTIONS: Final[tuple[tuple[str, str, Observe], ...]] = (
    (
        "GET /api/accounts tells the token's account",
        "Set up an account with an integration first, or use another token.",
        observations.step("account"),
    ),
    ("An account parameter without a right is ignored", "A tenant's account is refused instead.", observations.tenant),
    ("The token's user and its tokens are readable", "The expiry of the token is not reported.", observations.token),
    (
        "The list of integrations is offered",
        "NetBird has no licence for event streaming, or denies it.",
        observations.step("list"),
    ),
    ("Event streaming has the path of the reference", "The operator finds the other path.", observations.offered),
    (
        "A path that does not exist is a 404 in plain text",
        "The operator distinguishes it from a missing integration by the JSON.",
        observations.unknown_path,
    ),
    ("An empty list is null", "Both forms are read.", observations.empty),
    (
        "Each element of the list has the form of the reference",
        "The connection names elements that can't be read.",
        observations.readable,
    ),
    (
        "Date is sent, and NetBird's clock is right",
        "The operator uses NetBird's own clock, or none.",
        observations.clock,
    ),
    (
        "An id that does not exist is a 404 in JSON",
        "An absence can't be proven: nothing is created again.",
        observations.json_404("absent"),
    ),
    (
        "A disabled integration to a host that does not exist is accepted",
        "NetBird tests the destination: run it again with --destination.",
        observations.step("create"),
    ),
    ("A refusal quotes no value", "The operator never shows NetBird's text.", observations.refusal),
    ("POST ignores enabled", "No second request is needed.", observations.enabled),
    ("Headers are masked whole", "The names of headers are compared.", observations.masks),
    (
        "Values are kept as they are sent",
        "The operator accepts the form that the answer to the create shows.",
        observations.as_sent,
    ),
    ("An integration has no unknown keys", "Unknown keys are ignored.", observations.unknown),
    ("GET by id shows some fields only", "The list is used in any case.", observations.get),
    (
        "A new integration is listed at once",
        "The operator waits; a longer --late-commit-window may be needed.",
        observations.lag("created"),
    ),
    ("Times have the forms of the reference", "Any RFC 3339 time is read.", observations.times),
    (
        "created_at is of the clock of Date",
        "Beyond ten minutes, the outcome of a lost answer is CreateAmbiguous.",
        observations.database_clock,
    ),
    (
        "An account may have several integrations of a platform",
        "A second resource of the platform is AlreadyExists.",
        observations.step("second"),
    ),
    ("Ids are not given again", "The operator compares createdAt, too.", observations.reused),
    ("PUT is accepted", "No change reaches NetBird.", observations.step("update")),
    ("PUT keeps the keys that it does not name", "The operator sends all keys.", observations.merge),
    ("PUT answers with the values from before", "The answer is not used.", observations.put_answer),
    ("PUT changes the URL", "The operator reports NotApplied.", observations.put_takes),
    ("A change is listed at once", "The operator waits for it.", observations.lag("updated")),
    (
        "updated_at moves by writes only",
        "All settings are sent once more, at most once a day.",
        observations.stamps,
    ),
    (
        "updated_at moves when a secret changes",
        "A secret that another client changed stays unnoticed.",
        observations.secret_stamps,
    ),
    ("DELETE is accepted", "Nothing is deleted in NetBird.", observations.step("delete")),
    (
        "A deleted id is a 404 in JSON",
        "A deletion can't be proven.",
        observations.json_404("get deleted", "delete again"),
    ),
    ("A deleted integration is not listed any more", "The operator waits for it.", observations.lag("deleted")),
    ("The rate limit is not reached", "Lower spec.rateLimit.", observations.limit),
    ("NetBird answers within seconds", "Raise --request-timeout if it is near.", observations.speed),
)
"""Each assumption, the consequence if it does not hold, and how it is observed."""


def render(report: tuple[Row, ...]) -> Iterator[str]:
    """Yield the lines of a table."""
    symbols = {Verdict.AS_EXPECTED: "✔", Verdict.SUPPORTED: "•", Verdict.BROKEN: "✘", Verdict.NOT_OBSERVED: "?"}
    for row in report:
        fix = f" → {row.consequence}" if row.consequence else ""
        yield f"{symbols[row.verdict]} {row.assumption}: {row.observation}{fix}"
