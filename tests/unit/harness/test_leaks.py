"""The leak search finds each planted secret in each form, and each long enough part."""

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote, quote_plus

import pytest

from tests.harness.leaks import SHORTEST, Canaries, canary

VALUE: Final = canary("token")
SECRETS: Final = Canaries({"token": VALUE, "other": "Zm9vYmFy0123456789"})
FORMS: Final[Mapping[str, Callable[[str], str]]] = {
    "plain": str,
    "upper case": str.upper,
    "URL": quote,
    "form": quote_plus,
    "URL, every character": lambda value: "".join(f"%{each:02x}" for each in value.encode()),
    "JSON": json.dumps,
    "JSON in JSON": lambda value: json.dumps(json.dumps({"value": value})),
    "JSON, every character": lambda value: "".join(f"\\u{ord(each):04X}" for each in value),
    "repr": repr,
    "bytes": lambda value: repr(value.encode()),
    "Python, every character": lambda value: "".join(f"\\x{each:02x}" for each in value.encode()),
    "base64": lambda value: _base64(value.encode()),
    "base64, one before it": lambda value: _base64(b":" + value.encode()),
    "base64, two before it": lambda value: _base64(b"u:" + value.encode()),
    "base64 for URLs": lambda value: urlsafe_b64encode(value.encode()).decode(),
    "base64, cut": lambda value: _base64(value.encode()).rstrip("="),
    "basic": lambda value: f"Basic {_base64(f'user:{value}'.encode())}",
    "a Secret of basic": lambda value: _base64(f"Basic {_base64(f'me:{value}'.encode())}".encode()),
    "hex": lambda value: value.encode().hex(),
    "HEX": lambda value: value.encode().hex().upper(),
    "he:x": lambda value: value.encode().hex(":"),
    "HE X": lambda value: value.encode().hex(" ").upper(),
}
PARTS: Final[Mapping[str, str]] = {
    "all": VALUE,
    "but the last": VALUE[:-1],
    "half": VALUE[: len(VALUE) // 2],
    "the first ones": VALUE[:SHORTEST],
    "the last ones": VALUE[-SHORTEST:],
    "shortened": f"{VALUE[:SHORTEST]}…",
    "the middle hidden": f"{VALUE[:SHORTEST]}****",
    "the beginning hidden": f"****{VALUE[-SHORTEST:]}",
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("form", FORMS)
def test_each_part_is_found_in_each_form(form: str, part: str) -> None:
    text = f"before {FORMS[form](PARTS[part])} after"
    found = SECRETS.search({"clean": "nothing is here", "log": text, "bytes": text.encode()})
    assert {each.place for each in found} == {"log", "bytes"}
    assert {each.secret for each in found} == {"token"}


def test_secret_with_another_prefix_is_found_and_named() -> None:
    (found,) = SECRETS.search({"log": "key=Zm9vYmFy…"})
    assert str(found) == "other in log, as text: 'key=Zm9vYmFy…'"


@pytest.mark.parametrize("text", ["", "****", VALUE[: SHORTEST - 1], "c4na-ry7q", json.dumps(list(FORMS))])
def test_other_text_is_not_found(text: str) -> None:
    assert SECRETS.search({"log": text}) == []


def test_secret_whose_leak_could_be_missed_is_refused() -> None:
    with pytest.raises(ValueError, match="short has no 8 letters or digits in a row"):
        Canaries({"short": "a-b-c-1234567-x"})


def _base64(data: bytes) -> str:
    return b64encode(data).decode()
