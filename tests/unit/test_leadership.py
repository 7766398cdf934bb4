"""A process whose leadership fails repeatedly is not ready; one that recovers is."""

from netbird_streaming.leadership import MANY_FAILURES, PAUSES, STABLE_SECONDS, LeadershipTerms


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_pauses_grow_while_leading_fails_at_once() -> None:
    clock = Clock()
    turns = LeadershipTerms(clock)
    pauses = []
    for _ in range(len(PAUSES) + 1):
        turns.start()
        clock.now += 0.1
        pauses.append(turns.record_failure())
    assert pauses == [*PAUSES, PAUSES[-1]]


def test_repeated_failure_is_reported_until_a_term_lasts() -> None:
    clock = Clock()
    turns = LeadershipTerms(clock)
    for number in range(MANY_FAILURES):
        assert turns.problem() is None, number
        turns.start()
        turns.record_failure()
    assert turns.problem() == "leading has failed 3 times in a row; the log says why"
    turns.start()
    clock.now += STABLE_SECONDS - 1
    assert turns.problem() is not None
    clock.now += 1
    assert turns.problem() is None


def test_failure_after_a_term_that_lasted_is_the_first() -> None:
    clock = Clock()
    turns = LeadershipTerms(clock)
    for _ in range(MANY_FAILURES):
        turns.start()
        turns.record_failure()
    turns.start()
    clock.now += STABLE_SECONDS
    assert turns.record_failure() == PAUSES[0]
    assert turns.problem() is None
