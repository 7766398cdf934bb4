"""The program's name and version."""

from importlib.metadata import PackageNotFoundError, version
from typing import Final

PROGRAM: Final = "netbird-streaming-operator"


def program_version() -> str:
    """Return the installed version; `unknown` where the program runs from a checkout that nothing installed."""
    try:
        return version(PROGRAM)
    except PackageNotFoundError:
        return "unknown"
