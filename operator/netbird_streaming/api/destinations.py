"""The platforms, and the block of settings of each."""

from enum import StrEnum
from typing import Annotated, Final, NamedTuple

from pydantic import ConfigDict, Field
from pydantic.fields import FieldInfo

from netbird_streaming.api.http_auth import Auth, Header
from netbird_streaming.api.model import Model
from netbird_streaming.api.references import KeyReference
from netbird_streaming.api.validation.fields import ATOMIC_LIST, MAX_URL, doc, examples, url_rule
from netbird_streaming.api.validation.rules import Cause, Rule, first_fault, matches, one_of_two, rules


class Platform(StrEnum):
    """The platforms that NetBird streams events to, by the names of its API."""

    DATADOG = "datadog"
    S3 = "s3"
    FIREHOSE = "firehose"
    GENERIC_HTTP = "generic_http"


class Block(NamedTuple):
    """The field of a spec that holds the settings of a platform, and what they are the settings of."""

    name: str
    title: str


BLOCKS: Final = {
    Platform.DATADOG: Block("datadog", "Datadog's log intake"),
    Platform.S3: Block("s3", "an Amazon S3 bucket"),
    Platform.FIREHOSE: Block("firehose", "an Amazon Data Firehose stream"),
    Platform.GENERIC_HTTP: Block("genericHTTP", "any HTTP endpoint"),
}


def block_doc(platform: Platform) -> FieldInfo:
    """Return the description of the field that holds the settings of a platform."""
    return doc(f"The settings of {BLOCKS[platform].title}. Required if platform is {platform}, forbidden otherwise.")


DATADOG_SITES: Final = {
    "us3.datadoghq.com": "US3",
    "us5.datadoghq.com": "US5",
    "ap1.datadoghq.com": "AP1",
    "ap2.datadoghq.com": "AP2",
    "uk1.datadoghq.com": "UK1",
    "us2.ddog-gov.com": "US2-FED",
    "datadoghq.eu": "EU1?",
    "ddog-gov.com": "US1-FED|FED|GOV",
    "datadoghq.com": "US1?",
}
"""Known sites, each with a pattern of its names in Datadog's own documentation and dashboard.

Source: https://docs.datadoghq.com/getting_started/site/ and https://docs.datadoghq.com/api/latest/logs/#send-logs. The
list only words messages; the rule is a pattern, because Datadog adds sites.
"""

MAX_HEADERS: Final = 32
MAX_BODY: Final = 8 * 1024

_SITE: Final = r"^([a-z]{2}[0-9]\.)?(datadoghq\.(com|eu)|ddog-gov\.com)$"


def _site_slip(site: str, names: str) -> tuple[str, str]:
    """The usual slips for a site: its dashboard's or intake's address, its name, spaces and capitals."""
    address = rf"(https?://)?([a-z-]+[.])*{site.replace('.', '[.]')}(/.*)?"
    return matches("self.site", rf"(?i)^\s*({address}|{names})\s*$"), f"must be {site}: the site alone, in lower case"


_SITE_RULE: Final = first_fault(
    ".site",
    tuple(
        (f"!{matches('self.site', _SITE)} && ({condition})", sentence)
        for condition, sentence in (
            *(_site_slip(site, names) for site, names in DATADOG_SITES.items()),
            ("true", "must be a site of Datadog, such as datadoghq.eu; for any other intake set apiURL instead"),
        )
    ),
)
_BUCKET: Final = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"
_OLD_BUCKET: Final = r"^[A-Za-z0-9._-]{3,255}$"
"""Names that S3 accepted in us-east-1 until March 2018; such buckets still exist."""
_BUCKET_RULE: Final = first_fault(
    ".bucketName",
    (
        (
            (
                f"!{matches('self.bucketName', _BUCKET)} &&"
                f" !(self.region == 'us-east-1' && {matches('self.bucketName', _OLD_BUCKET)})"
            ),
            "must be the name of a bucket: 3 to 63 lower-case letters, digits, '.' and '-'; not an ARN or a URL",
        ),
        (
            matches("self.bucketName", r"^[0-9]{1,3}([.][0-9]{1,3}){3}$|[.][.]"),
            "must not be formatted as an IP address, and must not contain two '.' in a row",
        ),
        (
            matches("self.bucketName", r"^(xn--|sthree-|amzn-s3-demo-)|(-s3alias|--ol-s3|[.]mrap|--x-s3|--table-s3)$"),
            (
                "must be a general purpose bucket; S3 reserves names that begin with xn--, sthree- or amzn-s3-demo-, or"
                " end with -s3alias, --ol-s3, .mrap, --x-s3 or --table-s3"
            ),
        ),
    ),
)
_STREAM_RULE: Final = Rule(
    rule="self.streamName.matches('^[a-zA-Z0-9_.-]+$')",
    message="must be a stream's name as AWS allows: 1 to 64 letters, digits, '_', '.' and '-'; not an ARN",
    field=".streamName",
)
_REGION_RULE: Final = Rule(
    rule="self.region.matches('^[a-z]{2,5}(-[a-z]+){1,3}-[0-9]{1,2}$')",
    message="must be the code of an AWS region, such as eu-central-1; not its name or an availability zone",
    field=".region",
)

