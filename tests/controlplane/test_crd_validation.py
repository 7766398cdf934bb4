"""Errors of a user in an EventStreamingIntegration, and the message of `kubectl apply`."""

from collections.abc import Mapping
from typing import Any, Final

import pytest

from tests.harness.controlplane import ControlPlane
from tests.harness.manifests import ABSENT, BLOCKS, Manifest, changed, integration, reference
from tests.harness.schema_errors import PASTED, apply, install_crds, refusals, said_by

NAME: Final = (
    "Invalid value: must be the name of an object: lower-case letters, digits, '-' and '.', at most 253; not its"
    " contents"
)
KEY: Final = "Invalid value: must be the name of a key: letters, digits, '-', '_' and '.', at most 253; not its value"
SITE: Final = "spec.datadog.site: Invalid value: must be"
NOT_CHECKED: Final = (
    "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the"
    " existing errors to complete validation"
)
BUCKET: Final = (
    "spec.s3.bucketName: Invalid value: must be the name of a bucket: 3 to 63 lower-case letters, digits, '.' and '-';"
    " not an ARN or a URL"
)
BUCKET_FORM: Final = (
    "spec.s3.bucketName: Invalid value: must not be formatted as an IP address, and must not contain two '.' in a row"
)
BUCKET_RESERVED: Final = (
    "spec.s3.bucketName: Invalid value: must be a general purpose bucket; S3 reserves names that begin with xn--,"
    " sthree- or amzn-s3-demo-, or end with -s3alias, --ol-s3, .mrap, --x-s3 or --table-s3"
)
REGION: Final = (
    "Invalid value: must be the code of an AWS region, such as eu-central-1; not its name or an availability zone"
)
STREAM: Final = (
    "spec.firehose.streamName: Invalid value: must be a stream's name as AWS allows: 1 to 64 letters, digits, '_', '.'"
    " and '-'; not an ARN"
)
PLAIN_URL: Final = "must not hold spaces, control characters or characters outside ASCII; encode them, such as %20"
USER_INFO: Final = "must not hold a user or a password; remove everything up to the @"
FRAGMENT: Final = "must not have a fragment; remove the # and the text after it"
NOT_A_URL: Final = "must be a URL, such as https://host/path"
PORT: Final = "must not have a port above 65535; correct it"
HTTPS: Final = "must begin with https://, or with http:// if the connection sets allowPlainHTTPDestinations"

HTTP: Final = integration("generic_http")
WRONG_URLS: Final = {
    f"ftp://{PASTED}.example": HTTPS,
    f"https://user:{PASTED}@siem.example/": USER_INFO,
    f"https://{PASTED}@siem.example": USER_INFO,
    f"https://siem.example/#{PASTED}": FRAGMENT,
    f"https://siem.example/{PASTED} a": PLAIN_URL,
    f"https://siem.example/{PASTED}\n": PLAIN_URL,
    f"https://siem.example/{PASTED}\x7f": PLAIN_URL,
    f"https://siém.example/{PASTED}": PLAIN_URL,
    PASTED: NOT_A_URL,
    "": NOT_A_URL,
    f"https:///{PASTED}": NOT_A_URL,
    f"https://:443/{PASTED}": NOT_A_URL,
    f"https://siem.example:{PASTED}/": NOT_A_URL,
    f"https://{PASTED}].example/": NOT_A_URL,
    f"https://siem.example:65536/{PASTED}": PORT,
    f"https://siem.example:84430000000000000000/{PASTED}": PORT,
}


def datadog(**changes: Any) -> Manifest:
    return changed(integration(), {path.replace("__", "."): value for path, value in changes.items()})


