"""What a CRD's schema says of a single field: a description, and bounds that are never validated while parsing.

A bound that pydantic checked would make an object unreadable that was stored before the bound was tightened; so bounds
go into the schema only, where the API server holds new objects to them.
"""

from typing import Final

from pydantic import Field, JsonValue
from pydantic.fields import FieldInfo

from netbird_streaming.api.timestamps import RFC_3339
from netbird_streaming.api.validation.rules import Rule, first_fault, literals, matches

ATOMIC_MAP: Final = {"x-kubernetes-map-type": "atomic"}
ATOMIC_LIST: Final = {"x-kubernetes-list-type": "atomic"}
SET: Final = {"x-kubernetes-list-type": "set"}
EXAMPLES: Final = "x-examples"
"""The key under which a field keeps examples for the fields of its own object; it never reaches a CRD."""
TIME: Final = {"maxLength": 64, "pattern": RFC_3339}
"""The bounds of a time (RFC 3339)."""

MAX_URL: Final = 2048
_CREDENTIAL_PARAMETER: Final = (
    r"(?i)[?&]([^=&]*(token|secret|passw|credential|api[-_]?key|access[-_]?key)[^=&]*|sig|signature|key|code)="
)
# What Go lets through, which reads it at the API server, and nobody can call.
_STRAY_BRACKET: Final = r"^[^/?#]*//[^\[/?#][^/?#]*\]"
_WRONG_PORT: Final = (
    r"^[^/?#]*//[^/?#]*:(6553[6-9]|655[4-9][0-9]|65[6-9][0-9]{2}|6[6-9][0-9]{3}|[7-9][0-9]{4}|[0-9]{6,})($|[/?#])"
)
_HEADER_NAME: Final = r"^[-!#$%&'*+.^_`|~0-9A-Za-z]+$"
"""A `token` of RFC 9110, section 5.6.2."""
_SET_BY_HTTP: Final = (
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
)


def doc(description: str, /, **schema: JsonValue) -> FieldInfo:
    """The description of a field and what else its schema says, in JSON Schema's own words; for `Annotated`."""
    info: FieldInfo = Field(description=description, json_schema_extra=schema)
    return info


def examples(**values: str) -> dict[str, JsonValue]:
    """Return what adds `Example: …` to the descriptions of an object's fields, for one use of that object."""
    return {EXAMPLES: dict(values)}


def name_rule(field: str) -> Rule:
    """A Kubernetes object's name (RFC 1123 subdomain)."""
    return Rule(
        rule=f"!format.dns1123Subdomain().validate(self{field}).hasValue()",
        message="must be the name of an object: lower-case letters, digits, '-' and '.', at most 253; not its contents",
        field=field,
    )


def header_name_rule(field: str) -> Rule:
    """A header that a user may set (RFC 9110, sections 5.1 and 7.6.1)."""
    return first_fault(
        field,
        (
            (
                f"!{matches(f'self{field}', _HEADER_NAME)}",
                "must be a header's name alone (letters, digits and '-'), without colon and value",
            ),
            (
                f"self{field}.lowerAscii() in {literals(_SET_BY_HTTP)}",
                "must not be a header that HTTP itself sets (Host, Content-Length, Connection, ...); remove it",
            ),
        ),
    )


def url_rule(field: str, instead: str) -> Rule:
    """A destination's URL; `instead` says where a credential belongs."""
    path = f"self{field}"
    return first_fault(
        field,
        (
            *url_faults(field),
            (
                f"!(url({path}).getScheme() in ['https', 'http'])",
                "must begin with https://, or with http:// if the connection sets allowPlainHTTPDestinations",
            ),
            (matches(path, _CREDENTIAL_PARAMETER), f"has a parameter that looks like a credential; {instead}"),
        ),
    )


def url_faults(field: str) -> tuple[tuple[str, str], ...]:
    """What no URL may be, whatever it is for."""
    path = f"self{field}"
    return (
        (
            matches(path, r"[^\x21-\x7e]"),
            "must not hold spaces, control characters or characters outside ASCII; encode them, as %20",
        ),
        (matches(path, "^[^/?#]*//[^/?#]*@"), "must not hold a user or a password; remove all up to the @"),
        (f"{path}.contains('#')", "must not have a fragment; remove the # and what follows, no server sees it"),
        (
            f"!isURL({path}) || url({path}).getHostname() == '' || {matches(path, _STRAY_BRACKET)}",
            "must be a URL, as https://host/path",
        ),
        (matches(path, _WRONG_PORT), "must not have a port above 65535; correct it"),
    )
