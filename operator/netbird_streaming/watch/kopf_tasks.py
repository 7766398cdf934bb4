"""Tracking of the tasks that kopf creates. kopf leaves some of them running when it ends."""

import asyncio
import logging
from collections.abc import Coroutine, Generator
from contextvars import ContextVar
from typing import Any, Final, TypeVar

STOP_SECONDS: Final = 10.0
STOP_ROUNDS: Final = 50
T = TypeVar("T")
Tasks = set["asyncio.Task[Any]"]

logger = logging.getLogger(__name__)
tracked_tasks: ContextVar[Tasks | None] = ContextVar("kept_in", default=None)
"""The set of tasks that were created in this context, and in the contexts of such tasks."""


def tracking_task_factory(
    loop: asyncio.AbstractEventLoop,
    factory: Coroutine[Any, Any, T] | Generator[Any, None, T],
    /,
    **options: Any,  # noqa: ANN401 # asyncio's own: options of later versions
) -> "asyncio.Task[T]":
    """Create a task as asyncio does, and add it to the context's `tracked_tasks`. This is a loop's task factory.

    Python 3.11 can't return the context of a task afterwards.
    """
    task: asyncio.Task[T] = asyncio.Task(factory, loop=loop, **options)
    tasks = tracked_tasks.get()
    if tasks is not None:
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        task.add_done_callback(_retrieve)
    return task


def _retrieve(task: "asyncio.Task[Any]") -> None:
    """Read the exception of a task. kopf abandons some of its tasks, and asyncio would report their exceptions."""
    if not task.cancelled():
        task.exception()


async def stop(tasks: Tasks) -> None:
    """Cancel the tasks, and the tasks that they create meanwhile, until none is left.

    Each task is cancelled once. A second cancellation would break kopf's orderly end.
    """
    cancelled: Tasks = set()
    for _ in range(STOP_ROUNDS):
        if not tasks:
            return
        for task in tasks - cancelled:
            task.cancel()
            cancelled.add(task)
        await asyncio.wait(set(tasks), timeout=STOP_SECONDS / STOP_ROUNDS)
    logger.warning("%d of kopf's tasks do not end", len(tasks))
