import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbird_streaming.core import values

CHECKS = [
    values.value_fault,
    values.header_fault,
    values.bearer_fault,
    values.user_fault,
    values.password_fault,
    values.access_key_id_fault,
    values.secret_access_key_fault,
    values.datadog_key_fault,
    values.token_fault,
]
each_check = pytest.mark.parametrize("check", CHECKS)


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (values.header_fault, b"a\tb c"),
        (values.bearer_fault, b"eyJhbGciOi.J9_-~+/abc=="),
        (values.bearer_fault, b"12|abcDEF"),
        (values.user_fault, b""),
        (values.user_fault, "b\u00fcro".encode()),
        (values.password_fault, b""),
        (values.password_fault, b" a:b "),
        (values.access_key_id_fault, b"AKIAIOSFODNN7EXAMPLE"),
        (values.secret_access_key_fault, b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        (values.datadog_key_fault, b"0123456789abcdef0123456789abcdef"),
        (values.token_fault, b"nbp_F3f0d0000000000000000000000000000000"),
        (values.token_fault, b"eyJhbGciOiJSUzI1NiJ9.e30.c2ln"),
    ],
)
def test_value_in_its_issuers_format_is_accepted(check: values.Check, value: bytes) -> None:
    assert check(value) is None


@pytest.mark.parametrize(
    ("check", "value", "words"),
    [
        (values.value_fault, b"a\tb", "control character"),
        (values.header_fault, b"a\nb", "control character"),
        (values.header_fault, b"\ta", "space"),
        (values.header_fault, b"", "empty"),
        (values.bearer_fault, b"Bearer abc", "scheme"),
        (values.bearer_fault, b"bearer abc", "scheme"),
        (values.bearer_fault, b"a b", "RFC 6750"),
        (values.bearer_fault, b"a=b", "RFC 6750"),
        (values.user_fault, b"a:b", "colon"),
        (values.password_fault, b"a\n", "newline"),
        (values.password_fault, b"\xff", "UTF-8"),
        (values.password_fault, b"****", "asterisks"),
        (values.access_key_id_fault, b"ASIAIOSFODNN7EXAMPLE", "IAM user"),
        (values.access_key_id_fault, b"AROAIOSFODNN7EXAMPLE", "another AWS object"),
        (values.access_key_id_fault, b"arn:aws:iam::1:user/a", "another AWS object"),
        (values.access_key_id_fault, base64.b64encode(b"AKIAIOSFODNN7EXAMPLE"), "base64 twice"),
        (values.access_key_id_fault, base64.b64encode(b"ASIAIOSFODNN7EXAMPLE"), "base64 twice"),
        (values.token_fault, base64.b64encode(b"nbp_F3f0d0000000000000000000000000000000\n"), "base64 twice"),
        (values.secret_access_key_fault, b"AKIAIOSFODNN7EXAMPLE", "swapped"),
        (values.datadog_key_fault, b"0123456789abcdef0123456789abcdef01234567", "application key"),
        (values.datadog_key_fault, b"ddapp_abc", "application key"),
        (values.token_fault, b"Token nbp_abc", "scheme"),
        (values.token_fault, b"Authorization: Token nbp_abc", "scheme"),
        (values.token_fault, b"E08CE992-420E-4214-9968-030AE8B8C8F2", "setup key"),
    ],
)
def test_documented_wrong_format_is_named_with_the_fix(check: values.Check, value: bytes, words: str) -> None:
    fault = check(value)
    assert fault is not None
    assert words in fault


@each_check
@given(value=st.binary(max_size=40) | st.from_regex(rb"A[A-Z]{3}[A-Z0-9]{16}", fullmatch=True))
def test_no_message_holds_the_value(check: values.Check, value: bytes) -> None:
    fault = check(value)
    text = value.decode(errors="replace")
    assert fault is None or len(text) < 9 or text not in fault


@each_check
@given(value=st.binary(max_size=40))
def test_accepted_value_can_be_sent(check: values.Check, value: bytes) -> None:
    if check(value) is None:
        assert not set(value) & {0, 10, 13}
        value.decode()
