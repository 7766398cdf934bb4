"""The tasks that kopf makes, told from all others of the loop: it leaves some behind when it ends."""

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
"""Where to note the tasks that are made in this context, and in those of such tasks."""


def tracking_task_factory(
    loop: asyncio.AbstractEventLoop,
    factory: Coroutine[Any, Any, T] | Generator[Any, None, T],
    /,
    **options: Any,  # noqa: ANN401 # asyncio's own: what a later version gives to a task
) -> "asyncio.Task[T]":
    """Make a task as asyncio does, and note it where this context says; a loop's task factory.

    Python 3.11 can't tell a task's context afterwards.
    """
    task: asyncio.Task[T] = asyncio.Task(factory, loop=loop, **options)
    tasks = tracked_tasks.get()
    if tasks is not None:
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    return task


async def stop(tasks: Tasks) -> None:
    """Cancel the tasks, and what they make in their last moments, until none is left.

    Each is cancelled once: what kopf does at its end is in order only then.
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
