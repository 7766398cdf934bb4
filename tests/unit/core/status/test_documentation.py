"""Messages with the address of their reason, in Events and conditions."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbird_streaming.core.actions import ReadyState
from netbird_streaming.core.status.conditions import ConditionInput, conditions
from netbird_streaming.core.status.documentation import NO_DOCUMENTATION, Documentation
from netbird_streaming.core.status.events import EventReason
from netbird_streaming.reasons import Reason
from tests.harness import pages
from tests.harness.cases import WALL

SITE = Documentation("https://docs.example.com/0.1.0/{page}/")
FORGE = Documentation("https://git.example.com/operator/docs/{page}.md")
LINK = " See https://docs.example.com/0.1.0/reference/reasons/#secretnotfound"
LONGEST = Documentation("https://docs.example.com/".ljust(250, "a") + "{page}")
ADDRESSES = st.sampled_from([SITE, FORGE, LONGEST, NO_DOCUMENTATION])


def test_address_of_the_reason_ends_the_message() -> None:
    assert SITE.linked("No Secret.", "SecretNotFound") == "No Secret." + LINK
    assert FORGE.linked("No Secret.", "SecretNotFound").endswith("/docs/reference/reasons.md#secretnotfound")


@pytest.mark.parametrize("reason", [Reason.SYNCED, EventReason.CREATED, "OfAnotherVersion"])
def test_message_without_a_problem_has_no_address(reason: str) -> None:
    assert SITE.linked("All is well.", reason) == "All is well."


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.SYNCED])
def test_each_address_is_an_anchor_of_the_page(reason: Reason) -> None:
    page, anchor = FORGE.linked("", reason).removeprefix(" See https://git.example.com/operator/").split("#")
    assert Path(page) == Path("docs/reference/reasons.md")
    assert anchor in pages.anchors(page)


@given(st.text(max_size=1100), st.sampled_from(Reason), ADDRESSES)
def test_message_keeps_to_the_limit_and_its_address(text: str, reason: Reason, documentation: Documentation) -> None:
    message = documentation.linked(text, reason)
    assert len(message.encode()) <= 1024
    assert documentation.linked(message, reason) == message
    if documentation.url and reason is not Reason.SYNCED:
        assert message.endswith(f"#{reason.lower()}")
        message = message[: message.rindex(" See ")]
    assert message == text or message.endswith("…")


def test_conditions_of_a_problem_have_the_address() -> None:
    given_input = ConditionInput(ReadyState.STALLED, Reason.SECRET_NOT_FOUND, "No Secret.")
    found = {each.type: each.message for each in conditions(given_input, (), 1, WALL, SITE)}
    assert found == {"Ready": "No Secret." + LINK, "Stalled": "No Secret." + LINK}
