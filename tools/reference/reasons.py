"""The page of reasons: each with an address of its own, its remedy, and the messages that a user can read."""

from typing import Final

from netbird_streaming.core.status.events import TRANSIENT
from netbird_streaming.reasons import Reason
from tests.proof.answers import faults_page

_HEAD: Final = """# Reasons

Written by `make docs`. The reason of the condition `Ready` says why a resource or a connection is in its state.
[Statuses](../statuses.md) describes the conditions. The messages are those that NetBird's errors cause: `7` stands for
an id, `STATUS` for an HTTP status, `CALL` for a call ([when NetBird fails](../faults.md)).
"""


def reasons_page() -> str:
    """Return the page, in the order of the list of reasons."""
    seen = faults_page.read(faults_page.PAGE.read_text())
    messages: dict[str, dict[str, str]] = {}
    for each in seen.values():
        messages.setdefault(each.reason, {}).setdefault(each.message, each.state)
    parts = [_HEAD]
    parts += [_section(reason, messages.get(reason.value, {})) for reason in Reason]
    return "\n".join(parts)


def _section(reason: Reason, messages: dict[str, str]) -> str:
    event = "No Event reports it." if reason in TRANSIENT else "A Warning Event reports it."
    found = "".join(f"- {message}{f' (`{state}`)' if state else ''}\n" for message, state in messages.items())
    shown = f"\nMessages:\n\n{found}" if found else ""
    return f"## {reason.value}\n\n{reason.remedy} {event}\n{shown}"