CASES: Final[dict[str, tuple[Manifest, str]]] = {
    "no platform": (
        datadog(platform=ABSENT),
        f"[spec.platform: Required value, {NOT_CHECKED}]",
    ),
    "unknown platform": (
        datadog(platform="splunk"),
        (
            '[spec.platform: Unsupported value: "splunk": supported values: "datadog", "s3", "firehose",'
            f' "generic_http", {NOT_CHECKED}]'
        ),
    ),
    "two blocks": (
        integration(**BLOCKS["s3"]),
        "spec.s3: Forbidden: must be removed: platform is datadog, whose settings are under datadog",
    ),
    "no block": (
        datadog(datadog=ABSENT),
        "spec.datadog: Required value: platform is datadog: add its settings under datadog",
    ),
    "the wrong block": (
        datadog(platform="generic_http"),
        (
            "[spec.genericHTTP: Required value: platform is generic_http: add its settings under genericHTTP,"
            " spec.datadog: Forbidden: must be removed: platform is generic_http, whose settings are under genericHTTP]"
        ),
    ),
    "connection without kind": (
        datadog(connectionRef={"name": "netbird"}),
        f"[spec.connectionRef.kind: Required value, {NOT_CHECKED}]",
    ),
    "connection of an unknown kind": (
        datadog(connectionRef={"kind": "Connection", "name": "netbird"}),
        (
            '[spec.connectionRef.kind: Unsupported value: "Connection": supported values: "NetBirdConnection",'
            f' "ClusterNetBirdConnection", {NOT_CHECKED}]'
        ),
    ),
    "connection with a bad name": (
        datadog(connectionRef={"kind": "NetBirdConnection", "name": "Net_Bird"}),
        f"spec.connectionRef.name: {NAME}",
    ),
    "secret with a bad name": (
        datadog(datadog__apiKeySecretRef__name=f"{PASTED}_X"),
        f"spec.datadog.apiKeySecretRef.name: {NAME}",
    ),
    "secret without a name": (datadog(datadog__apiKeySecretRef__name=""), f"spec.datadog.apiKeySecretRef.name: {NAME}"),
    "key with a space": (
        datadog(datadog__apiKeySecretRef__key=f"{PASTED} x"),
        f"spec.datadog.apiKeySecretRef.key: {KEY}",
    ),
    "key of dots": (datadog(datadog__apiKeySecretRef__key=".."), f"spec.datadog.apiKeySecretRef.key: {KEY}"),
    "key that is too long": (
        datadog(datadog__apiKeySecretRef__key=PASTED * 40),
        f"[spec.datadog.apiKeySecretRef.key: Too long: may not be more than 253 bytes, {NOT_CHECKED}]",
    ),
    "no key": (
        datadog(datadog__apiKeySecretRef__key=ABSENT),
        f"[spec.datadog.apiKeySecretRef.key: Required value, {NOT_CHECKED}]",
    ),
    "site and apiURL": (
        datadog(datadog__apiURL="https://intake.example/api/v2/logs"),
        "spec.datadog.apiURL: Forbidden: must be removed, or site: site already says which URL events are sent to",
    ),
    "neither site nor apiURL": (
        datadog(datadog__site=ABSENT),
        (
            "spec.datadog.site: Required value: set site to the Datadog site, such as datadoghq.eu, or apiURL to any"
            " other intake"
        ),
    ),
    "unknown site": (
        datadog(datadog__site=f"{PASTED}.example"),
        f"{SITE} a site of Datadog, such as datadoghq.eu; for any other intake set apiURL instead",
    ),
    **{
        f"site {written!r}": (datadog(datadog__site=written), f"{SITE} {meant}: the site alone, in lower case")
        for written, meant in {
            "app.datadoghq.eu": "datadoghq.eu",
            "app.datadoghq.com": "datadoghq.com",
            "https://us5.datadoghq.com": "us5.datadoghq.com",
            "https://app.datadoghq.eu/logs": "datadoghq.eu",
            "http-intake.logs.ap1.datadoghq.com": "ap1.datadoghq.com",
            "US3": "us3.datadoghq.com",
            "us1": "datadoghq.com",
            "EU": "datadoghq.eu",
            "US2-FED": "us2.ddog-gov.com",
            "datadoghq.com ": "datadoghq.com",
            "DatadogHQ.eu": "datadoghq.eu",
            "app.ddog-gov.com": "ddog-gov.com",
        }.items()
    },
    "apiURL with a key": (
        datadog(datadog__site=ABSENT, datadog__apiURL=f"https://intake.example/v1?ddsource=x&dd-api-key={PASTED}"),
        (
            "spec.datadog.apiURL: Invalid value: has a parameter that looks like a credential; remove it: set the"
            " key in a Secret, and refer to that in apiKeySecretRef"
        ),
    ),
    "url with a token": (
        changed(HTTP, {"genericHTTP.url": f"https://hooks.example/in?access_token={PASTED}"}),
        (
            "spec.genericHTTP.url: Invalid value: has a parameter that looks like a credential; put the whole URL into"
            " a Secret and name it by urlSecretRef instead"
        ),
    ),
    **{
        f"bucket {name!r}": (changed(integration("s3"), {"s3.bucketName": name}), sentence)
        for name, sentence in {
            "Events": BUCKET,
            "ab": BUCKET,
            "-events": BUCKET,
            "events-": BUCKET,
            "my_events": BUCKET,
            f"arn:aws:s3:::{PASTED}": BUCKET,
            "a..b": BUCKET_FORM,
            "192.168.5.4": BUCKET_FORM,
            "xn--events": BUCKET_RESERVED,
            "events--x-s3": BUCKET_RESERVED,
            "events-s3alias": BUCKET_RESERVED,
        }.items()
    },
    "bucket that is too long": (
        changed(integration("s3"), {"s3.bucketName": "b" * 256}),
        f"[spec.s3.bucketName: Too long: may not be more than 255 bytes, {NOT_CHECKED}]",
    ),
    **{
        f"{platform} in {region!r}": (
            changed(integration(platform), {f"{platform}.region": region}),
            f"{path}: {REGION}",
        )
        for platform, region, path in (
            ("s3", "Frankfurt", "spec.s3.region"),
            ("s3", "eu-central-1a", "spec.s3.region"),
            ("firehose", "", "spec.firehose.region"),
        )
    },
    **{
        f"stream {name!r}": (changed(integration("firehose"), {"firehose.streamName": name}), STREAM)
        for name in ("", "net bird", f"arn:aws:firehose:eu-central-1:1:deliverystream/{PASTED}")
    },
    **{
        f"url {url!r}": (changed(HTTP, {"genericHTTP.url": url}), f"spec.genericHTTP.url: Invalid value: {sentence}")
        for url, sentence in WRONG_URLS.items()
    },
    **{
        f"apiURL {url!r}": (
            datadog(datadog__site=ABSENT, datadog__apiURL=url),
            f"spec.datadog.apiURL: Invalid value: {sentence}",
        )
        for url, sentence in WRONG_URLS.items()
    },
    "url that is too long": (
        changed(HTTP, {"genericHTTP.url": f"https://{PASTED}.example/{'a' * 2048}"}),
        f"[spec.genericHTTP.url: Too long: may not be more than 2048 bytes, {NOT_CHECKED}]",
    ),
    "url and urlSecretRef": (
        changed(HTTP, {"genericHTTP.urlSecretRef": reference("siem", "url")}),
        "spec.genericHTTP.urlSecretRef: Forbidden: must be removed, or url: the URL comes from one of the two",
    ),
    "neither url nor urlSecretRef": (
        changed(HTTP, {"genericHTTP.url": ABSENT}),
        (
            "spec.genericHTTP.url: Required value: set the URL that events are posted to, or urlSecretRef where"
            " the URL itself holds a token"
        ),
    ),
    "body that is too long": (
        changed(HTTP, {"genericHTTP.bodyTemplate": "a" * (8 * 1024 + 1)}),
        f"[spec.genericHTTP.bodyTemplate: Too long: may not be more than 8192 bytes, {NOT_CHECKED}]",
    ),
    "adoption id 0": (
        datadog(adoption={"policy": "Match", "id": 0}),
        "spec.adoption.id: Invalid value: 0: spec.adoption.id in body should be greater than or equal to 1",
    ),
    "adoption id with Never": (
        datadog(adoption={"id": 7}),
        (
            "spec.adoption.id: Forbidden: must be removed, or policy set to Match or Override: policy Never adopts"
            " nothing"
        ),
    ),
    "Override without an id": (
        datadog(adoption={"policy": "Override"}),
        (
            "spec.adoption.id: Required value: policy Override needs the id of the integration to adopt; NetBird's API"
            " lists it"
        ),
    ),
    "unknown adoption policy": (
        datadog(adoption={"policy": "Always"}),
        (
            '[spec.adoption.policy: Unsupported value: "Always": supported values: "Never", "Match", "Override",'
            f" {NOT_CHECKED}]"
        ),
    ),
    "unknown deletion policy": (
        datadog(deletionPolicy="Retain"),
        f'[spec.deletionPolicy: Unsupported value: "Retain": supported values: "Delete", "Orphan", {NOT_CHECKED}]',
    ),
    "unknown drift policy": (
        datadog(driftPolicy="Ignore"),
        f'[spec.driftPolicy: Unsupported value: "Ignore": supported values: "Correct", "Report", {NOT_CHECKED}]',
    ),
}


