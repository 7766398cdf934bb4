"""What is believed of an answer's body."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netbird_streaming.core.remote import UNKNOWN_ID, Integration, IntegrationRequest
from netbird_streaming.netbird import wire
from netbird_streaming.netbird.wire import UnreadableError

WHOLE = {
    "id": 7,
    "account_id": "acc-1",
    "enabled": True,
    "platform": "datadog",
    "created_at": "2024-01-04T15:03:26.634554+01:00",
    "updated_at": "2024-01-04T14:03:26.634554123Z",
    "config": {"api_key": "****", "api_url": "https://http-intake.logs.datadoghq.eu/api/v2/logs"},
}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
near_misses = st.fixed_dictionaries({}, optional=dict.fromkeys(WHOLE, json_values))


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


def test_the_reference_s_list_is_read_as_sent() -> None:
    assert listed(encoded([WHOLE])) == (
        Integration(
            7, "acc-1", "datadog", enabled=True, config=WHOLE["config"],  # type: ignore[arg-type]  # one dict of all kinds
            created_at="2024-01-04T15:03:26.634554+01:00", updated_at="2024-01-04T14:03:26.634554123Z",
        ),
    )  # fmt: skip


def test_the_reference_s_thin_answer_is_read() -> None:
    body = encoded({"id": 7, "client_id": "c", "tenant_id": "t", "sync_interval": 300, "enabled": True})
    assert wire.parse_integration(body, 7) == Integration(7, enabled=True)


@pytest.mark.parametrize("body", [b"null", b"[]", b" [ ] "])
def test_no_integrations_are_none(body: bytes) -> None:
    assert listed(body) == ()


@pytest.mark.parametrize("id_", [1, 2**53 + 1, 2**63 - 1])
def test_an_id_is_read_exactly(id_: int) -> None:
    assert wire.parse_integration(encoded({"id": id_})).id == id_


@pytest.mark.parametrize("id_", [True, False, 0, -1, 2**63, 7.0, "7", None, [7], {}])
def test_an_element_without_a_readable_id_leaves_the_rest_of_the_list_readable(id_: object) -> None:
    whole, unknown = listed(encoded([WHOLE, {**WHOLE, "id": id_}]))
    assert (whole.id, whole.unreadable) == (7, None)
    assert (unknown.id, unknown.unreadable) == (UNKNOWN_ID, "an integration's id is no positive 64-bit integer")


@pytest.mark.parametrize(
    ("odd", "shape"),
    [
        ({"config": []}, "config of an integration is a list"),
        ({"created_at": 1767225600}, "created_at is a number"),
        ({"enabled": "true"}, "enabled of an integration is a string"),
        ({"platform": ["datadog"]}, "platform is a list"),
        ({"account_id": "\ud800"}, "it is not JSON"),
    ],
)
def test_an_element_of_an_unknown_shape_exists_and_is_unknown(odd: dict[str, object], shape: str) -> None:
    first, second = listed(encoded([{**WHOLE, "id": 8, **odd}, WHOLE]))
    known = None if "platform" in odd else "datadog"
    assert first == Integration(8, platform=known, unreadable=shape)
    assert (second.id, second.unreadable) == (7, None)


def test_an_element_that_is_no_object_is_unknown() -> None:
    first, second = listed(encoded([7, WHOLE]))
    assert (first.id, first.unreadable) == (UNKNOWN_ID, "an integration was expected, not a number")
    assert second.id == WHOLE["id"]


def test_an_answer_about_another_integration_is_not_believed() -> None:
    with pytest.raises(UnreadableError, match="another integration"):
        wire.parse_integration(encoded(WHOLE), 8)


def test_unknown_fields_and_platforms_are_left_alone() -> None:
    item = wire.parse_integration(encoded({**WHOLE, "platform": "splunk", "colour": ["red"]}))
    assert item.platform == "splunk"


def test_values_that_are_no_strings_become_the_strings_that_they_stand_for() -> None:
    config = {"flag": True, "count": 3, "headers": {"X-Name": "ü"}, "gone": None, "text": "as it is"}
    assert wire.parse_integration(encoded({"id": 1, "config": config})).config == {
        "flag": "true",
        "count": "3",
        "headers": '{"X-Name":"ü"}',
        "text": "as it is",
    }


@pytest.mark.parametrize(
    "change", [{"platform": 1}, {"account_id": ["a"]}, {"enabled": "yes"}, {"config": "{}"}, {"updated_at": 1704376806}]
)
def test_a_field_of_a_wrong_type_is_named_without_its_value(change: dict[str, Any]) -> None:
    ((field, value),) = change.items()
    with pytest.raises(UnreadableError, match=field) as caught:
        wire.parse_integration(encoded({**WHOLE, **change}))
    assert repr(value) not in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"{", b"<html>", b"\xff\xfe", b"NaN", b"[" * 100_000, b'"\\ud800"', b"9" * 5000])
def test_what_is_not_json_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableError):
        listed(body)


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"\n"])
def test_a_deletion_is_answered_by_little(body: bytes) -> None:
    wire.check_deletion(body)


def test_a_page_deleted_nothing() -> None:
    with pytest.raises(UnreadableError):
        wire.check_deletion(b"<!doctype html>")


@pytest.mark.parametrize(
    "body", [b"null", b"[]", b'[{"id":"a"},{"id":"b"}]', b'[{"id":""}]', b'[{"id":1}]', b'{"id":"a"}']
)
def test_only_exactly_one_account_tells_which_it_is(body: bytes) -> None:
    with pytest.raises(UnreadableError):
        wire.parse_account_id(body)


def test_the_account_is_read() -> None:
    assert wire.parse_account_id(b'[{"id":"acc-1","domain":"example.com"}]') == "acc-1"


@settings(max_examples=60)
@given(
    st.binary(max_size=200) | json_values.map(encoded) | near_misses.map(encoded) | st.lists(near_misses).map(encoded)
)
def test_any_body_is_read_or_unreadable(body: bytes) -> None:
    for parse in (listed, wire.parse_integration, wire.parse_account_id, wire.check_deletion):
        problem = complaint(parse, body)
        assert problem is None or problem.__cause__ is None
        assert problem is None or problem.__suppress_context__ or problem.__context__ is None


def listed(body: bytes) -> tuple[Integration, ...]:
    return tuple(wire.parse_listing(body))


def complaint(parse: Callable[[bytes], object], body: bytes) -> UnreadableError | None:
    try:
        parse(body)
    except UnreadableError as problem:
        return problem
    return None


@given(st.dictionaries(st.text(), st.text(st.characters(codec="utf-8")), max_size=5), st.booleans())
def test_any_configuration_can_be_sent(config: dict[str, str], enabled: bool) -> None:  # noqa: FBT001  # hypothesis passes it
    sent = json.loads(wire.encode_request(IntegrationRequest("s3", config, enabled)))
    assert sent == {"platform": "s3", "config": config, "enabled": enabled}
