"""Equality of configurations."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbird_streaming.core.netbird import compare
from netbird_streaming.core.netbird.destinations import COMPARABLE
from netbird_streaming.core.netbird.types import Integration
from tests.harness.cases import KEY

text = st.text(max_size=20)


def shown(**config: str) -> Integration:
    return Integration(id=1, platform="generic_http", config=config)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://SIEM.example/in", "https://siem.example/in"),
        ("https://siem.example", "https://siem.example/"),
        ("https://siem.example:443/in", "https://siem.example/in"),
        ("https://user@SIEM.example/in", "https://user@siem.example/in"),
        ("https:///in", "https:///in"),
    ],
)
def test_equivalent_urls_are_equal(one: str, other: str) -> None:
    assert compare.canonical_url(one) == compare.canonical_url(other)
    assert compare.canonical_url(compare.canonical_url(one)) == compare.canonical_url(one)


@pytest.mark.parametrize(
    ("wanted", "other"),
    [("https://siem.example", "https://SIEM.example:443/"), ("https://siem.example/", "https://siem.example")],
)
def test_normalized_url_is_no_difference(wanted: str, other: str) -> None:
    ours = {"url": wanted, "headers": "{}", "body_template": ""}
    assert compare.differences("generic_http", ours, shown(**{**ours, "url": other}), KEY) == {}


@pytest.mark.parametrize(
    "other",
    [
        "https://siem.example/IN",
        "https://siem.example/in/",
        "https://siem.example:8443/in",
        "https://siem.example/in?a",
        "https://siem.example/in#a",
        "http://siem.example/in",
        "https:///in",
        "https://user@siem.example/in",
        "https://user@@siem.example/in",
        "https://@siem.example/in",
    ],
)
def test_other_urls_differ(other: str) -> None:
    assert compare.canonical_url("https://siem.example/in") != compare.canonical_url(other)


def test_headers_differ_by_value_and_are_distinguished_by_name() -> None:
    ours = {"url": "https://a.example/", "headers": json.dumps({"X-Key": "one"})}
    other_value = shown(url="https://a.example/", headers=json.dumps({"x-key": "two"}))
    assert set(compare.differences("generic_http", ours, other_value, KEY)) == {"headers"}
    assert compare.is_identical("generic_http", ours, other_value)
    other_name = shown(url="https://a.example/", headers=json.dumps({"X-Other": "one"}))
    assert not compare.is_identical("generic_http", ours, other_name)


@pytest.mark.parametrize(
    ("wanted", "other", "differs"),
    [
        ("{}", "", False),
        ("", "{}", False),
        ('{"X-Key": "one"}', '{"x-key":"one"}', False),
        ('{"X-Key": "one"}', "nonsense", True),
        ('{"X-Key": "one"}', '{"X-Key": "one", "X-Other": "****"}', False),
        ('{"X-Key": "one", "X-Other": "two"}', '{"X-Key": "one"}', True),
        ('{"X-Key": "one"}', '{"X-Key": "two", "X-Other": "****"}', True),
        ("nonsense", "nonsense else", True),
    ],
)
def test_headers_differ_by_content_and_not_by_format(
    wanted: str,
    other: str,
    differs: bool,  # noqa: FBT001 # pytest passes it
) -> None:
    found = compare.differences("generic_http", {"headers": wanted}, shown(headers=other), KEY)
    assert set(found) == ({"headers"} if differs else set())


def test_each_difference_is_found() -> None:
    ours = {"url": "https://a.example/", "headers": "{}", "body_template": "https://a.example"}
    other = shown(url="https://A.example", headers="", body_template="https://A.example")
    assert set(compare.differences("generic_http", ours, other, KEY)) == {"body_template"}
    s3 = Integration(id=1, platform="s3", config={"bucket_name": "b", "region": "us-east-1"})
    assert set(compare.differences("s3", {"bucket_name": "a", "region": "eu-west-1"}, s3, KEY)) == {
        "bucket_name",
        "region",
    }


@pytest.mark.parametrize(
    ("value", "masked"), [("*", True), ("****", True), ("", False), ("X**", False), ("a*b", False)]
)
def test_asterisks_alone_are_a_mask(value: str, masked: bool) -> None:  # noqa: FBT001 # pytest passes it
    assert compare.is_masked(value) is masked


@pytest.mark.parametrize(
    ("one", "other", "identical"),
    [
        ("https://a.example/in/", "https://A.example/in", True),
        ("https://a.example/X/", "https://a.example/X", True),
        ("https://a.example/X", "https://a.example", False),
        ("https://a.example//in", "https://a.example/in", False),
    ],
)
def test_integrations_that_differ_by_a_final_slash_are_identical(
    one: str,
    other: str,
    identical: bool,  # noqa: FBT001 # pytest passes it
) -> None:
    assert compare.is_identical("generic_http", {"url": one}, shown(url=other)) is identical


def test_masked_header_values_are_no_difference() -> None:
    ours = {"url": "https://a.example/", "headers": json.dumps({"X-Key": "one"})}
    masked = shown(url="https://a.example/", headers=json.dumps({"X-Key": "****"}))
    assert compare.differences("generic_http", ours, masked, KEY) == {}


def test_thin_response_is_identical_to_nothing() -> None:
    assert not compare.is_identical("generic_http", {}, Integration(id=1, platform="generic_http"))


@given(text, text, st.dictionaries(st.text(min_size=1, max_size=5), text, max_size=3))
def test_value_shown_as_sent_never_differs(url: str, template: str, headers: dict[str, str]) -> None:
    config = {"url": url, "headers": json.dumps(headers), "body_template": template}
    assert compare.differences("generic_http", config, shown(**config), KEY) == {}
    assert compare.is_identical("generic_http", config, shown(**config))


@given(text, text, text)
def test_signature_matches_the_integration_created_with_it(url: str, headers: str, template: str) -> None:
    config = {"url": url, "headers": headers, "body_template": template}
    wanted = compare.signature("generic_http", config, KEY)
    assert compare.matches_signature(shown(**config), "generic_http", wanted, KEY)
    changed = shown(**{**config, "body_template": template + "x"})
    assert compare.is_masked(template + "x") or not compare.matches_signature(changed, "generic_http", wanted, KEY)


def test_signature_depends_on_the_platform_and_public_values() -> None:
    config = {"region": "eu-west-1", "bucket_name": "", "stream_name": ""}
    wanted = compare.signature("s3", {"region": "eu-west-1"}, KEY)
    for platform, found in (("s3", True), ("firehose", False), (None, False)):
        item = Integration(id=1, platform=platform, config=config)
        assert compare.matches_signature(item, "s3", wanted, KEY) is found
    assert not compare.matches_signature(Integration(id=1, platform="s3"), "s3", wanted, KEY)


@given(st.text())
def test_canonicalising_any_text_twice_changes_nothing(url: str) -> None:
    once = compare.canonical_url(url)
    assert isinstance(compare.canonical_url(once), str)


@given(st.text())
def test_any_header_text_is_parsed_or_refused(value: str) -> None:
    parsed = compare.parse_headers(value)
    assert parsed is None or all(name == name.lower() for name in parsed)


@given(*[st.sampled_from(["https://siem.example/in", "https://SIEM.example/in/", "https://other.example", ""])] * 2)
def test_indistinguishable_configurations_have_one_natural_key(one: str, other: str) -> None:
    for platform, keys in COMPARABLE.items():
        first, second = (dict.fromkeys(keys, "same") | {keys[0]: value} for value in (one, other))
        identical = compare.is_identical(platform, first, Integration(id=1, platform=platform, config=second))
        assert (compare.natural_key(platform, first) == compare.natural_key(platform, second)) is identical
        assert compare.natural_key(platform, {}) == compare.natural_key(platform, dict.fromkeys(keys, ""))


def test_unknown_platform_has_no_natural_key() -> None:
    assert compare.natural_key("new", {"url": "https://siem.example"}) == ()


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://siem.example.com:8443/path", "siem.example.com"),
        ("https://1::1]:99998/", None),
        ("https://a[b/path", None),
        ("", None),
    ],
)
def test_host_of_a_text_without_one_is_the_text(url: str, host: str | None) -> None:
    assert compare.host_of(url) == (host or url)


@given(st.text())
def test_any_text_has_a_host(url: str) -> None:
    assert isinstance(compare.host_of(compare.identifying("url", f"https://{url}")), str)
