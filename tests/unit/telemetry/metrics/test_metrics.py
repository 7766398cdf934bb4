"""The metrics page: the requested format, and no leader metrics on a follower."""

from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from netbird_streaming.netbird.client import CallMetric
from netbird_streaming.netbird.responses import Operation, TransportFailure
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.ports import Outcome
from netbird_streaming.telemetry.metrics import Build, LeaderMetrics, Metrics
from tests.unit.telemetry.metrics.given import ESI, connection, sight, snapshot

BUILD = Build("1.2.3", "3.13.1")


def metrics(leader_metrics: LeaderMetrics | None = None, *, per_connection: bool = False) -> Metrics:
    return Metrics(BUILD, lambda: leader_metrics, per_connection=per_connection)


def series(given: Metrics) -> dict[str, float]:
    """Return every sample but the process' own, by its name and labels as written."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(given.handle({}).body.decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    prefix = "netbird_streaming_"
    return {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)}


def test_follower_has_only_its_own_metrics_and_does_not_lead() -> None:
    given = metrics()
    given.recorder.drift_found()
    assert series(given) == {"build_info{python=3.13.1,version=1.2.3}": 1, "leader": 0}


def test_leadership_is_evaluated_at_each_scrape_and_counters_are_kept() -> None:
    sights = [None, sight(snapshot(), {})]
    given = Metrics(BUILD, lambda: sights[0], per_connection=False)
    given.recorder.drift_found()
    assert "drifts_found_total" not in series(given)
    sights.reverse()
    assert (series(given)["leader"], series(given)["drifts_found_total"]) == (1, 1)


def test_leader_has_all_metrics() -> None:
    exported = series(metrics(sight(snapshot(), {"resources": 2, "secrets": 0})))
    assert {
        name: value for name, value in exported.items() if not name.startswith(("build", "drifts", "rate_limit_wait"))
    } == {
        "leader": 1,
        "queue_depth": 3,
        "queue_oldest_age_seconds": 1.5,
        "unwritten_statuses": 2,
        "resources{kind=EventStreamingIntegration,ready=true,reason=Synced}": 7,
        "resources{kind=EventStreamingIntegration,ready=true,reason=Drifted}": 2,
        "resources{kind=NetBirdConnection,ready=false,reason=TokenRejected}": 1,
        "rate_limit_remaining_requests{connection=}": 100,
        "rate_limit_burst_requests{connection=}": 1200,
        "resync_age_seconds{connection=}": 10,
        "resync_interval_seconds{connection=}": 310,
        "synced": 1,
        "watch_restarts_total{watch=resources}": 2,
        "watch_restarts_total{watch=secrets}": 0,
    }


def test_worst_of_all_connections_is_exported_without_names() -> None:
    given = snapshot(connection("a", remaining=30, burst=30, age=50), connection("b", remaining=100, age=9))
    exported = series(metrics(sight(given, {})))
    assert exported["rate_limit_remaining_requests{connection=}"] == 30
    assert exported["rate_limit_burst_requests{connection=}"] == 30
    assert exported["resync_age_seconds{connection=}"] == 50
    assert exported["resync_interval_seconds{connection=}"] == 350


def test_first_expiring_token_counts_and_an_unknown_expiry_has_no_series() -> None:
    given = snapshot(connection("a"), connection("b", expiry=2e9), connection("c", expiry=3e9))
    name = "token_expiration_timestamp_seconds"
    assert series(metrics(sight(given, {})))[f"{name}{{connection=}}"] == 2e9
    named = series(metrics(sight(given, {}), per_connection=True))
    assert {key: value for key, value in named.items() if key.startswith(name)} == {
        f"{name}{{connection=b}}": 2e9,
        f"{name}{{connection=c}}": 3e9,
    }
    assert not any(key.startswith(name) for key in series(metrics(sight(snapshot(connection("a")), {}))))


def test_unready_connection_has_no_age_but_a_rate_limit() -> None:
    given = snapshot(replace(connection("a", age=900, remaining=3), ready=False), connection("b", age=9))
    exported = series(metrics(sight(given, {})))
    assert exported["resync_age_seconds{connection=}"] == 9
    assert exported["rate_limit_remaining_requests{connection=}"] == 3
    alone = series(metrics(sight(snapshot(replace(connection("a"), ready=False)), {})))
    assert "resync_age_seconds{connection=}" not in alone
    assert alone["resync_interval_seconds{connection=}"] == 310


def test_at_most_a_hundred_connections_are_named_and_the_rest_together() -> None:
    many = [connection(f"team-{number:03}/netbird", remaining=number + 5, age=number) for number in range(103)]
    exported = series(metrics(sight(snapshot(*reversed(many)), {}), per_connection=True))
    budgets = {name: value for name, value in exported.items() if name.startswith("rate_limit_remaining")}
    assert len(budgets) == 101
    assert budgets["rate_limit_remaining_requests{connection=team-000/netbird}"] == 5
    assert budgets["rate_limit_remaining_requests{connection=team-099/netbird}"] == 104
    assert budgets["rate_limit_remaining_requests{connection=other}"] == 105
    assert exported["resync_age_seconds{connection=other}"] == 102


def test_connection_named_other_is_counted_with_the_rest() -> None:
    many = [connection(f"z-{number:03}") for number in range(100)]
    exported = series(metrics(sight(snapshot(connection("other", remaining=1), *many), {}), per_connection=True))
    assert exported["rate_limit_remaining_requests{connection=other}"] == 1
    assert len([name for name in exported if name.startswith("resync_age")]) == 100


def test_no_connection_has_no_budget() -> None:
    empty = snapshot()
    exported = series(metrics(sight(type(empty)(empty.backlog, 0, {}, ()), {})))
    assert [name for name in exported if "connection" in name or name.startswith("resources")] == []


def test_failing_list_is_named_with_its_namespace() -> None:
    failing = [("Secret", "team-b"), ("ClusterNetBirdConnection", None)]
    exported = series(metrics(sight(snapshot(), synced=False, failing=failing)))
    assert exported["synced"] == 0
    assert {name for name in exported if name.startswith("watch_failing")} == {
        "watch_failing{kind=Secret,watched_namespace=team-b}",
        "watch_failing{kind=ClusterNetBirdConnection,watched_namespace=}",
    }


def test_at_most_a_hundred_failing_lists_are_named() -> None:
    exported = series(metrics(sight(snapshot(), failing=[(ESI, f"team-{number:03}") for number in range(300)])))
    names = [name for name in exported if name.startswith("watch_failing")]
    assert len(names) == 101
    assert f"watch_failing{{kind={ESI},watched_namespace=other}}" in names


def test_events_are_counted() -> None:
    given = metrics(sight(snapshot(), {}))
    given.recorder.reconciled(ESI, Outcome.SUCCESS, 0.3)
    given.recorder.reconciled(ESI, Outcome.SUCCESS, 70)
    given.recorder.requeued(ESI, Reason.RATE_LIMITED)
    given.recorder.drift_corrected()
    exported = series(given)
    labels = "kind=EventStreamingIntegration"
    assert exported[f"reconcile_duration_seconds_count{{{labels},result=success}}"] == 2
    assert exported[f"reconcile_duration_seconds_sum{{{labels},result=success}}"] == 70.3
    assert exported[f"reconcile_duration_seconds_bucket{{{labels},le=0.1,result=success}}"] == 0
    assert exported[f"reconcile_duration_seconds_bucket{{{labels},le=60.0,result=success}}"] == 1
    assert exported[f"retries_total{{{labels},reason=RateLimited}}"] == 1
    assert exported["drifts_corrected_total"] == 1


def test_requests_are_counted_by_operation_and_status_and_their_wait_separately() -> None:
    given = metrics(sight(snapshot(), {}))
    for outcome in (200, TransportFailure.EXPIRED, TransportFailure.WRONG_HOST, 299, 999):
        given.recorder.requested(CallMetric(Operation.CREATE, outcome, 0.02, 1.5))
    exported = series(given)
    counts = {
        name: value for name, value in exported.items() if name.startswith("netbird_request_duration_seconds_count")
    }
    assert counts == {
        "netbird_request_duration_seconds_count{code=200,operation=create}": 1,
        "netbird_request_duration_seconds_count{code=tls,operation=create}": 2,
        "netbird_request_duration_seconds_count{code=other,operation=create}": 2,
    }
    assert exported["rate_limit_wait_seconds_total"] == 7.5


def test_process_is_measured_too() -> None:
    assert "\nprocess_resident_memory_bytes " in metrics().handle({}).body.decode()


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/html", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/plain;version=1.0.0", "text/plain; version=1.0.0; charset=utf-8; escaping=underscores"),
        (
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4",
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores",
        ),
        ("application/openmetrics-text;version=one", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/plain;version=\x00.x", "text/plain; version=0.0.4; charset=utf-8"),
    ],
)
def test_format_is_the_requested_one(accept: str, content_type: str) -> None:
    response = metrics(sight(snapshot(), {"resources": 0})).handle({"accept": accept})
    assert (response.status, response.content_type) == (200, content_type)
    text = response.body.decode()
    assert text.endswith("# EOF\n") == content_type.startswith("application/openmetrics-text")
    assert "netbird_streaming_drifts_found_total 0.0\n" in text
