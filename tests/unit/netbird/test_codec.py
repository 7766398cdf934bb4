"""The accepted content of a response body."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netbird_streaming.core.netbird.types import UNKNOWN_ID, Integration, IntegrationRequest
from netbird_streaming.netbird import codec
from netbird_streaming.netbird.codec import UnreadableError
from tests.harness.cases import WALL

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


def test_list_of_the_reference_is_read_as_sent() -> None:
    assert listed(encoded([WHOLE])) == (
        Integration(
            7, "acc-1", "datadog", enabled=True, config={"api_url": "https://http-intake.logs.datadoghq.eu/api/v2/logs"},
            created_at="2024-01-04T15:03:26.634554+01:00", updated_at="2024-01-04T14:03:26.634554123Z",
        ),
    )  # fmt: skip


def test_thin_response_of_the_reference_is_read() -> None:
    body = encoded({"id": 7, "client_id": "c", "tenant_id": "t", "sync_interval": 300, "enabled": True})
    assert codec.parse_integration(body, 7) == Integration(7, enabled=True)


@pytest.mark.parametrize("body", [b"null", b"[]", b" [ ] "])
def test_no_integrations_are_an_empty_list(body: bytes) -> None:
    assert listed(body) == ()


@pytest.mark.parametrize("id_", [1, 2**53 + 1, 2**63 - 1])
def test_id_is_read_exactly(id_: int) -> None:
    assert codec.parse_integration(encoded({"id": id_})).id == id_


@pytest.mark.parametrize("id_", [True, False, 0, -1, 2**63, 7.0, "7", None, [7], {}])
def test_element_without_a_readable_id_leaves_the_rest_of_the_list_readable(id_: object) -> None:
    whole, unknown = listed(encoded([WHOLE, {**WHOLE, "id": id_}]))
    assert (whole.id, whole.unreadable) == (7, None)
    assert (unknown.id, unknown.unreadable) == (UNKNOWN_ID, "an integration's id is not a positive 64-bit integer")


@pytest.mark.parametrize(
    ("odd", "shape"),
    [
        ({"config": []}, "config of an integration is a list"),
        ({"created_at": 1767225600}, "created_at is a number"),
        ({"enabled": "true"}, "enabled of an integration is a string"),
        ({"platform": ["datadog"]}, "platform is a list"),
        ({"account_id": "\ud800"}, "account_id has a character that can't be printed"),
        ({"config": {"url": "\ud800"}}, "it is not JSON"),
    ],
)
def test_element_of_an_unknown_shape_exists_and_is_unknown(odd: dict[str, object], shape: str) -> None:
    first, second = listed(encoded([{**WHOLE, "id": 8, **odd}, WHOLE]))
    known = None if "platform" in odd else "datadog"
    assert first == Integration(8, platform=known, unreadable=shape)
    assert (second.id, second.unreadable) == (7, None)


def test_element_that_is_no_object_is_unknown() -> None:
    first, second = listed(encoded([7, WHOLE]))
    assert (first.id, first.unreadable) == (UNKNOWN_ID, "an integration was expected, not a number")
    assert second.id == WHOLE["id"]


def test_response_about_another_integration_is_refused() -> None:
    with pytest.raises(UnreadableError, match="another integration"):
        codec.parse_integration(encoded(WHOLE), 8)


def test_unknown_fields_and_platforms_are_ignored() -> None:
    item = codec.parse_integration(encoded({**WHOLE, "platform": "splunk", "colour": ["red"]}))
    assert item.platform == "splunk"


def test_values_that_are_no_strings_are_converted() -> None:
    config = {"region": True, "body_template": 3, "headers": {"X-Name": "ü"}, "bucket_name": None, "url": "as it is"}
    assert codec.parse_integration(encoded({"id": 1, "config": config})).config == {
        "region": "true",
        "body_template": "3",
        "headers": '{"X-Name":"ü"}',
        "url": "as it is",
    }


def test_only_comparable_keys_of_a_configuration_are_kept() -> None:
    config = {"api_url": "https://a.example", "api_key": "****", **{f"k{number}": "v" for number in range(1000)}}
    assert codec.parse_integration(encoded({"id": 1, "config": config})).config == {"api_url": "https://a.example"}


def test_list_may_hold_as_many_integrations_as_the_limit_and_no_more() -> None:
    ids = [b'{"id":%d}' % number for number in range(1, codec.MAX_ITEMS + 2)]
    assert len(listed(b"[" + b",".join(ids[1:]) + b"]")) == codec.MAX_ITEMS
    with pytest.raises(UnreadableError, match="more than 20000 integrations"):
        listed(b"[" + b",".join(ids) + b"]")


def test_integration_with_too_many_keys_is_refused_before_it_is_decoded() -> None:
    keys = b",".join(b'"%d":1' % number for number in range(60_000))
    assert len(keys) > codec.MAX_ELEMENT
    with pytest.raises(UnreadableError, match="an integration has more than 256 KiB"):
        listed(b'[{"id":1,' + keys + b"}]")
    with pytest.raises(UnreadableError):
        listed(b'{"id":1,' + keys + b"}")


@pytest.mark.parametrize("character", ["x", "é", "€", "\U0001f600"])
def test_texts_of_a_list_have_a_limit_in_memory(character: str) -> None:
    """A single wide character makes Python keep four bytes for each of a text."""

    def items(length: int) -> bytes:
        return encoded([{"id": n, "config": {"url": f"{n}{character}{'x' * length}"}} for n in range(1, 101)])

    width = max(1, (ord(character).bit_length() + 7) // 8)
    width = {1: 1, 2: 2, 3: 4}[width]
    assert len(listed(items(codec.MAX_KEPT // width // 100 - 200))) == 100
    with pytest.raises(UnreadableError, match="more than 4 MiB of text"):
        listed(items(codec.MAX_KEPT // width // 100 + 200))


@pytest.mark.parametrize("character", ["\n", "\x00", "\x1b", "\x7f", "\x9b", "\u202e", "\u2028", "\u200b"])
@pytest.mark.parametrize("key", ["account_id", "platform", "created_at", "updated_at"])
def test_text_for_a_status_holds_only_printable_characters(key: str, character: str) -> None:
    with pytest.raises(UnreadableError, match=f"{key} has a character that can't be printed"):
        codec.parse_integration(encoded({**WHOLE, key: f"acc{character}1"}))
    with pytest.raises(UnreadableError, match="id has a character"):
        codec.parse_account_id(encoded([{"id": f"acc{character}1"}]))


@pytest.mark.parametrize(
    "change", [{"platform": 1}, {"account_id": ["a"]}, {"enabled": "yes"}, {"config": "{}"}, {"updated_at": 1704376806}]
)
def test_field_of_a_wrong_type_is_named_without_its_value(change: dict[str, Any]) -> None:
    ((field, value),) = change.items()
    with pytest.raises(UnreadableError, match=field) as caught:
        codec.parse_integration(encoded({**WHOLE, **change}))
    assert repr(value) not in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"{", b"<html>", b"\xff\xfe", b"NaN", b"[" * 100_000, b'"\\ud800"', b"9" * 5000])
def test_invalid_json_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableError):
        listed(body)


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"\n"])
def test_any_short_response_to_a_deletion_is_accepted(body: bytes) -> None:
    codec.check_deletion(body)


def test_html_page_is_no_deletion() -> None:
    with pytest.raises(UnreadableError):
        codec.check_deletion(b"<!doctype html>")


@pytest.mark.parametrize(
    "body", [b"null", b"[]", b'[{"id":"a"},{"id":"b"}]', b'[{"id":""}]', b'[{"id":1}]', b'{"id":"a"}']
)
def test_account_is_known_only_from_exactly_one(body: bytes) -> None:
    with pytest.raises(UnreadableError):
        codec.parse_account_id(body)


def test_account_is_read() -> None:
    assert codec.parse_account_id(b'[{"id":"acc-1","domain":"example.com"}]') == "acc-1"


def test_user_and_its_tokens_are_read() -> None:
    assert codec.parse_user_id(b'{"id":"google-oauth2|1"}') == "google-oauth2|1"
    assert codec.parse_tokens(b"null") == ()
    item = {"id": "t", "expiration_date": "2026-05-01T14:00:00+02:00", "last_used": "2026-04-01T12:00:00.123456789Z"}
    (token,) = codec.parse_tokens(encoded([item]))
    assert (token.expires_at, token.last_used) == (WALL, datetime(2026, 4, 1, 12, 0, 0, 123456, UTC))


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"id":""}', b'{"id":".."}', b'{"id":1}'])
def test_user_without_a_usable_id_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableError):
        codec.parse_user_id(body)


@pytest.mark.parametrize(
    "body",
    [b"{}", b"[1]", b"[{}]", b'[{"expiration_date":"soon"}]', b'[{"expiration_date":"0001-01-01T00:00:00+01:00"}]'],
)
def test_tokens_without_a_time_are_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableError):
        codec.parse_tokens(body)


@settings(max_examples=60)
@given(
    st.binary(max_size=200) | json_values.map(encoded) | near_misses.map(encoded) | st.lists(near_misses).map(encoded)
)
def test_any_body_is_read_or_unreadable(body: bytes) -> None:
    parsers = (listed, codec.parse_integration, codec.parse_account_id, codec.parse_user_id, codec.parse_tokens)
    for parse in (*parsers, codec.check_deletion):
        problem = complaint(parse, body)
        assert problem is None or problem.__cause__ is None
        assert problem is None or problem.__suppress_context__ or problem.__context__ is None


def listed(body: bytes) -> tuple[Integration, ...]:
    return tuple(item for piece in codec.parse_listing(body) for item in piece)


def complaint(parse: Callable[[bytes], object], body: bytes) -> UnreadableError | None:
    try:
        parse(body)
    except UnreadableError as problem:
        return problem
    return None


@given(st.dictionaries(st.text(), st.text(st.characters(codec="utf-8")), max_size=5), st.booleans())
def test_any_configuration_can_be_sent(config: dict[str, str], enabled: bool) -> None:  # noqa: FBT001  # hypothesis passes it
    sent = json.loads(codec.encode_request(IntegrationRequest("s3", config, enabled)))
    assert sent == {"platform": "s3", "config": config, "enabled": enabled}
