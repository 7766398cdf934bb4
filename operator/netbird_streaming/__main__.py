"""The command line: reads the settings, runs the operator, and ends it in good order."""

import argparse
import asyncio
import logging
import os
import platform
import signal
import sys
from collections.abc import Mapping, Sequence

from netbird_streaming.app import PROGRAM, Operator, program_version
from netbird_streaming.config.settings import Settings, SettingsError, add_flags, read_settings, unknown_variables
from netbird_streaming.errors import OperatorError
from netbird_streaming.telemetry import logs

logger = logging.getLogger("netbird_streaming.main")


async def run_operator(settings: Settings, environment: Mapping[str, str]) -> None:
    """Run until SIGTERM or SIGINT; ends in good order: what is under way first, then the Lease."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(logs.asyncio_reporter())
    stopping = asyncio.Event()

    def reclaim_signals() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)

    reclaim_signals()
    work = asyncio.create_task(Operator(settings, environment, reclaim_signals).run(), name="operator")
    told = asyncio.create_task(stopping.wait(), name="signals")
    await asyncio.wait({work, told}, return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if work.done():
        work.result()
        return
    logger.info("stopping", extra={"grace": f"{settings.shutdown_grace:g}s"})
    work.cancel()
    await asyncio.wait({work})
    error = None if work.cancelled() else work.exception()
    if error is not None:
        logger.error("the shutdown failed (%s)", type(error).__name__, exc_info=error)
    logger.info("stopped")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the process's exit code: 0 after a signal, 1 after a failure, 2 for bad usage."""
    parser = argparse.ArgumentParser(
        PROGRAM, description="Manages NetBird event-streaming integrations as Kubernetes resources.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {program_version()}")
    commands = parser.add_subparsers(required=True, metavar="command")
    run = commands.add_parser(
        "run",
        help="run the operator",
        description="Run the operator, with the cluster of KUBECONFIG, of the pod, or of ~/.kube/config. Each flag can "
        "be given as the environment variable in brackets instead; the flag wins.",
        allow_abbrev=False,
    )
    add_flags(run)
    given = parser.parse_args(arguments)
    try:
        settings = read_settings(given, os.environ)
    except SettingsError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)  # noqa: T201 # before logging is set up
        return 2
    logs.set_up(settings.log_format, settings.log_level, sys.stderr)
    for name in unknown_variables(os.environ):
        logger.warning("the environment variable %s is no setting; `run --help` lists them all", name)
    logger.info("starting", extra={"version": program_version(), "python": platform.python_version()})
    try:
        asyncio.run(run_operator(settings, os.environ))
    except OperatorError as error:
        logger.critical("%s", error.message, extra={"reason": error.reason})
        return 1
    except Exception as error:
        logger.critical("can't run (%s)", type(error).__name__, exc_info=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
