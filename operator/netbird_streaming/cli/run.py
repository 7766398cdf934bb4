"""`run`: reads the settings, runs the operator, and ends it in good order."""

import argparse
import asyncio
import logging
import platform
import signal
from collections.abc import Mapping
from typing import Final

from netbird_streaming.app import Operator
from netbird_streaming.cli.commands import Invocation
from netbird_streaming.cli.exit_codes import ExitCode
from netbird_streaming.config.settings import Settings, add_flags, read_settings, unknown_variables
from netbird_streaming.errors import OperatorError
from netbird_streaming.lookups import LookupThreads
from netbird_streaming.telemetry import logs
from netbird_streaming.version import program_version

DESCRIPTION: Final = (
    "Run the operator, with the cluster of KUBECONFIG, of the pod, or of ~/.kube/config. Each flag can be given as the "
    "environment variable in brackets instead; the flag wins."
)
EXAMPLES: Final = ("run", "run --namespace=team-a --namespace=team-b --log-level=debug")

logger = logging.getLogger("netbird_streaming.main")


async def run_operator(settings: Settings, environment: Mapping[str, str]) -> None:
    """Run until SIGTERM or SIGINT; the work under way ends first, then the Lease is released."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(logs.asyncio_reporter())
    loop.set_default_executor(LookupThreads())
    stopping = asyncio.Event()

    def reclaim_signals() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)

    reclaim_signals()
    work = asyncio.create_task(Operator(settings, environment, reclaim_signals).run(), name="operator")
    stopped = asyncio.create_task(stopping.wait(), name="signals")
    await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add a flag for each setting."""
    add_flags(parser)


def execute(invocation: Invocation) -> int:
    """Run the operator; the exit code is 0 after a signal."""
    settings = read_settings(invocation.arguments, invocation.environment)
    logs.set_up(settings.log_format, settings.log_level, invocation.err)
    for name in unknown_variables(invocation.environment):
        logger.warning("the environment variable %s is not a setting; `run --help` lists them all", name)
    logger.info("starting", extra={"version": program_version(), "python": platform.python_version()})
    try:
        asyncio.run(run_operator(settings, invocation.environment))
    except OperatorError as error:
        logger.critical("%s", error.message, extra={"reason": error.reason})
        return ExitCode.PROBLEM
    except Exception as error:
        logger.critical("can't run (%s)", type(error).__name__, exc_info=True)
        return ExitCode.PROBLEM
    return ExitCode.OK
