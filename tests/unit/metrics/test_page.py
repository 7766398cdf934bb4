"""/metrics as a page: the format that is asked for, and nothing but our own metrics and the process's."""

from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families

from netbird_streaming.metrics import Build, Metrics

BUILD = Build("1.2.3", "3.13.1")


def page(accept: str = "", leads: Callable[[], bool] = lambda: True) -> tuple[str, str]:
    response = Metrics(BUILD, leads).page({"accept": accept})
    assert response.status == 200
    return response.content_type, response.body.decode()


def values(text: str) -> dict[str, float]:
    families = text_string_to_metric_families(text)
    return {sample.name: sample.value for family in families for sample in family.samples if not sample.labels}


def test_the_build_is_said_by_labels() -> None:
    assert 'netbird_streaming_build_info{python="3.13.1",version="1.2.3"} 1.0' in page()[1]


def test_who_leads_is_asked_at_each_scrape() -> None:
    leads = [True]
    metrics = Metrics(BUILD, lambda: leads[0])
    assert values(metrics.page({}).body.decode())["netbird_streaming_leader"] == 1
    leads[0] = False
    assert values(metrics.page({}).body.decode())["netbird_streaming_leader"] == 0


def test_the_process_is_measured_too() -> None:
    assert values(page()[1])["process_resident_memory_bytes"] > 0


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
def test_the_format_is_the_one_that_is_asked_for(accept: str, content_type: str) -> None:
    written, text = page(accept)
    assert written == content_type
    assert text.endswith("# EOF\n") == written.startswith("application/openmetrics-text")
