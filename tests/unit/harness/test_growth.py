"""The judgement of a long run."""

from dataclasses import replace

import pytest

from tests.proof.soak.growth import ROUNDS, WARM_UP, Sample, grown

STEADY = Sample(memory=80_000_000, descriptors=20, threads=4, log=3_000)


def test_steady_use_with_a_high_start_has_not_grown() -> None:
    first = replace(STEADY, memory=2 * STEADY.memory, descriptors=60)
    assert grown([*[first] * WARM_UP, *[STEADY] * ROUNDS]) == {}


@pytest.mark.parametrize("measure", ["memory", "descriptors", "threads", "log"])
def test_use_that_grows_by_a_tenth_of_the_start_in_each_round_is_reported(measure: str) -> None:
    start = getattr(STEADY, measure)
    samples = [replace(STEADY, **{measure: start + number * max(1, start // 10)}) for number in range(2 * ROUNDS)]
    assert set(grown(samples)) == {measure}


def test_too_few_rounds_are_not_judged() -> None:
    with pytest.raises(ValueError, match="give the run more minutes"):
        grown([STEADY] * (ROUNDS - 1))
