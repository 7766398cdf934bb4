"""Background tasks: none fails unseen, and what waits for one gets an error instead of waiting for ever."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from netbird_streaming.errors import OperatorError, RetryError
from netbird_streaming.reasons import Reason

T = TypeVar("T")

logger = logging.getLogger(__name__)


def start(work: Coroutine[Any, Any, T], name: str) -> "asyncio.Task[T]":
    """Start a task that nothing may await; log its failure as soon as it fails.

    An `OperatorError` is not logged here: it has been reported, or the task was a request that is no longer needed.
    """
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_report)
    return task


def unexpected(problem: Exception, what: str) -> RetryError:
    """Log an exception that no code expects, and return the error for those that wait for the result.

    Args:
        problem: The exception. Its text can contain a secret and is not part of the error.
        what: What failed, as a subject: `Listing the integrations`.
    """
    logger.error("%s failed unexpectedly; this is a bug in the operator", what, exc_info=problem)
    message = (
        f"{what}: failed because of a bug in the operator ({type(problem).__name__}); the log says where. "
        "The operator retries."
    )
    return RetryError(Reason.UNAVAILABLE, message)


async def heeding_cancellation(work: Coroutine[Any, Any, T]) -> T:
    """Await work in a task of its own. Raise `CancelledError` if the current task was cancelled, however the work ends.

    Up to Python 3.12, a `TaskGroup` that ends with an error forgets a cancellation that arrives meanwhile (gh-116720).
    Its own cancellations are also counted in its task, so that only another task can tell them apart.
    """
    current = asyncio.current_task()
    try:
        return await asyncio.create_task(work)
    finally:
        if current is not None and current.cancelling():
            raise asyncio.CancelledError


def _report(task: "asyncio.Task[Any]") -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, OperatorError):
        logger.error("the task %s failed; this is a bug in the operator", task.get_name(), exc_info=error)
