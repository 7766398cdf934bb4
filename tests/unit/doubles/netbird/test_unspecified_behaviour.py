"""Behaviour of the simulated NetBird API that no public source specifies."""

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.doubles.netbird.behaviour import Form
from tests.doubles.netbird.wire import Operation, Request
from tests.unit.doubles.netbird.given import CALLER, DATADOG, HTTP, LATER, NOW, body, made, put, server

HOUR = timedelta(hours=1)


def shown(model: Any, at: Any = NOW) -> list[dict[str, Any]]:
    content = model.handle(Request(Operation.LIST, CALLER), at).content
    return json.loads(content) or []


def status(model: Any, operation: Operation, integration_id: int) -> int:
    answer: int = model.handle(Request(operation, CALLER, integration_id, body(DATADOG)), NOW).status
    return answer


def test_blank_server_shows_nothing_and_finds_nothing() -> None:
    model = server(blank=True)
    found = made(model, body(DATADOG))
    assert shown(model) == []
    for operation in (Operation.GET, Operation.UPDATE, Operation.DELETE):
        assert status(model, operation, found) == 404
    assert set(model.integrations) == {found}


def test_get_can_lag_as_a_list_does() -> None:
    model = server(list_lag=30.0, get_lag=True)
    found = made(model, body(DATADOG))
    assert status(model, Operation.GET, found) == 404
    assert model.handle(Request(Operation.GET, CALLER, found), NOW + timedelta(seconds=31)).status == 200


def test_id_is_assigned_again_if_ids_are_reused() -> None:
    model = server(reuse_ids=True)
    first, second = made(model, body(DATADOG)), made(model, body(DATADOG))
    status(model, Operation.DELETE, second)
    assert made(model, body(DATADOG)) == second != first


def test_immutable_key_stays_although_the_put_is_accepted() -> None:
    model = server(immutable=("api_url",))
    found = made(model, body(DATADOG))
    changed = {**DATADOG, "api_url": "https://other.example/"}
    assert put(model, found, body(changed)).status == 200
    assert model.integrations[found].config["api_url"] == DATADOG["api_url"]


def test_stamping_server_moves_updated_at_at_every_list() -> None:
    model = server(stamps=True)
    made(model, body(DATADOG))
    assert shown(model, LATER)[0]["updated_at"] != shown(model, LATER + HOUR)[0]["updated_at"]


@pytest.mark.parametrize(
    ("form", "key", "sent", "seen"),
    [
        (Form.STRIPPED, "body_template", "{{.ID}}\n", "{{.ID}}"),
        (Form.ENCODED, "url", "https://hook.example/{a}", "https://hook.example/%7Ba%7D"),
        (Form.MASKED_PATH, "url", "https://hook.example/a/b?c=d", "https://hook.example/****"),
        (Form.UNRELATED, "url", "https://hook.example/a", "(set)"),
        (Form.AS_SENT, "url", "https://hook.example/a", "https://hook.example/a"),
    ],
)
def test_values_are_shown_normalized_and_kept_as_sent(form: Form, key: str, sent: str, seen: str) -> None:
    model = server(form=form)
    found = made(model, body({**HTTP, key: sent}, "generic_http"))
    assert shown(model)[0]["config"][key] == seen
    assert model.integrations[found].config[key] == sent


def test_list_can_be_truncated_and_show_elements_of_unknown_shapes() -> None:
    model = server(list_limit=1, strange_items=True)
    first, second = made(model, body(DATADOG)), made(model, body(DATADOG))
    ids = [each["id"] for each in shown(model)]
    assert first in ids
    assert second not in ids
    assert len(ids) > 1


def test_database_has_its_own_clock() -> None:
    model = server(database_skew=-300.0)
    assert model.integrations[made(model, body(DATADOG))].created_at == NOW - timedelta(seconds=300)


def test_restored_database_has_the_ids_values_and_times_of_its_backup() -> None:
    model = server()
    first = made(model, body(DATADOG))
    backup, before = model.shelf.back_up(), model.integrations[first]
    second = made(model, body(DATADOG))
    put(model, first, body({**DATADOG, "api_url": "https://other.example/"}), LATER)
    model.shelf.revert(backup)
    assert model.integrations == {first: before}
    assert [each["id"] for each in shown(model)] == [first]
    assert made(model, body(DATADOG)) == second
