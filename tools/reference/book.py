"""The pages of the reference, by file name."""

from pathlib import Path
from typing import Final

from tools.crds.definitions import DEFINITIONS
from tools.reference.fields import kind_page
from tools.reference.reasons import reasons_page
from tools.reference.settings import settings_page

FOLDER: Final = Path(__file__).parents[2] / "docs" / "reference"


def pages() -> dict[str, str]:
    """Return the text of each page."""
    kinds = {f"{each.model.__name__.lower()}.md": kind_page(each) for each in DEFINITIONS}
    return {"README.md": _index(), **kinds, "reasons.md": reasons_page(), "settings.md": settings_page()}


def _index() -> str:
    kinds = "".join(
        f"| the fields of `{each.model.__name__}` | [{each.model.__name__}]({each.model.__name__.lower()}.md) |\n"
        for each in DEFINITIONS
    )
    return (
        "# Reference\n\nWritten by `make docs` from the code.\n\n| what | page |\n|---|---|\n"
        f"{kinds}"
        "| each reason, its remedy and its messages | [reasons](reasons.md) |\n"
        "| the flags and environment variables of the program | [settings](settings.md) |\n"
        "| the values and rights of the chart |"
        " [chart](../../deploy/chart/netbird-streaming-operator/README.md#values) |\n"
        "| the metrics | [metrics](../metrics.md) |\n"
        "| the Events | [logs and Events](../logs-and-events.md#events) |\n"
    )
