"""The operator with a wall clock that is an hour ahead: `python -m tests.harness.ahead run`."""

import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from unittest.mock import patch

from netbird_streaming import __main__, app, clock

AHEAD: Final = timedelta(hours=1)


class ClockAhead(clock.SystemClock):
    """The clocks of a machine whose wall clock is wrong."""

    def now(self) -> datetime:
        """Return the time in an hour."""
        return super().now() + AHEAD


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    with patch.object(app, "SystemClock", ClockAhead):
        return __main__.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
