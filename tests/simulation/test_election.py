"""Leader election in random scenarios with failing processes, networks and users: at most one replica acts."""

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
from tests.harness.cases import LEASE_TIMING
from tests.simulation.election import Election, Replica
from tests.simulation.random_faults import NetworkFaults, RequestFault

SEEDS: Final = range(120)
CHUNK: Final = 30
TIMINGS: Final = (LEASE_TIMING, LeaseTiming(4, 3, 0.5), LeaseTiming(30, 20, 5))
ACTIVE: Final = 240.0
SETTLED: Final = ACTIVE + MAX_DURATION + 30.0
END: Final = SETTLED + 60.0
HELD_OFF: Final = 35.0
"""Seconds after a deletion in which no process may start, because it could not know of the Lease."""
HUGE: Final = 2**31 - 1


def _start(election: Election, timing: LeaseTiming) -> None:
    election.start(timing)


class ElectionScenario:
    """Three replicas with random faults drawn from a seed. In the end all run without faults."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        chance = self.draw.choice((0.0, 0.05, 0.3))
        faults = (
            RequestFault.DROPPED,
            RequestFault.UNANSWERED,
            RequestFault.LATE,
            RequestFault.BROKEN,
            RequestFault.BROKEN_APPLIED,
        )
        network_faults = NetworkFaults(chance, 1000 + ACTIVE, faults, self.draw.choice((0.005, 0.3)))
        self.election = Election(random.Random(seed + 1), network_faults)
        # During an update, replicas of two releases may have different timing. Then only the Lease says how long its
        # holder may act, so the same scenario does not delete it or edit its duration.
        self.mixed = self.draw.random() < 0.3
        self.timing = self.draw.choice(TIMINGS)
        deleted = not self.mixed and self.draw.random() < 0.6
        self.deletion = self.draw.uniform(40, ACTIVE - 40) if deleted else None

    def run(self) -> Election:
        """Run the whole scenario."""
        election, draw = self.election, self.draw
        for _ in range(3):
            election.at(draw.uniform(0, 5), self._start)
        for _ in range(draw.randint(2, 14)):
            election.at(draw.uniform(5, ACTIVE), self._happen)
        if self.deletion is not None:
            election.at(self.deletion, self._delete)
        election.at(ACTIVE, self._repair)
        election.run_until(END)
        return election

    def _start(self) -> None:
        self.election.start(self.draw.choice(TIMINGS) if self.mixed else self.timing)

    def _start_again(self) -> None:
        moment = self.election.now + self.draw.uniform(0.5, 30)
        if self.deletion is not None and self.deletion - 5 < moment < self.deletion + HELD_OFF:
            moment = self.deletion + HELD_OFF
        self.election.at(moment, self._start)

    def _happen(self) -> None:
        election, draw = self.election, self.draw
        if not election.alive:
            return
        someone = draw.choice(election.leaders or election.alive)
        if draw.random() < 0.3:
            someone = draw.choice(election.alive)
        # A fault of a follower before a deletion could prevent it from ever reading the Lease.
        blind = self.deletion is not None and election.now < self.deletion + HELD_OFF
        happenings = [self._restart, self._crash, self._edit]
        happenings += [] if blind and not someone.may_act else [self._freeze, self._hang]
        draw.choice(happenings)(someone)

    def _restart(self, replica: Replica) -> None:
        if not replica.process.owner.frozen and replica.process.task is not None:
            self.election.stop(replica)
            self._start_again()

    def _crash(self, replica: Replica) -> None:
        self.election.kill(replica)
        self._start_again()

    def _freeze(self, replica: Replica) -> None:
        self.election.freeze(replica)
        self.election.at(self.election.now + self.draw.uniform(0.5, 60), lambda: self.election.thaw(replica))

    def _hang(self, replica: Replica) -> None:
        self.election.hang(replica)
        self.election.at(self.election.now + self.draw.uniform(0.5, 60), lambda: self.election.reconnect(replica))

    def _edit(self, _: Replica) -> None:
        election, draw = self.election, self.draw
        spec = election.server.stored["spec"] if election.server.stored is not None else {}
        # A release writes an empty holder and one second, so this edit would be indistinguishable.
        if not spec.get("holderIdentity") or spec["leaseDurationSeconds"] == RELEASED_DURATION:
            return
        edits: list[dict[str, object]] = [
            {"holderIdentity": draw.choice(election.replicas).identity},
            {"holderIdentity": "no-replica"},
            {"holderIdentity": None},
            {"leaseTransitions": draw.choice((0, HUGE))},
        ]
        edits += [] if self.mixed else [{"leaseDurationSeconds": each} for each in (None, 1, HUGE)]
        election.edit(**draw.choice(edits))

    def _delete(self) -> None:
        if all(each.elector._observation is not None for each in self.election.alive):
            self.election.delete()

    def _repair(self) -> None:
        for replica in self.election.alive:
            self.election.thaw(replica)
            self.election.reconnect(replica)


def failed(seed: int) -> list[str]:
    """Return the violations of a scenario and of its end."""
    scenario = ElectionScenario(seed)
    try:
        election = scenario.run()
    finally:
        scenario.election.dispose()
    broken = list(election.breaches)
    settled = {who for moment, who in election.acts if moment >= SETTLED}
    if len(settled) != 1:
        broken.append(f"when all works, one leads for good, not {sorted(settled)}")
    return [f"seed {seed}:", *broken[:5], *election.log[-60:]] if broken else []


@pytest.mark.parametrize("first", range(SEEDS.start, SEEDS.stop, CHUNK))
def test_at_most_one_replica_acts_and_one_leads_in_the_end(first: int) -> None:
    broken = [line for seed in range(first, first + CHUNK) for line in failed(seed)]
    assert not broken, "\n".join(broken)


def by_time_alone(seen: Observation, mine: LeaderElectionRecord | None, duration: float, now: float) -> bool:
    """Accepts an edited Lease."""
    del mine, duration
    return not seen.record.holder or now >= seen.since + seen.record.duration


def by_name(seen: Observation, mine: LeaderElectionRecord | None, duration: float, now: float) -> bool:
    """Accepts any record with its own name."""
    return (mine is not None and seen.record.holder == mine.holder) or now >= seen.since + duration


@pytest.mark.parametrize("wrong", [by_time_alone, by_name])
def test_scenarios_detect_a_wrong_election_decision(
    monkeypatch: pytest.MonkeyPatch, wrong: Callable[[Observation, LeaderElectionRecord | None, float, float], bool]
) -> None:
    monkeypatch.setattr(elector, "may_take", wrong)
    assert any(" acts while " in line for seed in SEEDS for line in failed(seed))


def test_scenarios_detect_a_leader_that_never_renews_its_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elector.LeaderElector, "is_leader", property(lambda self: self._deadline is not None))
    assert any(" acts while " in line for seed in SEEDS for line in failed(seed))


@pytest.mark.parametrize("timing", TIMINGS, ids=lambda timing: f"{timing.duration:g}s")
def test_clean_stop_hands_over_within_one_poll_and_kill_within_the_lease_duration(timing: LeaseTiming) -> None:
    for gone, least, most in (
        (Election.stop, 0.0, timing.retry + 4.0),
        (Election.kill, timing.renew_deadline, timing.duration + 2 * timing.retry + 1.0),
    ):
        election = Election(random.Random(3))
        first = election.start(timing)
        election.at(1, partial(_start, election, timing))
        election.at(40, partial(gone, election, first))
        election.run_until(100)
        last = max(moment for moment, who in election.acts if who == "p0")
        begin = min(moment for moment, who in election.acts if who == "p1")
        assert least <= begin - last <= most
        assert not election.breaches
        election.dispose()


def test_thawed_former_leader_does_not_act_and_may_lead_again_later() -> None:
    election = Election(random.Random(4))
    first = election.start()
    election.at(1, partial(_start, election, LEASE_TIMING))
    election.at(20, lambda: election.freeze(first))
    election.at(60, lambda: election.thaw(first))
    election.at(90, lambda: election.stop(election.replicas[1]))
    election.run_until(120)
    acted = [moment for moment, who in election.acts if who == "p0"]
    assert not [moment for moment in acted if 20 < moment < 90]
    assert [moment for moment in acted if moment > 90]
    assert first.terms == 2
    assert not election.breaches
    election.dispose()
