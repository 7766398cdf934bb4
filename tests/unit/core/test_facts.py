"""What a decision rests on."""

from typing import Any

import pytest

from netbird_streaming.core.remote import Integration
from tests.support.cases import URL, item, view

CONFIG = {"url": URL, "headers": "{}", "body_template": ""}


@pytest.mark.parametrize(
    ("other", "identical"),
    [
        pytest.param(item(9), True, id="the same"),
        pytest.param(item(9, config={**CONFIG, "url": "****"}), True, id="masked where it is looked up by"),
        pytest.param(item(9, config={**CONFIG, "headers": "****"}), True, id="masked elsewhere"),
        pytest.param(item(9, config={**CONFIG, "url": "HTTPS://SIEM.example:443/in"}), True, id="written otherwise"),
        pytest.param(item(9, config={**CONFIG, "url": "https://other.example/"}), False, id="another URL"),
        pytest.param(item(9, config={**CONFIG, "body_template": "{}"}), False, id="another template"),
        pytest.param(item(9, config={"headers": "{}"}), False, id="no URL"),
        pytest.param(item(9, config=None), False, id="no configuration"),
        pytest.param(item(9, platform="datadog"), False, id="another platform"),
        pytest.param(item(9, platform=None), False, id="no platform"),
    ],
)
def test_a_list_is_searched_for_what_nobody_could_tell_apart(other: Integration, identical: bool) -> None:  # noqa: FBT001 # pytest passes it
    found: list[Any] = view(item(5), other).identical("generic_http", CONFIG)
    assert sorted(each.id for each in found) == ([5, 9] if identical else [5])


def test_of_an_unknown_platform_nothing_is_identical() -> None:
    assert view(item(5), item(6, platform="new")).identical("other", CONFIG) == []
