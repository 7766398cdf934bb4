"""A process whose leading fails again and again is not ready; one that recovers is."""

from netbird_streaming.turns import MANY, PAUSES, STABLE_SECONDS, Turns


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_pauses_grow_while_leading_fails_at_once() -> None:
    clock = Clock()
    turns = Turns(clock)
    pauses = []
    for _ in range(len(PAUSES) + 1):
        turns.begin()
        clock.now += 0.1
        pauses.append(turns.fail())
    assert pauses == [*PAUSES, PAUSES[-1]]


def test_failing_again_and_again_is_told_until_a_turn_lasts() -> None:
    clock = Clock()
    turns = Turns(clock)
    for number in range(MANY):
        assert turns.trouble() is None, number
        turns.begin()
        turns.fail()
    assert turns.trouble() == "leading has failed 3 times in a row; the log says why"
    turns.begin()
    clock.now += STABLE_SECONDS - 1
    assert turns.trouble() is not None
    clock.now += 1
    assert turns.trouble() is None


def test_a_failure_after_a_turn_that_lasted_is_the_first() -> None:
    clock = Clock()
    turns = Turns(clock)
    for _ in range(MANY):
        turns.begin()
        turns.fail()
    turns.begin()
    clock.now += STABLE_SECONDS
    assert turns.fail() == PAUSES[0]
    assert turns.trouble() is None
