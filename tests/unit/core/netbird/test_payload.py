"""The request to NetBird, and the parts of it that may be shown."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbird_streaming.api.status import MAX_PUBLIC
from netbird_streaming.api.types import IntegrationSpec, TokenType
from netbird_streaming.core.netbird.payload import Payload, referenced, resolve, secret_keys, secret_names
from netbird_streaming.core.netbird.secret_reader import MAX_CONFIGURATION, url_fault
from netbird_streaming.core.netbird.types import Endpoint
from netbird_streaming.core.values import MAX_VALUE, value_fault
from netbird_streaming.errors import EditError, WaitError
from netbird_streaming.reasons import Reason
from tests.harness.cases import KEY

REF = {"name": "creds", "key": "a"}
OTHER = {"name": "creds", "key": "b"}
SECRETS = {"creds": {"a": b"alpha", "b": b"beta"}}


def payload(secrets: Any = None, **spec: Any) -> Payload:
    allowed = spec.pop("allow_plain_http", False)
    given = SECRETS if secrets is None else secrets
    return resolve(IntegrationSpec.model_validate(spec), given, KEY, allow_plain_http=allowed)


def http(secrets: Any = None, **block: Any) -> Payload:
    return payload(secrets, platform="generic_http", genericHTTP={"url": "https://siem.example/in", **block})


def headers(made: Payload) -> Any:
    return json.loads(made.request.config["headers"])


def test_each_platform_sends_the_keys_that_netbird_reads() -> None:
    datadog = payload(platform="datadog", datadog={"site": "datadoghq.eu", "apiKeySecretRef": REF})
    assert datadog.request.config == {
        "api_url": "https://http-intake.logs.datadoghq.eu/api/v2/logs",
        "api_key": "alpha",
    }
    aws = {"region": "eu-west-1", "accessKeyIDSecretRef": REF, "secretAccessKeySecretRef": OTHER}
    keys = {"region": "eu-west-1", "access_key": "alpha", "secret_key": "beta"}
    assert payload(platform="s3", s3={"bucketName": "logs", **aws}).request.config == {"bucket_name": "logs", **keys}
    firehose = payload(platform="firehose", firehose={"streamName": "logs", **aws})
    assert firehose.request.config == {"stream_name": "logs", **keys}


def test_unset_fields_are_sent_as_empty() -> None:
    assert http().request.config == {"url": "https://siem.example/in", "headers": "{}", "body_template": ""}
    assert http(headers=[{"name": "X-Team"}]).request.config["headers"] == '{"X-Team": ""}'


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        ({"bearer": {"tokenSecretRef": REF}}, {"Authorization": "Bearer alpha"}),
        (
            {"basic": {"usernameSecretRef": REF, "passwordSecretRef": OTHER}},
            {"Authorization": "Basic " + base64.b64encode(b"alpha:beta").decode()},
        ),
        ({"header": {"name": "X-Key", "valueSecretRef": REF}}, {"X-Key": "alpha"}),
    ],
)
def test_authentication_is_a_header(auth: dict[str, Any], header: dict[str, str]) -> None:
    made = http(headers=[{"name": "X-Team", "value": "a"}], auth=auth)
    assert headers(made) == {"X-Team": "a", **header}
    assert "alpha" not in str(made.public)


def test_url_from_a_secret_is_never_shown() -> None:
    secrets = {"creds": {"a": b"https://hooks.example/services/T0/B0/sesame"}}
    made = payload(secrets, platform="generic_http", genericHTTP={"urlSecretRef": REF})
    assert made.request.config["url"] == "https://hooks.example/services/T0/B0/sesame"
    for said in (str(made.public), str(made.signature), made.fingerprint, repr(made)):
        assert "sesame" not in said
        assert "hooks.example" not in said


def test_no_representation_shows_a_secret() -> None:
    endpoint = Endpoint("https://api.netbird.io", "hunter2", TokenType.PERSONAL_ACCESS_TOKEN)
    made = http({"creds": {"a": b"hunter2"}}, headers=[{"name": "X-Key", "valueFrom": {"secretKeyRef": REF}}])
    assert "hunter2" in str(dict(made.request.config))
    for each in (endpoint, made, made.request, [endpoint], {"payload": made}):
        assert "hunter2" not in f"{each} {each!r}"


def test_query_is_no_public_part_of_a_url() -> None:
    secret = "https://siem.example/in?token=sesame"
    assert http(url=secret).public == {"url": "https://siem.example/in"}
    datadog = payload(platform="datadog", datadog={"apiURL": secret, "apiKeySecretRef": REF})
    assert datadog.public == {"api_url": "https://siem.example/in"}


def test_names_are_public() -> None:
    aws = {"region": "eu-west-1", "accessKeyIDSecretRef": REF, "secretAccessKeySecretRef": OTHER}
    firehose = payload(platform="firehose", firehose={"streamName": "logs/a?b", **aws})
    assert firehose.public == {"stream_name": "logs/a?b", "region": "eu-west-1"}
    named = http(headers=[{"name": "X-Team", "value": "a"}, {"name": "X-Key", "valueFrom": {"secretKeyRef": REF}}])
    assert named.public == {"url": "https://siem.example/in", "headers": "X-Key, X-Team"}


def test_header_names_above_the_statuss_limit_are_counted() -> None:
    named = http(headers=[{"name": f"X-{each:03}-{'a' * 94}", "value": "a"} for each in range(30)])
    shown = named.public["headers"]
    assert len(shown) <= MAX_PUBLIC
    assert (shown.count("X-"), shown.endswith(", and 11 more")) == (19, True)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b"", "empty"),
        (b"key\n", "newline"),
        (b"key\r\n", "newline"),
        (b"key\r", "newline"),
        (b"k\x00ey", "control character"),
        (b"k\ney", "control character"),
        ("schlüssel".encode(), "outside ASCII"),
        (b"\xff\xfe", "outside ASCII"),
        (b" key", "space"),
        (b"key ", "space"),
    ],
)
def test_each_unusable_value_has_its_own_message(value: bytes, words: str) -> None:
    with pytest.raises(WaitError, match=words) as caught:
        payload({"creds": {"a": value}}, platform="datadog", datadog={"site": "datadoghq.eu", "apiKeySecretRef": REF})
    assert caught.value.reason is Reason.SECRET_VALUE_INVALID
    assert "creds" in caught.value.message


def test_missing_secret_and_missing_key_are_distinguished() -> None:
    spec: dict[str, Any] = {"platform": "datadog", "datadog": {"site": "datadoghq.eu", "apiKeySecretRef": REF}}
    with pytest.raises(WaitError) as missing:
        payload({"creds": None}, **spec)
    with pytest.raises(WaitError) as keyless:
        payload({"creds": {"b": b"x"}}, **spec)
    assert (missing.value.reason, keyless.value.reason) == (Reason.SECRET_NOT_FOUND, Reason.SECRET_KEY_NOT_FOUND)


def test_colon_in_a_user_name_is_refused() -> None:
    auth = {"basic": {"usernameSecretRef": REF, "passwordSecretRef": OTHER}}
    with pytest.raises(WaitError, match="colon"):
        http({"creds": {"a": b"a:b", "b": b"x"}}, auth=auth)


def test_only_the_selected_blocks_secrets_are_read() -> None:
    spec = IntegrationSpec.model_validate(
        {
            "platform": "generic_http",
            "genericHTTP": {
                "urlSecretRef": {"name": "url", "key": "k"},
                "headers": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "header", "key": "k"}}}],
                "auth": {"bearer": {"tokenSecretRef": {"name": "bearer", "key": "k"}}},
            },
            "datadog": {"site": "datadoghq.eu", "apiKeySecretRef": {"name": "unused", "key": "k"}},
        }
    )
    assert secret_names(spec) == {"url", "header", "bearer"}


@pytest.mark.parametrize(
    "url",
    [
        "ftp://siem.example/",
        "https://",
        "https://user:sesame@siem.example/",
        "https://siem.example/#part",
        "https://siem.example/a b",
        "https://siem.example:99999/",
        "https://[::1",
        "https://siem]example/",
        "https://siem.[]example/",
        "https://siem.example/" + "a" * 2048,
    ],
)
def test_unusable_urls_are_refused(url: str) -> None:
    fault = url_fault(url)
    assert fault is not None
    assert "sesame" not in fault
    with pytest.raises(EditError, match=r"^spec\.genericHTTP\.url: the URL ") as caught:
        http(url=url)
    with pytest.raises(EditError, match=r"^spec\.datadog\.apiURL: the URL "):
        payload(platform="datadog", datadog={"apiURL": url, "apiKeySecretRef": REF})
    assert caught.value.reason is Reason.RESOURCE_UNREADABLE
    assert "sesame" not in caught.value.message


def test_secret_is_not_read_for_two_urls_of_an_older_object() -> None:
    assert http({}, urlSecretRef=REF).request.config["url"] == "https://siem.example/in"


def test_object_without_url_is_reported() -> None:
    with pytest.raises(EditError, match=r"^spec\.genericHTTP\.url: the URL must begin with https://$"):
        payload(platform="generic_http", genericHTTP={})


def test_url_may_be_as_long_as_the_field() -> None:
    assert url_fault("https://siem.example/".ljust(2048, "a")) is None
    assert url_fault("https://siem.example/".ljust(2049, "a")) is not None


def test_url_from_a_secret_has_the_same_rules() -> None:
    secrets = {"creds": {"a": b"ftp://hooks.example/sesame"}}
    with pytest.raises(WaitError, match="Secret creds, key a: the URL must begin with https://") as caught:
        payload(secrets, platform="generic_http", genericHTTP={"urlSecretRef": REF})
    assert caught.value.reason is Reason.SECRET_VALUE_INVALID
    assert "sesame" not in caught.value.message


@pytest.mark.parametrize("size", [MAX_VALUE, MAX_VALUE + 1, 2**20])
def test_value_has_a_limit_in_bytes(size: int) -> None:
    fault = value_fault(b"x" * size)
    assert fault == (None if size == MAX_VALUE else "has more than 8 KiB; put the credential alone into it")


def test_only_referenced_keys_of_a_secret_are_kept_up_to_the_limit() -> None:
    spec = IntegrationSpec.model_validate(
        {"platform": "datadog", "datadog": {"site": "datadoghq.eu", "apiKeySecretRef": REF}}
    )
    assert secret_keys(spec) == {"creds": {"a"}}
    kept = referenced({"a": b"x" * 2**20, "b": b"y"}, secret_keys(spec)["creds"])
    assert {key: len(value) for key, value in kept.items()} == {"a": MAX_VALUE + 1}
    assert value_fault(kept["a"]) is not None


def test_all_values_together_have_a_limit_before_processing() -> None:
    """A Secret of 1 MiB in each of 64 headers, as an older schema allowed, took 250 MB."""

    def made(count: int, size: int, **more: Any) -> Payload:
        source = {"secretKeyRef": REF}
        fields = [{"name": f"X-{number}", "valueFrom": source} for number in range(count)]
        return http({"creds": {"a": b"x" * size}}, headers=fields, **more)

    assert len(headers(made(7, MAX_VALUE))) == 7
    for count, more in ((8, {}), (7, {"bodyTemplate": "é" * (MAX_VALUE // 2)})):
        with pytest.raises(WaitError, match="key a: this value and all others of the resource have more than 64 KiB"):
            made(count, MAX_VALUE, **more)
    with pytest.raises(WaitError, match="key a: the value has more than 8 KiB"):
        made(64, 2**20)


@pytest.mark.parametrize(
    "block",
    [
        {"bodyTemplate": "€" * (MAX_CONFIGURATION // 3 + 1)},
        {"headers": [{"name": f"X-{number}", "value": "x" * 4096} for number in range(16)]},
    ],
)
def test_resource_above_the_schemas_limits_is_reported(block: dict[str, Any]) -> None:
    with pytest.raises(EditError, match="its values have more than 64 KiB together; shorten them"):
        http(**block)


@pytest.mark.parametrize("value", [b"*", b"****", b"*" * 40])
def test_masked_value_is_not_used_as_a_credential(value: bytes) -> None:
    fault = value_fault(value)
    assert fault is not None
    assert "asterisks" in fault
    assert value_fault(value + b"x") is None


@given(st.binary(max_size=20))
def test_valid_value_can_be_sent_and_is_read_back(value: bytes) -> None:
    if value_fault(value) is None:
        assert value.decode("ascii").isprintable()


@given(st.binary(min_size=8, max_size=20))
def test_no_error_holds_the_value(value: bytes) -> None:
    fault = value_fault(value)
    assert fault is None or value.decode(errors="replace") not in fault


@given(
    st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12).filter(
        lambda value: value.strip("*") != ""
    )
)
def test_every_value_changes_the_fingerprint_and_no_secret_the_signature(value: str) -> None:
    auth = {"header": {"name": "X-Key", "valueSecretRef": REF}}
    before, after = http(auth=auth), http({"creds": {"a": value.encode()}}, auth=auth)
    assert (before.fingerprint == after.fingerprint) == (value == "alpha")
    assert before.signature == after.signature


def test_other_settings_change_the_fingerprint_and_their_order_does_not() -> None:
    one, other = {"name": "X-A", "value": "a"}, {"name": "X-B", "value": "b"}
    assert http(headers=[one, other]).fingerprint == http(headers=[other, one]).fingerprint
    disabled = payload(platform="generic_http", enabled=False, genericHTTP={"url": "https://siem.example/in"})
    assert len({each.fingerprint for each in (http(), http(headers=[one]), disabled)}) == 3


@pytest.mark.parametrize(
    ("where", "spec", "secrets"),
    [
        ("spec.genericHTTP.url", {"genericHTTP": {"url": "http://collector.logging.svc:8000/events"}}, {}),
        ("Secret creds, key a", {"genericHTTP": {"urlSecretRef": REF}}, {"creds": {"a": b"http://collector/sesame"}}),
        (
            "spec.datadog.apiURL",
            {"platform": "datadog", "datadog": {"apiURL": "http://vector:8282/", "apiKeySecretRef": REF}},
            SECRETS,
        ),
    ],
)
def test_plain_http_destination_needs_the_connections_permission(where: str, spec: Any, secrets: Any) -> None:
    given = {"platform": "generic_http", **spec}
    with pytest.raises(WaitError, match=rf"^{where}: the URL begins with http://") as caught:
        payload(secrets, **given)
    assert caught.value.reason is Reason.PLAIN_HTTP_NOT_ALLOWED
    assert "spec.allowPlainHTTPDestinations" in caught.value.message
    assert "sesame" not in caught.value.message
    assert payload(secrets, allow_plain_http=True, **given).is_plain_http


def test_https_destination_is_not_plain() -> None:
    assert not http().is_plain_http


@pytest.mark.parametrize("password", [b"", b" space ", "schl\u00fcssel".encode(), b"with:colon"])
def test_password_follows_rfc_7617(password: bytes) -> None:
    auth = {"basic": {"usernameSecretRef": REF, "passwordSecretRef": OTHER}}
    made = http({"creds": {"a": b"user", "b": password}}, auth=auth)
    assert base64.b64decode(headers(made)["Authorization"].removeprefix("Basic ")) == b"user:" + password


def test_header_value_from_a_secret_has_the_rules_of_a_plain_one() -> None:
    given = [{"name": "X-A", "valueFrom": {"secretKeyRef": REF}}, {"name": "X-B", "value": "a\tb"}]
    assert headers(http({"creds": {"a": b"a\tb"}}, headers=given)) == {"X-A": "a\tb", "X-B": "a\tb"}


@pytest.mark.parametrize(
    ("spec", "secrets", "words"),
    [
        ({"auth": {"bearer": {"tokenSecretRef": REF}}}, {"a": b"Bearer abc"}, "name of a scheme"),
        ({"auth": {"bearer": {"tokenSecretRef": REF}}}, {"a": b'"abc"'}, "RFC 6750"),
        (
            {"auth": {"basic": {"usernameSecretRef": REF, "passwordSecretRef": OTHER}}},
            {"a": b"a:b", "b": b"x"},
            "colon",
        ),
        ({"auth": {"header": {"name": "X-Key", "valueSecretRef": REF}}}, {"a": b" abc"}, "space"),
    ],
)
def test_each_kind_of_credential_has_its_own_rule(spec: Any, secrets: Any, words: str) -> None:
    with pytest.raises(WaitError, match=words) as caught:
        http({"creds": secrets}, **spec)
    assert caught.value.reason is Reason.SECRET_VALUE_INVALID


AWS: dict[str, Any] = {"region": "eu-west-1", "accessKeyIDSecretRef": REF, "secretAccessKeySecretRef": OTHER}


@pytest.mark.parametrize(
    "block",
    [
        {"platform": "s3", "s3": {"bucketName": "b", **AWS}},
        {"platform": "firehose", "firehose": {"streamName": "s", **AWS}},
    ],
)
def test_temporary_aws_credentials_are_refused_before_netbird_is_called(block: Any) -> None:
    with pytest.raises(WaitError, match="Secret creds, key a: the value belongs to temporary credentials") as caught:
        payload({"creds": {"a": b"ASIAEXAMPLE000000000", "b": b"x"}}, **block)
    assert caught.value.reason is Reason.SECRET_VALUE_INVALID
    with pytest.raises(WaitError, match="Secret creds, key b: the value is an access key ID"):
        payload({"creds": {"a": b"AKIAEXAMPLE000000000", "b": b"AKIAEXAMPLE000000000"}}, **block)


def test_datadog_application_key_is_refused() -> None:
    with pytest.raises(WaitError, match="application key"):
        payload(
            {"creds": {"a": b"0123456789abcdef" * 2 + b"01234567"}},
            platform="datadog",
            datadog={"site": "datadoghq.eu", "apiKeySecretRef": REF},
        )
