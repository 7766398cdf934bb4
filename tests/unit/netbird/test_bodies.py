"""The memory limit of all response bodies together, beyond which the largest one is dropped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbird_streaming.netbird.bodies import Bodies, Body


def test_largest_body_is_dropped_and_its_memory_freed_while_its_server_is_silent() -> None:
    bodies = Bodies(limit=100)
    with bodies.body() as large, bodies.body() as small:
        large.add(b"x" * 90)
        small.add(b"x" * 11)
        assert (large.is_dropped, small.is_dropped) == (True, False)
        assert bodies.size == len(small.content) == 11
        large.add(b"x")
        assert bodies.size == 11


def test_complete_body_stays_until_it_is_parsed() -> None:
    bodies = Bodies(limit=100)
    with bodies.body() as complete:
        complete.add(b"x" * 90)
        complete.is_complete = True
        with bodies.body() as other:
            other.add(b"x" * 20)
            assert (complete.is_dropped, other.is_dropped) == (False, True)
    with bodies.body() as next_one:
        next_one.add(b"x" * 90)
        assert not next_one.is_dropped


def test_response_replaces_the_one_before() -> None:
    bodies = Bodies(limit=100)
    with bodies.body() as body:
        body.add(b"x" * 200)
        assert body.is_dropped
        body.begin()
        body.add(b"x")
        assert (bytes(body.content), body.is_dropped) == (b"x", False)
    assert bodies.size == 0


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 60), st.booleans()), max_size=40))
def test_limit_holds_and_a_body_below_its_share_is_never_dropped(steps: list[tuple[int, int, bool]]) -> None:
    bodies, count = Bodies(limit=100), 5
    all_of_them = [Body(bodies) for _ in range(count)]
    bodies._all.update(dict.fromkeys(all_of_them))
    for which, size, ends in steps:
        body = all_of_them[which]
        if body.is_complete or body.is_dropped:
            body.begin()
            continue
        before = {each: len(each.content) + (size if each is body else 0) for each in all_of_them}
        body.add(b"x" * size)
        dropped = [each for each in all_of_them if each.is_dropped and before[each]]
        assert bodies.size <= 100
        assert all(before[each] > 100 // count or any(other.is_complete for other in all_of_them) for each in dropped)
        body.is_complete = ends and not body.is_dropped


@pytest.mark.parametrize("size", [0, 1, 100])
def test_body_within_the_limit_is_kept(size: int) -> None:
    bodies = Bodies(limit=100)
    with bodies.body() as body:
        body.add(b"x" * size)
        assert (len(body.content), body.is_dropped) == (size, False)
