"""Headers and authentication of an HTTP endpoint."""

import re
from typing import Annotated, Final

from pydantic import ConfigDict

from netbird_streaming.api.model import Model
from netbird_streaming.api.references import KeyReference
from netbird_streaming.api.validation.fields import doc, examples, header_name_rule
from netbird_streaming.api.validation.rules import Cause, Rule, first_fault, matches, one_of_two, rules

MAX_HEADER_NAME: Final = 128
MAX_HEADER_VALUE: Final = 1024

_CREDENTIAL_NAME: Final = (
    r"(?i)(^|[-_.])(authorization|auth|cookie2?|key|sig|session)$|(^|[-_.])auth[-_.]"
    r"|token|secret|passw|credential|api[-_.]?key|signature|bearer"
)
_CREDENTIAL_VALUE: Final = r"(?i)^(bearer|basic|token|splunk|apikey|api-key|digest|negotiate|aws4-hmac-sha256) "
_CREDENTIAL: Final = (re.compile(_CREDENTIAL_NAME), re.compile(_CREDENTIAL_VALUE))
_REFERENCE_IT: Final = "must not be in plain text: put it into a Secret, and refer to that in valueFrom.secretKeyRef"
_PLAIN_RULE: Final = first_fault(
    ".value",
    (
        (f"{matches('self.name', _CREDENTIAL_NAME)} || {matches('self.value', _CREDENTIAL_VALUE)}", _REFERENCE_IT),
        (
            matches("self.value", r"[^\t\x20-\x7e]"),
            "must be one line of plain ASCII: remove the newline, control character or other character",
        ),
        (
            matches("self.value", r"^$|^[\t ]|[\t ]$"),
            "must not be empty, nor begin or end with a space; remove the space, or the header",
        ),
    ),
    Cause.FORBIDDEN,
)


def is_credential(name: str, value: str) -> bool:
    """Return whether the schema rejects the header's value in plain text."""
    by_name, by_value = _CREDENTIAL
    return by_name.search(name) is not None or by_value.search(value) is not None


class HeaderSource(Model):
    """Source of the value of a header."""

    secret_key_ref: Annotated[
        KeyReference,
        doc("The key of a Secret in this namespace that holds the value.", **examples(name="siem", key="tenant-key")),
    ]


class Header(Model):
    """Header of each request, with a value in plain text or from a Secret."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            header_name_rule(".name"),
            *one_of_two(
                ".value",
                ".valueFrom",
                "set value, or valueFrom.secretKeyRef for a confidential value",
                "must be removed, or value: a header has one value",
            ),
            _PLAIN_RULE,
        )
    )

    name: Annotated[
        str,
        doc(
            "The name of the header, case-insensitive. Headers that HTTP itself sets (Host, Content-Length, Connection"
            " and others) are rejected. Example: X-Tenant.",
            maxLength=MAX_HEADER_NAME,
        ),
    ]
    value: Annotated[
        str | None,
        doc(
            "The value in plain text, visible to all users who can read this resource. Rejected for a name of a"
            " credential (Authorization, Cookie, X-Api-Key and others): use valueFrom. Example: blue.",
            maxLength=MAX_HEADER_VALUE,
        ),
    ] = None
    value_from: Annotated[
        HeaderSource | None,
        doc("The source of a confidential value. Set this or value."),
    ] = None


class BearerAuth(Model):
    """Authentication with `Authorization: Bearer <token>`."""

    token_secret_ref: Annotated[
        KeyReference,
        doc(
            "The key of a Secret in this namespace that holds the token, without the word Bearer.",
            **examples(name="webhook", key="token"),
        ),
    ]


class BasicAuth(Model):
    """Authentication with `Authorization: Basic <base64 of user:password>` (RFC 7617)."""

    username_secret_ref: Annotated[
        KeyReference,
        doc(
            "The key of a Secret in this namespace that holds the user name, which cannot contain a colon.",
            **examples(name="webhook", key="username"),
        ),
    ]
    password_secret_ref: Annotated[
        KeyReference,
        doc(
            "The key of a Secret in this namespace that holds the password, not encoded.",
            **examples(name="webhook", key="password"),
        ),
    ]


class HeaderAuth(Model):
    """Authentication with another header that holds a credential."""

    model_config = ConfigDict(json_schema_extra=rules(header_name_rule(".name")))

    name: Annotated[
        str,
        doc("The name of the header. Example: X-Api-Key.", maxLength=MAX_HEADER_NAME),
    ]
    value_secret_ref: Annotated[
        KeyReference,
        doc(
            "The key of a Secret in this namespace that holds the whole value of the header.",
            **examples(name="webhook", key="team-key"),
        ),
    ]


class Auth(Model):
    """Authentication of NetBird to the destination. Exactly one method is set."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "has(self.bearer) || has(self.basic) || has(self.header)",
                "set one method: bearer, basic or header; or remove auth",
                cause=Cause.REQUIRED,
            ),
            Rule(
                "[has(self.bearer), has(self.basic), has(self.header)].filter(present, present).size() <= 1",
                "must have only one method: keep one of bearer, basic and header",
                cause=Cause.FORBIDDEN,
            ),
        )
    )

    bearer: Annotated[BearerAuth | None, doc("Send `Authorization: Bearer <token>`.")] = None
    basic: Annotated[BasicAuth | None, doc("Send `Authorization: Basic <user:password>`, encoded by RFC 7617.")] = None
    header: Annotated[
        HeaderAuth | None,
        doc("Send another header of the destination, or Authorization with any other scheme."),
    ] = None
