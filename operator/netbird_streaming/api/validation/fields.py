"""Schema of a single field of a CRD: its description, and bounds that parsing does not check.

If pydantic checked a bound, an object that is older than the bound would become unreadable. Bounds are therefore only
in the schema, and the API server checks new objects against them.
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
"""Key for examples of the fields of a field's object. It never reaches a CRD."""
TIME: Final = {"maxLength": 64, "pattern": RFC_3339}
"""Bounds of a time (RFC 3339)."""

MAX_URL: Final = 2048
_CREDENTIAL_PARAMETER: Final = (
    r"(?i)[?&]([^=&]*(token|secret|passw|credential|api[-_]?key|access[-_]?key)[^=&]*|sig|signature|key|code)="
)
# Go, which parses URLs at the API server, accepts it, but no client can connect to it.
_STRAY_BRACKET: Final = r"^[^/?#]*//[^\[/?#][^/?#]*\]"
_WRONG_PORT: Final = (
    r"^[^/?#]*//[^/?#]*:(6553[6-9]|655[4-9][0-9]|65[6-9][0-9]{2}|6[6-9][0-9]{3}|[7-9][0-9]{4}|[0-9]{6,})($|[/?#])"
)
_HEADER_NAME: Final = r"^[-!#$%&'*+.^_`|~0-9A-Za-z]+$"
"""Token of RFC 9110, section 5.6.2."""
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
    """Return the description and further schema of a field, in the words of JSON Schema, for `Annotated`."""
    info: FieldInfo = Field(description=description, json_schema_extra=schema)
    return info


def examples(**values: str) -> dict[str, JsonValue]:
    """Return a schema that adds `Example: …` to the descriptions of an object's fields, for one use of it."""
    return {EXAMPLES: dict(values)}


def name_rule(field: str) -> Rule:
    """Return the rule for the name of a Kubernetes object (RFC 1123 subdomain)."""
    return Rule(
        rule=f"!format.dns1123Subdomain().validate(self{field}).hasValue()",
        message="must be the name of an object: lower-case letters, digits, '-' and '.', at most 253; not its contents",
        field=field,
    )


def header_name_rule(field: str) -> Rule:
    """Return the rule for a header that a user may set (RFC 9110, sections 5.1 and 7.6.1)."""
    return first_fault(
        field,
        (
            (
                f"!{matches(f'self{field}', _HEADER_NAME)}",
                "must be only the name of a header (letters, digits and '-'), without colon and value",
            ),
            (
                f"self{field}.lowerAscii() in {literals(_SET_BY_HTTP)}",
                "must not be a header that HTTP itself sets (Host, Content-Length, Connection, ...); remove it",
            ),
        ),
    )


def url_rule(field: str, instead: str) -> Rule:
    """Return the rule for the URL of a destination. `instead` names the field for a credential."""
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
    """Return the faults that every URL is checked for."""
    path = f"self{field}"
    return (
        (
            matches(path, r"[^\x21-\x7e]"),
            "must not hold spaces, control characters or characters outside ASCII; encode them, such as %20",
        ),
        (matches(path, "^[^/?#]*//[^/?#]*@"), "must not hold a user or a password; remove everything up to the @"),
        (
            f"{path}.contains('#')",
            "must not have a fragment; remove the # and the text after it",
        ),
        (
            f"!isURL({path}) || url({path}).getHostname() == '' || {matches(path, _STRAY_BRACKET)}",
            "must be a URL, such as https://host/path",
        ),
        (matches(path, _WRONG_PORT), "must not have a port above 65535; correct it"),
    )
