"""The manifests that `export` prints."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from netbird_streaming.api.destinations import Platform
from netbird_streaming.api.types import IntegrationSpec
from netbird_streaming.cli.manifests import Place, kustomization, manifests, place_comments, unsupported
from netbird_streaming.cli.yaml_text import text_of
from netbird_streaming.core.netbird.types import UNKNOWN_ID, Integration
from tests.harness.cases import item

PLACE = Place("team-a", "NetBirdConnection", "netbird")
CONFIGS: dict[str, dict[str, str]] = {
    "datadog": {"api_url": "https://http-intake.logs.us3.datadoghq.com/api/v2/logs"},
    "s3": {"bucket_name": "company-events", "region": "eu-central-1"},
    "firehose": {"stream_name": "events", "region": "eu-central-1"},
    "generic_http": {"url": "https://siem.example/in", "headers": "{}", "body_template": ""},
}


def exported(platform: str = "generic_http", **config: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the spec and the Secret's data of one integration."""
    made = manifests(item(platform=platform, config={**CONFIGS[platform], **config}), PLACE)
    documents = [yaml.safe_load(text_of(each)) for each in made]
    assert IntegrationSpec.model_validate(documents[0]["spec"]).adoption.id == 5
    return documents[0]["spec"], documents[1]["stringData"] if len(documents) > 1 else {}


@pytest.mark.parametrize("platform", [each.value for each in Platform])
def test_each_platform_is_adopted_by_id_and_kept_when_the_resource_is_deleted(platform: str) -> None:
    spec, _ = exported(platform)
    assert spec["adoption"] == {"policy": "Match", "id": 5}
    assert (spec["platform"], spec["deletionPolicy"]) == (platform, "Orphan")
    assert spec["connectionRef"] == {"kind": "NetBirdConnection", "name": "netbird"}


def test_masked_values_become_empty_keys_of_a_secret() -> None:
    spec, secret = exported("datadog")
    assert spec["datadog"]["site"] == "us3.datadoghq.com"
    assert spec["datadog"]["apiKeySecretRef"] == {"name": "datadog-5", "key": "api-key"}
    assert secret == {"api-key": ""}
    assert exported("s3")[1] == exported("firehose")[1] == {"access-key": "", "secret-key": ""}
    assert exported()[1] == {}


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.slack.com/services/T0001/B0001/AbCdEf0123456789AbCd",
        "https://user:password@siem.example/in",
        "https://siem.example/in?token=abc",
        "https://siem.example/****",
        "",
    ],
)
def test_url_that_may_hold_a_secret_is_not_printed(url: str) -> None:
    spec, secret = exported(url=url)
    assert spec["genericHTTP"]["urlSecretRef"] == {"name": "generic-http-5", "key": "url"}
    assert "url" not in spec["genericHTTP"]
    assert secret == {"url": ""}


def test_headers_are_printed_only_if_they_are_no_credentials() -> None:
    headers = {"Content-Type": "application/json", "X-Api-Key": "k", "X-Masked": "****", "X-Team": "Bearer abc"}
    spec, secret = exported(headers=json.dumps(headers))
    shown = {each["name"]: each.get("value") for each in spec["genericHTTP"]["headers"]}
    assert shown == {"Content-Type": "application/json", "X-Api-Key": None, "X-Masked": None, "X-Team": None}
    assert set(secret) == {"x-api-key", "x-masked", "x-team"}


def test_masked_headers_are_an_invalid_entry_until_they_are_filled_in() -> None:
    spec, secret = exported(headers="****")
    assert spec["genericHTTP"]["headers"][0]["name"] == ""
    assert secret == {"header": ""}


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (item(platform="sentinel"), "platform sentinel"),
        (item(platform=None), "platform unknown"),
        (item(config=None), "without its configuration"),
        (Integration(7, unreadable="config is a list"), "Integration 7 can't be read"),
        (Integration(UNKNOWN_ID, unreadable="no id"), "An integration without a readable id"),
        (item(), None),
    ],
)
def test_unexportable_values_are_named(shown: Integration, expected: str | None) -> None:
    problem = unsupported(shown)
    assert problem is None if expected is None else expected in (problem or "")


def test_cluster_connection_has_to_allow_the_adoption() -> None:
    place = Place("t1", "ClusterNetBirdConnection", "default", "tenant-1")
    assert "{namespaces: [t1], tenantID: tenant-1, allowAdoption: true}" in place_comments(place)[1]
    assert place_comments(PLACE) == ()


texts = st.text(max_size=60)


@given(st.sampled_from(sorted(CONFIGS)), texts, texts, st.dictionaries(texts, texts, max_size=4))
def test_any_integration_is_one_document_with_its_comments(
    platform: str, first: str, second: str, headers: dict[str, str]
) -> None:
    shown = json.dumps(headers) if headers else second
    config = dict.fromkeys(CONFIGS[platform], first) | ({"headers": shown} if platform == "generic_http" else {})
    for each in manifests(item(platform=platform, config=config, account_id=first or None), PLACE):
        (document,) = yaml.safe_load_all(text_of(each))
        assert document == each.document


def test_kustomization_lists_all_files() -> None:
    text = text_of(kustomization(["a.yaml", "tenants/t"], ["line\nbreak"]))
    assert yaml.safe_load(text)["resources"] == ["a.yaml", "tenants/t"]
    assert text.startswith("# line break\n")
