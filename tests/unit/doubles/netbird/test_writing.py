"""Writes to the simulated NetBird API: the variants of POST and PUT, and refusals."""

from typing import Any

import pytest

from tests.doubles.netbird.behaviour import UpdateForm
from tests.doubles.netbird.wire import Operation, Unreadable, read_body, route
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


class TestWriting:
    @pytest.mark.parametrize(("ignores", "stored"), [(True, True), (False, False)])
    def test_post_may_ignore_enabled(self, *, ignores: bool, stored: bool) -> None:
        model = server(post_ignores_enabled=ignores)
        found = made(model, body(DATADOG, enabled=False))
        assert model.integrations[found].enabled is stored
        put(model, found, body(DATADOG, enabled=False))
        assert not model.integrations[found].enabled, "PUT always honours it"

    def test_put_merges_or_replaces(self) -> None:
        sent = {"url": "https://example.com/new"}
        for form, kept in ((UpdateForm.MERGE, {**HTTP, **sent}), (UpdateForm.REPLACE, sent)):
            model = server(update_form=form)
            found = made(model, body(HTTP, "generic_http"))
            assert put(model, found, body(sent)).status == 200
            assert dict(model.integrations[found].config) == kept

    def test_replacing_put_without_a_required_key_changes_nothing(self) -> None:
        model = server(update_form=UpdateForm.REPLACE)
        found = made(model, body(DATADOG))
        assert put(model, found, body({"api_url": DATADOG["api_url"]})).status == 422
        assert dict(model.integrations[found].config) == DATADOG

    @pytest.mark.parametrize("before", [True, False])
    def test_put_may_return_the_values_from_before(self, *, before: bool) -> None:
        model = server(put_answers_before=before)
        found = made(model, body(DATADOG))
        shown: Any = put(model, found, body({**DATADOG, "api_url": "https://new.example.com"}, enabled=False)).body
        assert (shown["enabled"], shown["updated_at"] == shown["created_at"]) == (before, before)
        assert model.integrations[found].updated_at == LATER
        assert model.integrations[found].created_at == NOW

    def test_put_never_changes_the_platform(self) -> None:
        model = server()
        found = made(model, body(DATADOG))
        put(model, found, body(DATADOG, "s3"))
        assert model.integrations[found].platform == "datadog"

    def test_mask_that_is_sent_back_becomes_the_secret(self) -> None:
        model = server()
        found = made(model, body(DATADOG))
        put(model, found, body(listed(model)[0]["config"]))
        assert model.integrations[found].config["api_key"] == "****"

    def test_server_may_normalize_a_url(self) -> None:
        model = server(normalise_urls=True)
        found = made(model, body(DATADOG))
        assert model.integrations[found].config["api_url"] == "https://intake.example.com/v2/"

    def test_identical_integrations_can_coexist(self) -> None:
        model = server()
        assert made(model, body(DATADOG)) != made(model, body(DATADOG))

    def test_server_may_allow_one_of_each_platform(self) -> None:
        model = server(one_per_platform=True)
        made(model, body(DATADOG))
        assert post(model, body(DATADOG)).status == 409
        assert post(model, body(S3, "s3")).status == 200

    @pytest.mark.parametrize("status", [412, 422])
    def test_refusing_destination_stops_post_and_put(self, status: int) -> None:
        model = server(rejected_secrets=frozenset({"wrong"}), rejection_status=status)
        found = made(model, body(DATADOG))
        wrong = body({**DATADOG, "api_key": "wrong"})
        assert (post(model, wrong).status, put(model, found, wrong).status) == (status, status)
        assert b"wrong" in post(model, wrong).content, "a careless server quotes what it was sent"
        assert (len(model.history), model.test_events[found]) == (1, 1)

    @pytest.mark.parametrize(
        ("sent", "status"),
        [
            (Unreadable(), 400),
            (None, 400),
            ({"platform": "datadog", "config": DATADOG}, 400),
            (body(DATADOG) | {"enabled": 1}, 400),
            (body(DATADOG) | {"config": {"api_key": 1}}, 400),
            (body(DATADOG) | {"platform": 1}, 400),
            (body(DATADOG, "splunk"), 422),
            (body({"access_key_id": "a", "secret_access_key": "s", "bucket_name": "b", "region": "r"}, "s3"), 422),
            (body({**DATADOG, "api_url": "intake.example.com"}), 422),
            (body({**DATADOG, "api_key": ""}), 422),
            (body({**HTTP, "headers": '["X-Key"]'}, "generic_http"), 422),
        ],
    )
    def test_invalid_body_creates_nothing(self, sent: object, status: int) -> None:
        model = server()
        assert post(model, sent).status == status
        assert not model.history

    @pytest.mark.parametrize("text", [b"{", b"\xff", b"[" * 100_000, b""])
    def test_invalid_json_is_unreadable(self, text: bytes) -> None:
        assert isinstance(read_body(text), Unreadable)


class TestRouting:
    @pytest.mark.parametrize("base", ["/api/integrations/event-streaming", "/api/event-streaming"])
    @pytest.mark.parametrize(
        ("tail", "integration_id"),
        [
            ("9223372036854775807", 2**63 - 1),
            ("9223372036854775808", None),
            ("1_0", None),
            ("\u0661", None),
            ("1.0", None),
            ("-1", -1),
        ],
    )
    def test_id_is_a_64_bit_integer(self, base: str, tail: str, integration_id: int | None) -> None:
        found = route("GET", f"{base}/{tail}", CALLER, b"")
        assert found.request is not None
        assert (found.request.operation, found.request.integration_id) == (Operation.GET, integration_id)

    @pytest.mark.parametrize(
        "path", ["/", "/api/event-streaming/", "/api/event-streaming/1/2", "/api/integrations", "/api/accounts/1"]
    )
    def test_other_paths_do_not_exist(self, path: str) -> None:
        assert route("GET", path, CALLER, b"").request is None
