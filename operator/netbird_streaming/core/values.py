"""Rules for values of Secrets: what cannot work is named before NetBird is called, and never printed.

docs/value-rules.md says for each rule where the issuer of the value documents it.
"""

import re
from collections.abc import Callable
from typing import Final

Check = Callable[[bytes], str | None]
"""Return what is wrong with a value and how to fix it, or None."""

MAX_VALUE: Final = 8 * 1024
"""Bytes of a Secret's value: the longest tokens have half of that, and servers refuse longer headers."""

_CONTROL: Final = re.compile(rb"[\x00-\x1f\x7f]")
_CONTROL_BUT_TAB: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_SCHEME: Final = re.compile(rb"(bearer|token|basic|authorization:)\s", re.IGNORECASE)
# RFC 6750, section 2.1, and the separators of widely used issuers.
_BEARER: Final = re.compile(rb"[A-Za-z0-9._~+/|:-]+=*")
_ACCESS_KEY_ID: Final = re.compile(rb"A[KS]IA[A-Z0-9]{16}")
_TEMPORARY: Final = b"ASIA"
_OTHER_AWS_IDS: Final = (
    b"AIDA",
    b"AROA",
    b"AGPA",
    b"AIPA",
    b"ANPA",
    b"ANVA",
    b"APKA",
    b"ASCA",
    b"ABIA",
    b"ACCA",
    b"arn:",
)
# AKIA, ASIA and nbp_ in base64, by which their issuers' credentials begin.
_ENCODED: Final = (b"QUtJQ", b"QVNJQ", b"bmJwX")
_APPLICATION_KEY: Final = re.compile(rb"[0-9a-fA-F]{40}|ddapp_.*")
_SETUP_KEY: Final = re.compile(rb"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


def value_fault(value: bytes) -> str | None:
    """Check a credential that its issuer gives as one line of printable ASCII."""
    return _line_fault(value, _CONTROL)


def header_fault(value: bytes) -> str | None:
    """Check the value of a header: RFC 9110, section 5.5, allows tabs inside of it."""
    return _line_fault(value, _CONTROL_BUT_TAB)


def bearer_fault(value: bytes) -> str | None:
    """Check a bearer token."""
    fault = _prefixed_fault(value)
    if fault is not None or _BEARER.fullmatch(value):
        return fault
    return (
        "is not a bearer token (RFC 6750): it may contain letters, digits and -._~+/|: and end with =; remove the rest"
    )


def user_fault(value: bytes) -> str | None:
    """Check a user name: RFC 7617 allows UTF-8 without control characters and without a colon."""
    if b":" in value:
        return "contains a colon, which a user name cannot contain (RFC 7617); use one without"
    return password_fault(value)


def password_fault(value: bytes) -> str | None:
    """Check a password: RFC 7617 allows UTF-8 without control characters, spaces at either end, and an empty one."""
    fault = _any_fault(value, _CONTROL)
    if fault is not None:
        return fault
    try:
        value.decode()
    except UnicodeDecodeError:
        return "is not UTF-8; write it as UTF-8"
    return None


def access_key_id_fault(value: bytes) -> str | None:
    """Check an AWS access key ID, by the prefixes that AWS documents."""
    fault = value_fault(value)
    if fault is None and value.startswith(_TEMPORARY):
        return (
            "belongs to temporary credentials (ASIA…), which need a session token that NetBird cannot send;"
            " use the access key of an IAM user (AKIA…)"
        )
    if fault is None and value.startswith(_OTHER_AWS_IDS):
        return "is the ID of another AWS object, not of an access key; use the access key of an IAM user (AKIA…)"
    return fault


def secret_access_key_fault(value: bytes) -> str | None:
    """Check an AWS secret access key."""
    fault = value_fault(value)
    if fault is None and _ACCESS_KEY_ID.fullmatch(value):
        return "is an access key ID, not a secret access key; the two are swapped, or one is used twice"
    return fault


def datadog_key_fault(value: bytes) -> str | None:
    """Check a Datadog API key."""
    fault = value_fault(value)
    if fault is None and _APPLICATION_KEY.fullmatch(value):
        return "is an application key (40 hexadecimal digits, or ddapp_…); use an API key of the organization"
    return fault


def token_fault(value: bytes) -> str | None:
    """Check NetBird's own token."""
    fault = _prefixed_fault(value)
    if fault is None and _SETUP_KEY.fullmatch(value):
        return "is a setup key, which adds peers; use a personal access token (nbp_…)"
    return fault


def _any_fault(value: bytes, control: re.Pattern[bytes]) -> str | None:
    """Check what no value may be, whatever it is for."""
    checks = (
        (len(value) > MAX_VALUE, f"has more than {MAX_VALUE // 1024} KiB; put the credential alone into it"),
        (
            value and not value.strip(b"*"),
            "has nothing but asterisks, which is how NetBird shows a secret; put the credential itself into it",
        ),
        (
            value.endswith((b"\n", b"\r")),
            "ends with a newline; write it without one (printf instead of echo, or kubectl --from-literal)",
        ),
        (control.search(value), "contains a control character; write it as one line of plain text"),
    )
    return next((fault for broken, fault in checks if broken), None)


def _line_fault(value: bytes, control: re.Pattern[bytes]) -> str | None:
    if not value:
        return "is empty; put the credential into it"
    fault = _any_fault(value, control)
    if fault is None and not value.isascii():
        return "contains a character outside ASCII; write the credential as its issuer gave it"
    if fault is None and value != value.strip():
        return "begins or ends with a space; write it without"
    if fault is None and value.startswith(_ENCODED):
        return "is encoded in base64 twice; write it under stringData, or encode it once under data"
    return fault


def _prefixed_fault(value: bytes) -> str | None:
    """Check for the name of a scheme, which the operator adds itself."""
    fault = value_fault(value)
    if fault is None and _SCHEME.match(value):
        return "begins with the name of a scheme, such as Bearer; write the token alone"
    return fault
