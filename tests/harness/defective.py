"""The operator with a defect in each reconcile of an integration: `python -m tests.harness.defective run`."""

import sys
from collections.abc import Sequence
from typing import NoReturn
from unittest.mock import patch

from netbird_streaming import __main__
from netbird_streaming.reconciler import controller


async def fail(*_: object) -> NoReturn:
    """Raise what no reconcile may raise."""
    raise ZeroDivisionError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    with patch.object(controller, "reconcile", fail):
        return __main__.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