AwsRegion = Annotated[
    str, doc("The code of the AWS region of the bucket or stream. Example: eu-central-1.", maxLength=32)
]
AccessKeyIDReference = Annotated[
    KeyReference,
    doc(
        "The key of a Secret in this namespace that holds the AWS access key ID of an IAM user (it begins with AKIA).",
        **examples(name="aws", key="access-key"),
    ),
]
SecretAccessKeyReference = Annotated[
    KeyReference,
    doc(
        "The key of a Secret in this namespace that holds the AWS secret access key.",
        **examples(name="aws", key="secret-key"),
    ),
]


class Datadog(Model):
    """Datadog's log intake."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            *one_of_two(
                ".site",
                ".apiURL",
                "set site to the Datadog site, such as datadoghq.eu, or apiURL to any other intake",
                "must be removed, or site: site already says which URL events are sent to",
            ),
            _SITE_RULE,
            url_rule(".apiURL", "remove it: set the key in a Secret, and refer to that in apiKeySecretRef"),
        )
    )

    site: Annotated[
        str | None,
        doc(
            "The Datadog site of the organization, as docs.datadoghq.com/getting_started/site lists it. Set this or"
            " apiURL. Example: datadoghq.eu.",
            maxLength=64,
        ),
    ] = None
    api_url: Annotated[
        str | None,
        doc(
            "The whole URL of any other log intake, such as a proxy. Set this or site. Example:"
            " https://http-intake.logs.datadoghq.eu/api/v2/logs.",
            maxLength=MAX_URL,
        ),
    ] = Field(default=None, alias="apiURL")
    api_key_secret_ref: Annotated[
        KeyReference,
        doc(
            "The key of a Secret in this namespace that holds the Datadog API key (not an application key). Datadog can"
            " take five minutes to accept a new key; the operator retries until then.",
            **examples(name="datadog", key="api-key"),
        ),
    ]


class S3(Model):
    """An Amazon S3 bucket."""

    model_config = ConfigDict(json_schema_extra=rules(_BUCKET_RULE, _REGION_RULE))

    bucket_name: Annotated[
        str,
        doc("The name of the bucket, not its ARN or a URL. Example: company-netbird-events.", maxLength=255),
    ]
    region: AwsRegion
    access_key_id_secret_ref: AccessKeyIDReference = Field(alias="accessKeyIDSecretRef")
    secret_access_key_secret_ref: SecretAccessKeyReference


class Firehose(Model):
    """An Amazon Data Firehose stream."""

    model_config = ConfigDict(json_schema_extra=rules(_STREAM_RULE, _REGION_RULE))

    stream_name: Annotated[str, doc("The name of the stream, not its ARN. Example: netbird-events.", maxLength=64)]
    region: AwsRegion
    access_key_id_secret_ref: AccessKeyIDReference = Field(alias="accessKeyIDSecretRef")
    secret_access_key_secret_ref: SecretAccessKeyReference


_ONCE: Final = "self.headers.all(h, self.headers.exists_one(o, o.name.lowerAscii() == h.name.lowerAscii()))"
_NO_SECOND_AUTH: Final = (
    "!has(self.auth) || !has(self.headers) || !self.headers.exists(h, h.name.lowerAscii() == 'authorization' ||"
    " (has(self.auth.header) && h.name.lowerAscii() == self.auth.header.name.lowerAscii()))"
)


class GenericHTTP(Model):
    """Any HTTP endpoint."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            *one_of_two(
                ".url",
                ".urlSecretRef",
                "set the URL that events are posted to, or urlSecretRef where the URL itself holds a token",
                "must be removed, or url: the URL comes from one of the two",
            ),
            url_rule(".url", "put the whole URL into a Secret and name it by urlSecretRef instead"),
            Rule(
                f"!has(self.headers) || {_ONCE}",
                "must name each header only once; upper and lower case make no difference",
                ".headers",
            ),
            Rule(
                _NO_SECOND_AUTH,
                "must not hold Authorization, or the header of auth.header, beside auth: remove it or auth",
                ".headers",
                Cause.FORBIDDEN,
            ),
        )
    )

    url: Annotated[
        str | None,
        doc(
            "The URL that NetBird posts events to. Set this, or urlSecretRef if the URL contains a token, as many"
            " webhook URLs do. Example: https://siem.example.com/ingest.",
            maxLength=MAX_URL,
        ),
    ] = None
    url_secret_ref: Annotated[
        KeyReference | None,
        doc(
            "The key of a Secret in this namespace that holds the whole URL. Set this or url.",
            **examples(name="webhook", key="url"),
        ),
    ] = None
    headers: Annotated[
        tuple[Header, ...],
        doc(
            "The headers of each request; each name may occur once. Put the header that authenticates the sender under"
            " auth.",
            maxItems=MAX_HEADERS,
            **ATOMIC_LIST,
        ),
    ] = ()
    auth: Annotated[
        Auth | None,
        doc("How NetBird authenticates to the destination: exactly one of bearer, basic and header, all from Secrets."),
    ] = None
    body_template: Annotated[
        str | None,
        doc(
            "The body of each request, as a Go template over .ID, .Timestamp, .Message, .InitiatorID, .TargetID,"
            " .Meta and .Reference. Default: NetBird's own JSON. It is safer, because the engine has no JSON encoder."
            " Never put a credential into it. Example:"
            ' {"id": "{{ .ID }}", "event": "{{ .Message | urlquery }}"}.',
            maxLength=MAX_BODY,
        ),
    ] = None
