"""Completeness of each platform: a missing part is named here."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import pytest
import yaml

from netbird_streaming.api.destinations import BLOCKS, Platform
from netbird_streaming.api.model import Model
from netbird_streaming.api.types import IntegrationSpec
from netbird_streaming.cli.bundle_contents import described_object
from netbird_streaming.core.netbird.destinations import DESTINATIONS, KINDS, Kind
from netbird_streaming.core.netbird.payload import Payload, resolve, secret_names
from tests.doubles.netbird.rendering import SECRET_KEYS
from tests.doubles.netbird.validation import REQUIRED_KEYS, URL_KEYS
from tests.harness import pages
from tests.harness.cases import KEY
from tools.chart import ROOT

OPENAPI: Final = yaml.safe_load((ROOT / "tests/doubles/netbird/openapi.yaml").read_text())["components"]["schemas"]
PAGE: Final = "docs/platforms.md"
platforms: Final = pytest.mark.parametrize("platform", Platform)


class _AnyKey(dict[str, bytes]):
    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: str) -> bytes:
        return {"access-key": b"AKIA" + b"A" * 16, "url": b"https://siem.example/in"}.get(key, b"a" * 32)


def documented(platform: Platform) -> Mapping[str, Any]:
    """Return the spec of the platform's example on its page."""
    specs = [each["spec"] for _, each in pages.manifests(PAGE) if each["kind"] == "EventStreamingIntegration"]
    return next(spec for spec in specs if spec["platform"] == platform)


def payload_of(platform: Platform) -> Payload:
    spec = IntegrationSpec.model_validate(documented(platform))
    return resolve(spec, {name: _AnyKey() for name in secret_names(spec)}, KEY)


def test_each_platform_has_exactly_one_block_and_one_destination() -> None:
    assert set(BLOCKS) == set(DESTINATIONS) == set(Platform)
    assert set(REQUIRED_KEYS) == set(OPENAPI["Platform"]["enum"]) == {each.value for each in Platform}


@platforms
def test_spec_has_the_block_of_the_platform(platform: Platform) -> None:
    field = IntegrationSpec.model_fields[platform.value]
    assert (field.alias or platform.value) == BLOCKS[platform].name
    assert isinstance(IntegrationSpec.model_validate(documented(platform)).block, Model)


@platforms
def test_integrations_of_the_platform_can_be_distinguished(platform: Platform) -> None:
    """Without a compared key, any two integrations count as identical, and drift is never detected."""
    destination = DESTINATIONS[platform]
    assert destination.comparable
    assert destination.keys[0].kind is not Kind.SECRET
    assert [KINDS[key.name] for key in destination.keys] == [key.kind for key in destination.keys]


def described(platform: Platform) -> Mapping[str, Any]:
    """Return the schema of the platform's configuration in the description of NetBird's API."""
    schemas = (each["properties"] for each in OPENAPI["NewIntegration"]["oneOf"])
    return next(each["config"] for each in schemas if each["platform"]["const"] == platform)


@platforms
def test_request_has_the_keys_that_netbird_requires(platform: Platform) -> None:
    config, schema = payload_of(platform).request.config, described(platform)
    assert {name for name, value in config.items() if value} >= set(REQUIRED_KEYS[platform]) == set(schema["required"])
    assert set(config) == set(schema["properties"])


@platforms
def test_doubles_know_the_url_and_secret_keys(platform: Platform) -> None:
    keys = DESTINATIONS[platform].keys
    shown = described(platform)["properties"].items()
    urls = {name for name, schema in shown if schema.get("$ref", "").endswith("/Url")}
    assert {key.name for key in keys if key.kind is Kind.URL} == urls <= set(URL_KEYS)
    assert {key.name for key in keys if key.kind is Kind.SECRET} <= SECRET_KEYS


@platforms
def test_public_value_is_no_secret_and_has_no_query(platform: Platform) -> None:
    payload, kinds = payload_of(platform), {key.name: key.kind for key in DESTINATIONS[platform].keys}
    config = payload.request.config
    config = {name: f"{value}?token=t0k3n" if kinds[name] is Kind.URL else value for name, value in config.items()}
    public = replace(payload, request=replace(payload.request, config=config)).public
    assert not any(kinds[name] is Kind.SECRET for name in public)
    assert not any("t0k3n" in value for value in public.values())


@platforms
def test_bundle_leaves_out_the_settings_of_the_platform(platform: Platform) -> None:
    raw = {"metadata": {"name": "events"}, "spec": documented(platform), "status": {}}
    assert set(described_object(raw)["spec"]) == set(documented(platform)) - {BLOCKS[platform].name}
