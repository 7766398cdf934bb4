"""Links from messages to the documentation of their reasons."""

from dataclasses import dataclass
from typing import Final

from netbird_streaming.api.status import MAX_MESSAGE
from netbird_streaming.reasons import Reason

PLACEHOLDER: Final = "{page}"
"""The part of the address that stands for the path of a page of docs/, without `.md`."""
_PAGE: Final = "reference/reasons"
_LINKED: Final = frozenset(Reason) - {Reason.SYNCED}


@dataclass(frozen=True, slots=True)
class Documentation:
    """The address of the documentation's pages, with the placeholder `{page}`; empty if they are not served."""

    url: str = ""

    def linked(self, message: str, reason: str) -> str:
        """Return the message with the address of its reason at the end, in at most 1,024 bytes of UTF-8.

        A message that has the address already keeps it once. Reasons of successes have no section, and no address.
        """
        if not self.url or reason not in _LINKED:
            return _shortened(message, MAX_MESSAGE)
        link = f" See {self.url.replace(PLACEHOLDER, _PAGE)}#{reason.lower()}"
        return _shortened(message.removesuffix(link), MAX_MESSAGE - len(link.encode())) + link


NO_DOCUMENTATION: Final = Documentation()


def _shortened(text: str, most: int) -> str:
    """Return at most this many bytes of UTF-8. No character is cut."""
    data = text.encode()
    if len(data) <= most:
        return text
    return data[: most - len("…".encode())].decode(errors="ignore") + "…"
