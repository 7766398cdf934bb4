"""docs/metrics.md, the list in the code, and the scraped metrics are equal."""

import re
from collections.abc import Mapping

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from netbird_streaming.netbird.client import CallMetric
from netbird_streaming.netbird.responses import Operation, TransportFailure
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.ports import Outcome
from netbird_streaming.reconciler.unowned import UNOWNED
from netbird_streaming.telemetry.metrics import Build, Metrics
from netbird_streaming.telemetry.metrics.definitions import ALL, Type
from netbird_streaming.telemetry.metrics.recorder import UNKNOWN
from tests.unit.telemetry.metrics.given import connection, sight, snapshot
from tools.crds.definitions import DEFINITIONS
from tools.metrics_docs import PAGE, with_metrics

# Alerts, dashboards and users' rules depend on these: a change here breaks them.
PROMISED = """
build_info gauge version python
leader gauge
reconcile_duration_seconds histogram kind result
retries_total counter kind reason
queue_depth gauge
queue_oldest_age_seconds gauge
unwritten_statuses gauge
netbird_request_duration_seconds histogram operation code
rate_limit_remaining_requests gauge connection
rate_limit_burst_requests gauge connection
rate_limit_wait_seconds_total counter
resources gauge kind ready reason
drifts_found_total counter
drifts_corrected_total counter
resync_age_seconds gauge connection
resync_interval_seconds gauge connection
token_expiration_timestamp_seconds gauge connection
synced gauge
watch_failing gauge kind watched_namespace
watch_restarts_total counter watch
"""


def scraped(accept: str = "") -> Mapping[str, Metric]:
    leading = sight(snapshot(connection("a", expiry=2e9)), {"resources": 1}, failing=[("Secret", "a")])
    metrics = Metrics(Build("1", "3"), lambda: leading, per_connection=False)
    metrics.recorder.reconciled("EventStreamingIntegration", Outcome.SUCCESS, 0.1)
    metrics.recorder.requeued("EventStreamingIntegration", Reason.UNAVAILABLE)
    metrics.recorder.requested(CallMetric(Operation.LIST, 200, 0.1, 0.2))
    text = metrics.handle({"accept": accept}).body.decode()
    return {each.name: each for each in text_string_to_metric_families(text)}


def test_list_is_the_promised_one() -> None:
    assert [f"{each.short_name} {each.type} {' '.join(each.labels)}".strip() for each in ALL] == PROMISED.split("\n")[
        1:-1
    ]


def test_page_has_the_list() -> None:
    page = PAGE.read_text()
    assert with_metrics(page) == page, "run `make docs`"


def test_scrape_has_the_list_and_the_process_metrics() -> None:
    families = {name: each for name, each in scraped().items() if not name.startswith("process_")}
    assert set(families) == {each.name.removesuffix("_total") for each in ALL}
    for definition in ALL:
        family = families[definition.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (definition.type, definition.meaning)
        assert family.samples
        for sample in family.samples:
            own = {"le"} if definition.type is Type.HISTOGRAM and sample.name.endswith("_bucket") else set()
            assert set(sample.labels) == set(definition.labels) | own


def test_no_series_has_a_created_timestamp() -> None:
    assert [name for name in scraped() if name.endswith("_created")] == []


def test_page_names_all_values_of_small_labels() -> None:
    values = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE.read_text(), re.MULTILINE))
    for label, words in (("result", Outcome), ("operation", Operation)):
        assert re.findall(r"`(\w+)`", values[label]) == [each.value for each in words]
    assert set(re.findall(r"`(\w+)`", values["kind"])) == {*(each.model.__name__ for each in DEFINITIONS), UNOWNED}
    assert set(re.findall(r"`(\w+)`", values["code"])) == {UNKNOWN, *(each.label for each in TransportFailure)}


def test_names_and_help_follow_prometheus_conventions() -> None:
    for each in ALL:
        assert re.fullmatch(r"netbird_streaming_[a-z][a-z_]*[a-z]", each.name)
        assert each.name.endswith("_total") == (each.type is Type.COUNTER)
        assert each.meaning.endswith(".")
        assert "|" not in each.meaning
