"""A process whose leadership fails repeatedly is not ready; one that recovers is."""

from netbird_streaming.leadership import MANY_FAILURES, RETRY, STABLE_SECONDS, LeadershipTerms


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_pauses_grow_while_leading_fails_at_once() -> None:
    clock = Clock()
    terms = LeadershipTerms(clock)
    pauses = []
    for _ in range(7):
        terms.start()
        clock.now += 0.1
        pauses.append(terms.record_failure())
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_repeated_failure_is_reported_until_a_term_lasts() -> None:
    clock = Clock()
    terms = LeadershipTerms(clock)
    for number in range(MANY_FAILURES):
        assert terms.problem() is None, number
        terms.start()
        terms.record_failure()
    assert terms.problem() == "leading has failed 3 times in a row; the log says why"
    terms.start()
    clock.now += STABLE_SECONDS - 1
    assert terms.problem() is not None
    clock.now += 1
    assert terms.problem() is None


def test_failure_after_a_term_that_lasted_is_the_first() -> None:
    clock = Clock()
    terms = LeadershipTerms(clock)
    for _ in range(MANY_FAILURES):
        terms.start()
        terms.record_failure()
    terms.start()
    clock.now += STABLE_SECONDS
    assert terms.record_failure() == RETRY.first
    assert terms.problem() is None
