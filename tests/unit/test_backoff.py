"""The pauses between retries."""

import random

import pytest

from netbird_streaming.backoff import Backoff


@pytest.mark.parametrize(("failures", "seconds"), [(0, 2.0), (1, 4.0), (3, 16.0), (4, 30.0), (10**6, 30.0)])
def test_pause_doubles_with_each_failure_up_to_the_last(failures: int, seconds: float) -> None:
    assert Backoff(2.0, 30.0, jitter=0.0).pause(failures, random.Random(1)) == seconds


def test_jitter_spreads_the_pauses_on_both_sides() -> None:
    pauses = [Backoff(2.0, 30.0).pause(1, random.Random(seed)) for seed in range(200)]
    assert 3.0 <= min(pauses) < 3.2
    assert 4.8 < max(pauses) <= 5.0
