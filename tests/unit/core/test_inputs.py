"""The inputs of a decision."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from netbird_streaming.api.status import MAX_REQUEST
from netbird_streaming.api.types import RECONCILE_ANNOTATION
from netbird_streaming.core.inputs import AccountSnapshot
from netbird_streaming.core.netbird import compare
from netbird_streaming.core.netbird.destinations import COMPARABLE
from netbird_streaming.core.netbird.types import Integration, Listing
from tests.harness.cases import NOW, URL, case, integration, item, view

CONFIG = {"url": URL, "headers": "{}", "body_template": ""}


@pytest.mark.parametrize(
    ("other", "identical"),
    [
        pytest.param(item(9), True, id="the same"),
        pytest.param(item(9, config={**CONFIG, "url": "****"}), True, id="masked where it is looked up by"),
        pytest.param(item(9, config={**CONFIG, "headers": "****"}), True, id="masked elsewhere"),
        pytest.param(item(9, config={**CONFIG, "url": "HTTPS://SIEM.example:443/in"}), True, id="written otherwise"),
        pytest.param(item(9, config={**CONFIG, "url": "https://other.example/"}), False, id="another URL"),
        pytest.param(item(9, config={**CONFIG, "body_template": "{}"}), False, id="another template"),
        pytest.param(item(9, config={"headers": "{}"}), False, id="no URL"),
        pytest.param(item(9, config=None), False, id="no configuration"),
        pytest.param(item(9, platform="datadog"), False, id="another platform"),
        pytest.param(item(9, platform=None), False, id="no platform"),
    ],
)
def test_list_is_searched_for_indistinguishable_integrations(other: Integration, identical: bool) -> None:  # noqa: FBT001 # pytest passes it
    found: list[Any] = view(item(5), other).identical("generic_http", CONFIG)
    assert sorted(each.id for each in found) == ([5, 9] if identical else [5])


def test_unknown_platform_has_no_identical_integration() -> None:
    assert view(item(5), item(6, platform="new")).identical("other", CONFIG) == []


VALUES = st.sampled_from(["", "*", "****", "https://a.example", "https://A.example:443/", "https://b.example", "{}"])
KEYS = sorted({key for keys in COMPARABLE.values() for key in keys})
CONFIGS = st.dictionaries(st.sampled_from(KEYS), VALUES)
PLATFORMS = st.sampled_from([*sorted(COMPARABLE), "new"])


@example("generic_http", {}, [("generic_http", {"url": ""}), ("generic_http", {})])
@given(PLATFORMS, CONFIGS, st.lists(st.tuples(st.none() | PLATFORMS, st.none() | CONFIGS), max_size=6))
def test_search_finds_each_identical_integration_once(platform: str, config: dict[str, str], shown: list[Any]) -> None:
    items = [item(number, platform=each, config=other) for number, (each, other) in enumerate(shown, 1)]
    found = view(*items).identical(platform, config)
    assert sorted(each.id for each in found) == [
        each.id for each in items if compare.is_identical(platform, config, each)
    ]


@pytest.mark.parametrize(("moment", "seen"), [(NOW - 2, True), (NOW - 1, True), (NOW - 0.5, False), (None, True)])
def test_list_shows_the_state_at_its_start(moment: float | None, seen: bool) -> None:  # noqa: FBT001 # pytest passes it
    begun = case(integration(), snapshot=view(begun=NOW - 1)).list_since(moment)
    assert (begun is not None) is seen


def test_reconcile_request_fits_into_a_status_and_another_one_differs() -> None:
    def requested(value: str) -> str | None:
        return integration(annotations={RECONCILE_ANNOTATION: value}).metadata.reconcile_request

    assert integration().metadata.reconcile_request is None
    assert requested("2026-05-01") == "2026-05-01"
    assert requested("a" * MAX_REQUEST) == "a" * MAX_REQUEST
    long = requested("a" * 100_000)
    assert long is not None
    assert len(long) <= MAX_REQUEST
    assert long != requested("b" * 100_000)


class Counting(dict[str, str]):
    """A configuration that counts its reads."""

    reads = 0

    def get(self, key: str, default: str = "") -> str:  # type: ignore[override]  # as the code calls it
        self.reads += 1
        return super().get(key, default)


def test_configuration_is_parsed_once_for_any_number_of_similar_integrations() -> None:
    """With 20,000 of them, and 32 headers, the event loop was blocked for eight seconds."""
    shown = {"url": "https://a.example", "headers": '{"X": ""}', "body_template": "a"}
    items = tuple(Integration(number, platform="generic_http", config=shown) for number in range(1, 1001))
    wanted = Counting(shown | {"body_template": "b"})
    assert AccountSnapshot(Listing(items), 0.0).identical("generic_http", wanted) == []
    assert wanted.reads < 10
