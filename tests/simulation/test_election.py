"""At most one acts, at all times: the shipped elector in stories of failing machines, networks and people."""

import random
from collections.abc import Callable
from functools import partial
from typing import Final

import pytest

from netbird_streaming.cluster.leader_election import elector
from netbird_streaming.cluster.leader_election.record import (
    MAX_DURATION,
    RELEASED_DURATION,
    LeaderElectionRecord,
    LeaseTiming,
    Observation,
)
from tests.simulation.election import Electorate, Replica
from tests.simulation.random_faults import Fate, Weather

SEEDS: Final = range(120)
CHUNK: Final = 30
TIMINGS: Final = (LeaseTiming(), LeaseTiming(4, 3, 0.5), LeaseTiming(30, 20, 5))
ACTIVE: Final = 240.0
SETTLED: Final = ACTIVE + MAX_DURATION + 30.0
END: Final = SETTLED + 60.0
HELD_OFF: Final = 35.0
"""Seconds after a deletion in which no process may be new: it could not know that there was a Lease."""
HUGE: Final = 2**31 - 1


def _start(electorate: Electorate, timing: LeaseTiming) -> None:
    electorate.start(timing)


class Story:
    """Three replicas and what befalls them, drawn from a seed; in the end all works and all run."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        chance = self.draw.choice((0.0, 0.05, 0.3))
        fates = (Fate.DROPPED, Fate.UNANSWERED, Fate.LATE, Fate.BROKEN, Fate.BROKEN_APPLIED)
        weather = Weather(chance, 1000 + ACTIVE, fates, self.draw.choice((0.005, 0.3)))
        self.electorate = Electorate(random.Random(seed + 1), weather)
        # Replicas of two releases may differ in their timing while an update goes on. Then the Lease alone tells how
        # long its holder may act, so nobody deletes it or edits its duration in the same story.
        self.mixed = self.draw.random() < 0.3
        self.timing = self.draw.choice(TIMINGS)
        deleted = not self.mixed and self.draw.random() < 0.6
        self.deletion = self.draw.uniform(40, ACTIVE - 40) if deleted else None

    def run(self) -> Electorate:
        """Let it happen, all of it."""
        electorate, draw = self.electorate, self.draw
        for _ in range(3):
            electorate.at(draw.uniform(0, 5), self._start)
        for _ in range(draw.randint(2, 14)):
            electorate.at(draw.uniform(5, ACTIVE), self._happen)
        if self.deletion is not None:
            electorate.at(self.deletion, self._delete)
        electorate.at(ACTIVE, self._repair)
        electorate.run_until(END)
        return electorate

    def _start(self) -> None:
        self.electorate.start(self.draw.choice(TIMINGS) if self.mixed else self.timing)

    def _start_again(self) -> None:
        moment = self.electorate.now + self.draw.uniform(0.5, 30)
        if self.deletion is not None and self.deletion - 5 < moment < self.deletion + HELD_OFF:
            moment = self.deletion + HELD_OFF
        self.electorate.at(moment, self._start)

    def _happen(self) -> None:
        electorate, draw = self.electorate, self.draw
        if not electorate.alive:
            return
        someone = draw.choice(electorate.leaders or electorate.alive)
        if draw.random() < 0.3:
            someone = draw.choice(electorate.alive)
        # What befalls a follower before a deletion could keep it from ever having seen the Lease.
        blind = self.deletion is not None and electorate.now < self.deletion + HELD_OFF
        happenings = [self._restart, self._crash, self._edit]
        happenings += [] if blind and not someone.may_act else [self._freeze, self._hang]
        draw.choice(happenings)(someone)

    def _restart(self, replica: Replica) -> None:
        if not replica.process.owner.frozen and replica.process.task is not None:
            self.electorate.stop(replica)
            self._start_again()

    def _crash(self, replica: Replica) -> None:
        self.electorate.kill(replica)
        self._start_again()

    def _freeze(self, replica: Replica) -> None:
        self.electorate.freeze(replica)
        self.electorate.at(self.electorate.now + self.draw.uniform(0.5, 60), lambda: self.electorate.thaw(replica))

    def _hang(self, replica: Replica) -> None:
        self.electorate.hang(replica)
        self.electorate.at(self.electorate.now + self.draw.uniform(0.5, 60), lambda: self.electorate.mend(replica))

    def _edit(self, _: Replica) -> None:
        electorate, draw = self.electorate, self.draw
        spec = electorate.server.stored["spec"] if electorate.server.stored is not None else {}
        # An empty name beside a second is what a release writes, and nobody could tell.
        if not spec.get("holderIdentity") or spec["leaseDurationSeconds"] == RELEASED_DURATION:
            return
        edits: list[dict[str, object]] = [
            {"holderIdentity": draw.choice(electorate.replicas).identity},
            {"holderIdentity": "nobody"},
            {"holderIdentity": None},
            {"leaseTransitions": draw.choice((0, HUGE))},
        ]
        edits += [] if self.mixed else [{"leaseDurationSeconds": each} for each in (None, 1, HUGE)]
        electorate.edit(**draw.choice(edits))

    def _delete(self) -> None:
        if all(each.elector._observation is not None for each in self.electorate.alive):
            self.electorate.delete()

    def _repair(self) -> None:
        for replica in self.electorate.alive:
            self.electorate.thaw(replica)
            self.electorate.mend(replica)


def failed(seed: int) -> list[str]:
    """What a story broke, with its end."""
    story = Story(seed)
    try:
        electorate = story.run()
    finally:
        story.electorate.dispose()
    broken = list(electorate.breaches)
    settled = {who for moment, who in electorate.acts if moment >= SETTLED}
    if len(settled) != 1:
        broken.append(f"when all works, one leads for good, not {sorted(settled)}")
    return [f"seed {seed}:", *broken[:5], *electorate.story[-60:]] if broken else []


@pytest.mark.parametrize("first", range(SEEDS.start, SEEDS.stop, CHUNK))
def test_at_most_one_acts_whatever_happens_and_one_does_in_the_end(first: int) -> None:
    broken = [line for seed in range(first, first + CHUNK) for line in failed(seed)]
    assert not broken, "\n".join(broken)


def by_time_alone(seen: Observation, mine: LeaderElectionRecord | None, duration: float, now: float) -> bool:
    """Believes an edit."""
    del mine, duration
    return not seen.record.holder or now >= seen.since + seen.record.duration


def by_name(seen: Observation, mine: LeaderElectionRecord | None, duration: float, now: float) -> bool:
    """Takes what carries its name for its own."""
    return (mine is not None and seen.record.holder == mine.holder) or now >= seen.since + duration


@pytest.mark.parametrize("wrong", [by_time_alone, by_name])
def test_the_stories_tell_a_wrong_decision(
    monkeypatch: pytest.MonkeyPatch, wrong: Callable[[Observation, LeaderElectionRecord | None, float, float], bool]
) -> None:
    monkeypatch.setattr(elector, "may_take", wrong)
    assert any(" acts while " in line for seed in SEEDS for line in failed(seed))


def test_the_stories_tell_a_leader_that_trusts_its_lease_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elector.LeaderElector, "is_leader", property(lambda self: self._deadline is not None))
    assert any(" acts while " in line for seed in SEEDS for line in failed(seed))


@pytest.mark.parametrize("timing", TIMINGS, ids=lambda timing: f"{timing.duration:g}s")
def test_a_clean_stop_hands_over_within_one_look_and_a_kill_within_the_duration_and_two(timing: LeaseTiming) -> None:
    for gone, least, most in (
        (Electorate.stop, 0.0, timing.retry + 4.0),
        (Electorate.kill, timing.renew_deadline, timing.duration + 2 * timing.retry + 1.0),
    ):
        electorate = Electorate(random.Random(3))
        first = electorate.start(timing)
        electorate.at(1, partial(_start, electorate, timing))
        electorate.at(40, partial(gone, electorate, first))
        electorate.run_until(100)
        last = max(moment for moment, who in electorate.acts if who == "p0")
        begin = min(moment for moment, who in electorate.acts if who == "p1")
        assert least <= begin - last <= most
        assert not electorate.breaches
        electorate.dispose()


def test_a_frozen_leader_that_goes_on_after_another_leads_acts_no_more_and_may_lead_anew_later() -> None:
    electorate = Electorate(random.Random(4))
    first = electorate.start()
    electorate.at(1, partial(_start, electorate, LeaseTiming()))
    electorate.at(20, lambda: electorate.freeze(first))
    electorate.at(60, lambda: electorate.thaw(first))
    electorate.at(90, lambda: electorate.stop(electorate.replicas[1]))
    electorate.run_until(120)
    acted = [moment for moment, who in electorate.acts if who == "p0"]
    assert not [moment for moment in acted if 20 < moment < 90]
    assert [moment for moment in acted if moment > 90]
    assert first.terms == 2
    assert not electorate.breaches
    electorate.dispose()