@pytest.fixture(scope="module")
def said(control_plane: ControlPlane) -> Mapping[str, str]:
    install_crds(control_plane)
    return refusals(control_plane, "default", {name: manifest for name, (manifest, _) in CASES.items()})


@pytest.mark.parametrize("case", CASES)
def test_mistake_is_refused_in_a_sentence(said: Mapping[str, str], case: str) -> None:
    assert said.get(case) == CASES[case][1]


def test_no_refusal_repeats_a_pasted_value(said: Mapping[str, str]) -> None:
    assert [case for case, sentence in said.items() if PASTED in sentence] == []


def bucket(name: str, region: str = "eu-central-1") -> Manifest:
    return changed(integration("s3"), {"s3.bucketName": name, "s3.region": region})


ACCEPTED: Final = {
    "plain HTTP": changed(HTTP, {"genericHTTP.url": "http://collector.logging.svc:8000/events"}),
    **{
        f"site {site}": datadog(datadog__site=site)
        for site in ("us2.ddog-gov.com", "uk1.datadoghq.com", "us3.datadoghq.com", "datadoghq.eu", "ddog-gov.com")
    },
    **{
        f"bucket {name}": bucket(name)
        for name in ("123456789012", "2026.11", "10.0.0.1-logs", "1.2.3.4.5", "a.-b", "3m-events")
    },
    **{f"old bucket {name}": bucket(name, "us-east-1") for name in ("My_Events", "E" * 255, "-events-")},
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_valid_variant_is_accepted(control_plane: ControlPlane, said: Mapping[str, str], case: str) -> None:
    apply(control_plane, "default", ACCEPTED[case])


SECRETS_IN_PLAIN: Final = {
    "datadog.apiKey": integration(),
    "datadog.apiKeySecretRef.namespace": integration(),
    "s3.secretKey": integration("s3"),
    "s3.accessKeyIDSecretRef.value": integration("s3"),
    "firehose.accessKey": integration("firehose"),
    "genericHTTP.token": HTTP,
    "genericHTTP.password": HTTP,
    "genericHTTP.auth.bearer.token": HTTP,
    "token": integration(),
    "url": integration(),
    "connectionRef.namespace": integration(connectionRef={"kind": "NetBirdConnection", "name": "netbird"}),
}


@pytest.mark.parametrize("path", SECRETS_IN_PLAIN)
def test_unknown_field_is_named(control_plane: ControlPlane, said: Mapping[str, str], path: str) -> None:
    """Secrets in plain fields, a reference to another namespace, the API's URL of another account."""
    manifest = changed(SECRETS_IN_PLAIN[path], {path: PASTED})
    answer = said_by(lambda: apply(control_plane, "default", manifest))
    assert f'unknown field "spec.{path}"' in answer
    assert PASTED not in answer
