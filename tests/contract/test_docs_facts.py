"""Checks of the numbers in the pages: each is the code's own, and pages that repeat it agree.

A quantity of a page is a fact below, or it is listed as an estimate or as another program's.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from math import ceil
from typing import Any, Final, NamedTuple

import pytest
import yaml

from netbird_streaming.api.destinations import MAX_BODY, MAX_HEADERS
from netbird_streaming.api.http_auth import MAX_HEADER_VALUE
from netbird_streaming.api.status import MAX_CORRECTIONS, MAX_REQUEST
from netbird_streaming.cli.bundle_contents import LOG_LINES
from netbird_streaming.cli.check_netbird import MOST_TENANTS
from netbird_streaming.cli.verify import LIST_SECONDS
from netbird_streaming.config.settings import Settings
from netbird_streaming.core.contention import CONTENTION_WINDOW
from netbird_streaming.core.inputs import LIST_LAG
from netbird_streaming.core.netbird.endpoints import DEFAULT_RESYNC
from netbird_streaming.core.netbird.secret_reader import MAX_CONFIGURATION
from netbird_streaming.core.netbird.token_expiry import NOTICE_DAYS
from netbird_streaming.core.policies.create_outcome import CLOCK_SLACK
from netbird_streaming.core.policies.drift import RESEND_WINDOW
from netbird_streaming.core.policies.existing import FRESH
from netbird_streaming.core.status.updates import SHORTEST_REPORTED
from netbird_streaming.core.values import MAX_VALUE
from netbird_streaming.log_context import REMIND_SECONDS
from netbird_streaming.lookups import MAX_LOOKUPS
from netbird_streaming.netbird.bodies import MAX_BODIES
from netbird_streaming.netbird.client import MAX_LIST
from netbird_streaming.netbird.codec import MAX_ELEMENT, MAX_ITEMS, MAX_KEPT, MAX_TEXT
from netbird_streaming.netbird.json_list import MAX_BRACKETS, PIECE_BYTES, PIECE_ITEMS
from netbird_streaming.netbird.network import MAX_HEAD
from netbird_streaming.netbird.transport import MAX_PIECES, MAX_REFUSAL
from netbird_streaming.reconciler.connection.credentials import MAX_BUNDLE
from netbird_streaming.reconciler.installations import ABANDONED_AFTER
from netbird_streaming.reconciler.listing import RETRY as LIST_RETRY
from netbird_streaming.reconciler.polling import MIN_GAP, PERIOD
from netbird_streaming.reconciler.queue import ASIDE_AFTER, MAX_ASIDE, MAX_PER_FAIRNESS_KEY
from netbird_streaming.reconciler.records import MAX_PACKED
from netbird_streaming.telemetry.http_server import ANSWER_SECONDS, HEAD_BYTES, MAX_CONNECTIONS
from netbird_streaming.telemetry.metrics import families
from tests.harness import pages
from tests.harness.pages import ROOT

CHART: Final = ROOT / "deploy/chart/netbird-streaming-operator"
WORDS: Final = {
    "a tenth": 0.1,
    "half a": 0.5,
    "half": 0.5,
    "an": 1,
    "a": 1,
    **{
        word: number
        for number, word in enumerate(
            ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"], 1
        )
    },
}
NUMBER: Final = rf"\d[\d,.]*\d|\d|{'|'.join(WORDS)}"
QUANTITY: Final = re.compile(
    r"(?<![\w.-])(\d[\d,.]*|two|three|four|five|six|ten|half an?|a tenth of a)[ -]"
    r"(s|seconds?|minutes?|hours?|days?|KiB|MiB|requests|corrections)\b"
)
SETTINGS: Final = Settings()


class Fact(NamedTuple):
    """A sentence of the pages, `#` for its number, and the number of the code."""

    text: str
    value: float | str

    def found(self, text: str) -> Iterator[re.Match[str]]:
        number = NUMBER if not isinstance(self.value, str) else r"\d+(?:\.\d+)*"
        return re.finditer(re.escape(self.text).replace(r"\#", f"({number})"), text)

    def is_right(self, number: str) -> bool:
        if isinstance(self.value, str):
            return number == self.value
        return WORDS.get(number, float(number.replace(",", "")) if number[0].isdigit() else -1) == self.value


def chart() -> Any:
    return yaml.safe_load((CHART / "Chart.yaml").read_text())


def rate_limit(field: str) -> int:
    crd = yaml.safe_load((ROOT / "crds/netbirdconnections.yaml").read_text())
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    default: int = spec["properties"]["rateLimit"]["properties"][field]["default"]
    return default


def minutes(seconds: float) -> float:
    return seconds / 60


RESOLVER_SECONDS: Final = 10
"""Seconds that a lookup takes if the name server does not answer: five, twice (resolv.conf(5))."""
KUBERNETES: Final = chart()["kubeVersion"].removeprefix(">=").removesuffix(".0-0")
TAKEOVER: Final = SETTINGS.lease_duration + SETTINGS.lease_retry_period
FACTS: Final = (
    Fact("`resyncInterval` of the connection, # minutes by default", minutes(DEFAULT_RESYNC)),
    Fact("resyncInterval: #m", minutes(DEFAULT_RESYNC)),
    Fact("allows a token # requests a minute", rate_limit("requestsPerMinute")),
    Fact("requests a minute, with a burst of #", rate_limit("burst")),
    Fact("requestsPerMinute: #,", rate_limit("requestsPerMinute")),
    Fact("burst: #}", rate_limit("burst")),
    Fact("burst is # requests", rate_limit("burst")),
    Fact("After that, # per second", rate_limit("requestsPerMinute") / 60),
    Fact("`--late-commit-window` (# minute", minutes(SETTINGS.late_commit_window)),
    Fact("`--absence-window` (# minute", minutes(SETTINGS.absence_window)),
    Fact("`--stuck-after` (# minutes", minutes(SETTINGS.stuck_after)),
    Fact("`--shutdown-grace` (# s", SETTINGS.shutdown_grace),
    Fact("finished first, for up to # s", SETTINGS.shutdown_grace),
    Fact("A LIST is at most # seconds behind", LIST_LAG),
    Fact("within the next # seconds", FRESH),
    Fact("`Date` by at most # minutes", minutes(CLOCK_SLACK.total_seconds())),
    Fact("fter # corrections within an hour", MAX_CORRECTIONS),
    Fact("corrections within # hour", CONTENTION_WINDOW / timedelta(hours=1)),
    Fact("ignores it for # day", RESEND_WINDOW / timedelta(days=1)),
    Fact("ConfigMap is read again every # seconds", PERIOD),
    Fact("namespace acts within about # seconds", PERIOD),
    Fact("within # of a second for each", MIN_GAP),
    Fact("renews its Lease every # seconds", SETTINGS.lease_retry_period),
    Fact("could not do so for # seconds", SETTINGS.lease_renew_deadline),
    Fact("leads after # to 17 s", SETTINGS.lease_duration),
    Fact("leads after 15 to # s", TAKEOVER),
    Fact("and # to 17 seconds after a crash", SETTINGS.lease_duration),
    Fact("and 15 to # seconds after a crash", TAKEOVER),
    Fact("up to # seconds until a replica leads", TAKEOVER),
    Fact("# minutes after the first has stopped", minutes(ABANDONED_AFTER)),
    Fact("logs the missing right every # minutes", minutes(REMIND_SECONDS)),
    Fact("repeats `a right is missing` every # minutes", minutes(REMIND_SECONDS)),
    Fact("list every # minute at the latest", minutes(LIST_RETRY.last)),
    Fact("list is retried within # minute", minutes(LIST_RETRY.last)),
    Fact("a value of a Secret | # KiB", MAX_VALUE / 1024),
    Fact("with those of its Secrets | # KiB", MAX_CONFIGURATION / 1024),
    Fact("`bodyTemplate` | #, 1 KiB, 8 KiB", MAX_HEADERS),
    Fact("`bodyTemplate` | 32, # KiB, 8 KiB", MAX_HEADER_VALUE / 1024),
    Fact("`bodyTemplate` | 32, 1 KiB, # KiB", MAX_BODY / 1024),
    Fact("while it waits | # KiB", MAX_PACKED / 1024),
    Fact("one of ours, # characters", MAX_REQUEST),
    Fact("a namespace | #, the oldest", SETTINGS.connections_per_namespace),
    Fact("a CA bundle | # KiB", MAX_BUNDLE / 1024),
    Fact("of a refusal | # MiB, 256 KiB, 64 KiB", MAX_LIST / 2**20),
    Fact("of a refusal | 16 MiB, # KiB, 64 KiB", MAX_ELEMENT / 1024),
    Fact("of a refusal | 16 MiB, 256 KiB, # KiB", MAX_REFUSAL / 1024),
    Fact("on the wire | # KiB", MAX_HEAD / 1024),
    Fact("a body on the wire | twice its limit, # pieces", MAX_PIECES),
    Fact("in memory together | # MiB", MAX_BODIES / 2**20),
    Fact("integrations in a LIST | #", MAX_ITEMS),
    Fact("before it is decoded | # KiB, 256 brackets", MAX_ELEMENT / 1024),
    Fact("before it is decoded | 256 KiB, # brackets", MAX_BRACKETS),
    Fact("text that is kept of a LIST | # MiB", MAX_KEPT / 2**20),
    Fact("without a pause | # integrations or 16 KiB", PIECE_ITEMS),
    Fact("without a pause | 50 integrations or # KiB", PIECE_BYTES / 1024),
    Fact("texts of NetBird's in a status | # printable", MAX_TEXT),
    Fact("looked up at once | #, each once", MAX_LOOKUPS),
    Fact("system's resolver, # at once", MAX_LOOKUPS),
    Fact("Then # such namespaces", MAX_LOOKUPS // SETTINGS.connections_per_namespace + 1),
    Fact("its connections # new names each second", ceil(MAX_LOOKUPS / RESOLVER_SECONDS)),
    Fact("8080 and 8081 | #, for 5 seconds, 8 KiB", MAX_CONNECTIONS),
    Fact("8080 and 8081 | 32, for # seconds, 8 KiB", ANSWER_SECONDS),
    Fact("8080 and 8081 | 32, for 5 seconds, # KiB", HEAD_BYTES / 1024),
    Fact("rejected: more than # KiB", MAX_VALUE / 1024),
    Fact("for the rest of more than #", families.MAX_CONNECTIONS),
    Fact("Both are on port #", SETTINGS.health_port),
    Fact("port of its own, # (`--metrics-port`", SETTINGS.metrics_port),
    Fact("Kubernetes # or newer", KUBERNETES),
    Fact("Kubernetes | # to 1.37", KUBERNETES),
    Fact("--kube-version #.0", KUBERNETES),
    Fact("kubeVersion: #.0", KUBERNETES),
    Fact("operator:# ", chart()["version"]),
    Fact("waits for more than # seconds says so", SHORTEST_REPORTED.total_seconds()),
    Fact("share # places", MAX_PER_FAIRNESS_KEY),
    Fact("longer than # of a second does not count", ASIDE_AFTER),
    Fact("Up to # such requests", MAX_ASIDE),
    Fact("integrations take about # minutes once", round(1000 / rate_limit("requestsPerMinute"))),
    Fact("At most # tenants", MOST_TENANTS),
    Fact("the last # lines of the log", LOG_LINES),
    Fact("until a list shows a change: # seconds", LIST_SECONDS),
)
OTHERS: Final = {
    "expires after 1 to 365 days": "NetBird's OpenAPI description",
    "for 365 days at most": "NetBird's OpenAPI description",
    "up to five minutes to work": "Datadog's documentation",
    "in about ten minutes": "an estimate of a reader's time",
    "7 and 1 days before": "NOTICE_DAYS, compared below",
    "7 or 1 days": "NOTICE_DAYS, compared below",
    "with two requests": "tests/unit/netbird counts them",
    "14 days": "the alert's rule, which tests/monitoring tries",
    "about 1 KiB while": "benchmarks measure it",
    "up to 25 KiB while": "benchmarks measure it",
    "256 MiB hold about": "the chart's memory limit; benchmarks measure the number",
    "due for 5 minutes": "the alert's rule, which tests/monitoring tries",
    "due for more than five minutes": "the alert's rule, which tests/monitoring tries",
    "not been Ready for 15 minutes": "the alert's rule, which tests/monitoring tries",
    "alert ends five minutes after": "the alert's rule, which tests/monitoring tries",
    "three times within 30 minutes": "the alert's rule, which tests/monitoring tries",
    "its interval and five minutes": "the alert's rule, which tests/monitoring tries",
    "begin again, for half an hour": "the alert's rule, which tests/monitoring tries",
    "within about ten seconds.": "the deadline of each connection, and an estimate of the rest",
    "about 30 requests": "an estimate: it depends on what the server does",
    "less than five minutes": "an estimate of a reader's time",
    "Measured: 74 MiB": "benchmarks measure it",
    "created at once, 90 MiB": "benchmarks measure it",
    "Prometheus; 4 minutes": "an estimate, from a run on two cores",
    "controllers: 3 minutes once": "an estimate, from a run on two cores",
    "resolver waits (10 seconds": "resolv.conf(5): five seconds, twice",
    "takes five seconds": "an estimate, from a run on two cores",
}
"""Quantities that no constant of the code determines, and their source."""
RECORDS: Final = {
    "CHANGELOG.md": "the past",
    "docs/decisions/": "what was measured when it was decided",
    "docs/faults.md": "written by the run that it describes",
    "docs/proof.md": "suites that print their figures",
    "docs/reference/": "written from the code",
    "docs/why-not-simpler.md": "what was tried",
}
"""Pages whose quantities need no fact, and what they describe."""
CHECKED: Final = [page for page in pages.pages() if not page.startswith(tuple(RECORDS))]


@cache
def text_of(page: str) -> str:
    return " ".join((ROOT / page).read_text().split())


def is_known(quantity: re.Match[str], text: str) -> bool:
    facts = [match.span() for fact in FACTS for match in fact.found(text)]
    others = [match.span() for each in OTHERS for match in re.finditer(re.escape(each), text)]
    return any(begin <= quantity.start(1) < end for begin, end in [*facts, *others])


def without_code_and_incidents(text: str) -> str:
    # tests/monitoring checks each row of the alerts and incidents.
    return re.sub(r"\| \[NetBirdStreaming[^|]*\|[^|]*\|[^|]*\||\| \d+\w? \|[^|]*\|[^|]*\|[^|]*\||```.*?```", "", text)


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.text)
def test_each_page_has_the_number_of_the_code(fact: Fact) -> None:
    found = [(page, match[1]) for page in pages.pages() for match in fact.found(text_of(page))]
    assert found, "no page says it any more: remove the fact"
    assert [each for each in found if not fact.is_right(each[1])] == []


@pytest.mark.parametrize("page", CHECKED)
def test_each_quantity_is_a_fact_or_has_a_source(page: str) -> None:
    text = without_code_and_incidents(text_of(page))
    shown = [
        text[max(0, match.start() - 40) : match.end()] for match in QUANTITY.finditer(text) if not is_known(match, text)
    ]
    assert shown == []


def test_each_source_is_still_used() -> None:
    assert [each for each in OTHERS if not any(each in text_of(page) for page in CHECKED)] == []


def test_days_of_notice_match_the_code() -> None:
    said = re.findall(r"(\d+), (\d+) (?:and|or) (\d+) days", " ".join(map(text_of, pages.pages())))
    assert said
    assert {tuple(map(int, each)) for each in said} == {NOTICE_DAYS}
