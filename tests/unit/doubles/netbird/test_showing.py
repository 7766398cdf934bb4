"""The representations of the simulated NetBird API: masks, numbers, times, and variants of servers."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.doubles.netbird.behaviour import HeaderMask, TimeForm
from tests.doubles.netbird.wire import Operation, Request
from tests.unit.doubles.netbird.given import (
    CALLER,
    DATADOG,
    HTTP,
    LATER,
    NOW,
    S3,
    body,
    listed,
    made,
    post,
    put,
    server,
)


class TestShowing:
    @pytest.mark.parametrize(
        ("platform", "config", "hidden"),
        [
            ("datadog", DATADOG, {"api_key"}),
            ("s3", S3, {"access_key", "secret_key"}),
            ("generic_http", HTTP, {"headers"}),
        ],
    )
    def test_secrets_are_masked_in_every_response(
        self, platform: str, config: dict[str, str], hidden: set[str]
    ) -> None:
        model = server(thin_get=False)
        created: Any = post(model, body(config, platform)).body
        answers = [
            created,
            *listed(model),
            model.handle(Request(Operation.GET, CALLER, created["id"]), NOW).body,
            put(model, created["id"], body(config, platform)).body,
        ]
        for shown in answers:
            assert shown["config"] == {key: "****" if key in hidden else value for key, value in config.items()}
        assert dict(model.integrations[created["id"]].config) == config

    def test_cleared_secret_is_masked_like_a_kept_one(self) -> None:
        model = server()
        found = made(model, body(HTTP, "generic_http"))
        put(model, found, body({**HTTP, "headers": ""}))
        assert listed(model)[0]["config"]["headers"] == "****"

    @pytest.mark.parametrize(
        ("mask", "shown"),
        [
            (HeaderMask.WHOLE, "****"),
            (HeaderMask.VALUES, '{"X-Key": "****"}'),
            (HeaderMask.NONE, HTTP["headers"]),
        ],
    )
    def test_headers_are_masked_according_to_the_setting(self, mask: HeaderMask, shown: str) -> None:
        model = server(mask_headers=mask)
        made(model, body(HTTP, "generic_http"))
        assert listed(model)[0]["config"]["headers"] == shown

    def test_ids_are_exact_above_the_precision_of_a_double(self) -> None:
        model = server()
        first, second = made(model, body(DATADOG)), made(model, body(DATADOG))
        assert first > 2**53
        assert second - first == 1
        assert [shown["id"] for shown in listed(model)] == [first, second]
        assert float(first) == float(first - 1), "which is why a client must not read it as a double"

    def test_thin_get_shows_neither_account_nor_configuration(self) -> None:
        model = server()
        found = made(model, body(DATADOG))
        shown: Any = model.handle(Request(Operation.GET, CALLER, found), NOW).body
        assert shown.keys() == {"id", "client_id", "tenant_id", "sync_interval", "enabled"}
        assert shown["tenant_id"] != "home"

    @pytest.mark.parametrize(
        ("settings", "in_list", "after_write"),
        [
            ({"time_form": TimeForm.UTC}, "2026-03-01T12:00:00.12Z", "2026-03-01T12:00:00.12Z"),
            ({"time_form": TimeForm.MIXED}, "2026-03-01T13:00:00.12+01:00", "2026-03-01T12:00:00.12Z"),
            (
                {"time_form": TimeForm.OFFSET, "offset_minutes": -210},
                "2026-03-01T08:30:00.12-03:30",
                "2026-03-01T08:30:00.12-03:30",
            ),
        ],
    )
    def test_times_have_the_formats_of_real_servers(
        self, settings: dict[str, Any], in_list: str, after_write: str
    ) -> None:
        model = server(**settings)
        created: Any = post(model, body(DATADOG)).body
        assert created["created_at"] == after_write
        assert listed(model)[0]["created_at"] == in_list

    @pytest.mark.parametrize(
        ("microsecond", "digits", "fraction"),
        [(0, 6, ""), (500000, 6, ".5"), (1, 6, ".000001"), (1, 9, ".000001007"), (0, 9, "")],
    )
    def test_fractions_lose_their_trailing_zeros(self, microsecond: int, digits: int, fraction: str) -> None:
        model = server(fraction_digits=digits, time_form=TimeForm.UTC)
        post(model, body(DATADOG), now=NOW.replace(microsecond=microsecond))
        assert listed(model)[0]["created_at"] == f"2026-03-01T12:00:00{fraction}Z"

    @pytest.mark.parametrize(("setting", "shown"), [(True, None), (False, [])])
    def test_empty_list_can_be_null(self, *, setting: bool, shown: object) -> None:
        assert listed(server(null_when_empty=setting)) == shown

    def test_changed_behaviour_affects_existing_integrations(self) -> None:
        model = server()
        made(model, body(DATADOG))
        listed(model)
        model.behaviour = replace(model.behaviour, added_config=(("flavour", "new"),), added_fields=(("note", "n"),))
        (shown,) = listed(model)
        assert (shown["config"]["flavour"], shown["note"]) == ("new", "n")

    def test_list_may_lag_behind_all_other_responses(self) -> None:
        model = server(list_lag=2, thin_get=False)
        found = made(model, body(DATADOG))
        request = Request(Operation.GET, CALLER, found)
        assert model.handle(request, NOW).status == 200
        seen = [listed(model, now=NOW + timedelta(seconds=each)) for each in (1.9, 2)]
        assert [len(each or []) for each in seen] == [0, 1]
        put(model, found, body(DATADOG, enabled=False))
        model.dashboard_delete(found, LATER + timedelta(seconds=1))
        later = [listed(model, now=LATER + timedelta(seconds=each)) for each in (1.5, 2.5, 3)]
        assert [[item["enabled"] for item in each or []] for each in later] == [[True], [False], []]
