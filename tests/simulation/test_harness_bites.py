"""The checks are worth what they catch: each wrong controller breaks the promise that it is wrong about."""

import pytest

from netbird_streaming.cluster.leader_election.elector import LeaderElector
from tests.simulation import sabotage
from tests.simulation.seeds import run_seed
from tests.simulation.world import MakeController

MOST_SEEDS = 400

WRONG: tuple[tuple[str, str, MakeController], ...] = (
    ("no intent at all", "S1", sabotage.NaiveController),
    ("an intent in memory only", "S1", sabotage.with_cluster(sabotage.WritesNoIntent)),
    ("an unanswered POST repeated", "S1", sabotage.with_netbird(sabotage.PostsAgain)),
    ("no wait for a late commit", "S1", sabotage.impatient),
    ("a DELETE that is not sent", "S8", sabotage.with_netbird(sabotage.DeletesNothing)),
    ("an integration forgotten", "S2", sabotage.with_netbird(sabotage.DeletesNothing)),
    ("a stranger's integration deleted", "S3", sabotage.with_netbird(sabotage.DeletesTheFirst)),
    ("Ready too early", "S4", sabotage.with_cluster(sabotage.ClaimsReady)),
    ("PUT again and again", "S5", sabotage.with_netbird(sabotage.PutsTwice)),
    ("a secret in a log", "S6", sabotage.with_cluster(sabotage.TellsSecrets)),
    ("no word of a reason", "L3", sabotage.with_cluster(sabotage.SaysNothing)),
    ("a write for each resync", "L1", sabotage.with_cluster(sabotage.CountsInStatus)),
    ("blind to what is there", "L1", sabotage.with_netbird(sabotage.SeesNothing)),
    ("a defect that is logged", "L4", sabotage.with_cluster(sabotage.LosesNotes)),
    ("run() ends", "L4", sabotage.Ends),
    ("run() hangs", "L4", sabotage.Hangs),
    ("run() spins", "L4", sabotage.Spins),
    ("a task fails unseen", "L4", sabotage.LeavesTasks),
)


@pytest.mark.parametrize(("promise", "make"), [each[1:] for each in WRONG], ids=[each[0] for each in WRONG])
def test_a_wrong_controller_is_caught(promise: str, make: MakeController) -> None:
    broken: set[str] = set()
    for seed in range(MOST_SEEDS):
        broken |= {breach.split()[0] for breach in run_seed(seed, make).breaches}
        if promise in broken:
            return
    pytest.fail(f"{promise} was not found broken in {MOST_SEEDS} seeds, only {sorted(broken)}")


def test_a_failed_seed_says_how_to_replay_it_and_how_it_came_to_that() -> None:
    result = run_seed(1, sabotage.with_cluster(sabotage.SaysNothing))
    told = str(result)
    assert "python -m tests.simulation --seed 1 " in told
    assert "!!! L3" in told
    assert "p0 starts" in told


def test_a_leader_that_trusts_its_lease_for_ever_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LeaderElector, "is_leader", property(lambda self: self._deadline is not None))
    broken = {breach for seed in range(MOST_SEEDS) for breach in run_seed(seed).breaches}
    assert any(breach.startswith("S1 ") and " acts while " in breach for breach in broken)
