"""The gate of resources that wait for the rate limit: the best priority first, namespaces in turn, none starved."""

import asyncio
from typing import TYPE_CHECKING, Any, cast

from netbird_streaming.api.types import ObjectKey, RateLimit
from netbird_streaming.core.netbird.types import Priority
from netbird_streaming.errors import RetryError
from netbird_streaming.netbird.rate_limiter import RateLimiter
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.gate import Gate, Turn
from tests.unit.netbird.fakes import FakeClock, settle

if TYPE_CHECKING:
    from netbird_streaming.reconciler.ports import NetBird

LIMIT = RateLimit(requests_per_minute=60, burst=100)


class Line:
    """A gate with a limiter, and its grants."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.budget = RateLimiter(LIMIT, self.clock, 0.01)
        self.gate = Gate(lambda: cast("NetBird", self.budget), self.clock)
        self.got: list[tuple[str, Turn]] = []

    def park(self, name: str, priority: Priority = Priority.LOW, lane: str = "team") -> None:
        def resume(turn: Turn) -> None:
            self.got.append((name, turn))
            if turn is not None and not isinstance(turn, RetryError):
                cast("Any", turn).spend(self.budget)

        self.gate.park(ObjectKey("Kind", lane, name), priority, lane, resume)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.got]


async def test_best_priority_goes_first_and_namespaces_of_one_priority_take_turns() -> None:
    line = Line()
    for name in ("a0", "a1", "a2"):
        line.park(name, lane="a")
    line.park("b0", lane="b")
    line.park("edit", Priority.HIGH, lane="c")
    await line.clock.advance(10)
    assert line.names[0] == "edit"
    assert line.names[1:] == ["a0", "b0", "a1", "a2"]


async def test_one_slot_in_four_goes_to_the_longest_wait() -> None:
    line = Line()
    line.park("rotation")
    for number in range(6):
        line.park(f"edit {number}", Priority.HIGH)
    await line.clock.advance(10)
    assert line.names.index("rotation") == 3


async def test_resource_keeps_its_place_and_may_get_a_better_one() -> None:
    line = Line()
    for name in ("a", "b", "c", "d"):
        line.park(name)
    line.park("a")
    line.park("d", Priority.HIGH)
    await line.clock.advance(10)
    assert line.names == ["d", "a", "b", "c"]


async def test_forgotten_resource_takes_no_slot() -> None:
    line = Line()
    for name in ("a", "b"):
        line.park(name)
    line.gate.forget(ObjectKey("Kind", "team", "a"))
    line.gate.forget(ObjectKey("Kind", "team", "unknown"))
    await settle()
    assert line.names == ["b"]
    assert line.budget.state.remaining == 0


async def test_slot_without_a_waiting_resource_is_returned() -> None:
    line = Line()
    line.park("a")
    line.gate.forget(ObjectKey("Kind", "team", "a"))
    await settle()
    assert line.budget.is_idle


async def test_long_pause_is_reported_to_all_waiting_resources() -> None:
    line = Line()
    line.budget.on_too_many_requests(86_400)
    line.park("a")
    line.park("b")
    await settle()
    assert [(name, cast("RetryError", turn).reason) for name, turn in line.got] == [
        ("a", Reason.RATE_LIMITED),
        ("b", Reason.RATE_LIMITED),
    ]


async def test_all_decide_again_when_the_account_gets_another_token() -> None:
    line = Line()
    async with line.budget.request(Priority.HIGH):
        pass
    line.park("a")
    await settle()
    line.gate.reset()
    assert line.got == [("a", None)]
    line.park("a")
    await line.clock.advance(5)
    assert line.names == ["a", "a"]


async def test_place_is_estimated_by_turns() -> None:
    line = Line()
    async with line.budget.request(Priority.HIGH):
        pass
    for number in range(5):
        line.park(f"a{number}", lane="a")
    line.park("b0", lane="b")
    line.park("new", Priority.NEW, lane="c")
    depths = [(lane, line.gate.depth(Priority.LOW, lane)) for lane in ("a", "b", "c")]
    assert depths == [("a", 6), ("b", 2), ("c", 1)]
    assert [line.gate.requests_ahead(Priority.LOW, depth) for _, depth in depths] == [7, 4, 3]
    assert line.gate.requests_ahead(Priority.HIGH, 1) == 0
    await asyncio.sleep(0)
    line.gate.reset()
