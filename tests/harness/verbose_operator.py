"""Run the operator with every library at its most verbose: `python -m tests.harness.verbose_operator run`.

Lines that are never logged in production must hold no secret either, because a library may change the level of a line
at any time.
"""

import logging
import sys
from collections.abc import Sequence
from typing import TextIO
from unittest.mock import patch

from netbird_streaming import __main__
from netbird_streaming.telemetry import logs


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    set_up = logs.set_up

    def set_up_all(log_format: str, level: str, stream: TextIO) -> None:
        set_up(log_format, level, stream)
        for name in ("", logs.SILENT, *logs.LIBRARIES):
            logging.getLogger(name).setLevel(logging.DEBUG)
        # The limit of one equal line a minute would hide most of them.
        for handler in logging.getLogger().handlers:
            handler.filters.clear()

    with patch.object(logs, "set_up", set_up_all):
        return __main__.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
