"""Tasks that nothing awaits."""

import asyncio
from contextlib import suppress

import pytest

from netbird_streaming import background
from netbird_streaming.errors import RetryError
from netbird_streaming.reasons import Reason


async def failing(error: Exception) -> None:
    raise error


async def test_internal_error_is_logged_at_once_and_never_by_the_garbage_collector(
    caplog: pytest.LogCaptureFixture,
) -> None:
    unseen: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(str(context["message"])))
    task = background.start(failing(ValueError("hunter2")), "work")
    await asyncio.wait({task})
    await asyncio.sleep(0)
    del task
    assert [record.getMessage() for record in caplog.records] == ["the task work failed; this is a bug in the operator"]
    assert unseen == []


async def test_expected_error_and_cancellation_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    tasks = {
        background.start(failing(RetryError(Reason.UNAVAILABLE, "away")), "request"),
        background.start(asyncio.sleep(60), "sleep"),
    }
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await asyncio.sleep(0)
    assert caplog.records == []


def test_unexpected_error_reaches_waiters_by_its_type_without_text(caplog: pytest.LogCaptureFixture) -> None:
    problem = background.unexpected(ValueError("hunter2"), "Listing the integrations")
    assert (problem.reason, "ValueError" in problem.message, "hunter2" in problem.message) == (
        Reason.UNAVAILABLE,
        True,
        False,
    )
    assert len(caplog.records) == 1


async def test_cancellation_that_arrives_while_a_group_fails_is_raised() -> None:
    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)

    async def fail() -> None:
        raise ValueError

    async def group() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(slow())
            tasks.create_task(fail())

    async def work() -> None:
        with suppress(ExceptionGroup):
            await background.heeding_cancellation(group())

    task = asyncio.create_task(work())
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.create_task(work())
