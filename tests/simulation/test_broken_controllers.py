"""Each controller that breaks a promise on purpose is caught by the checks."""

import pytest

from netbird_streaming.cluster.leader_election.elector import LeaderElector
from tests.simulation import broken_controllers
from tests.simulation.seeds import run_seed
from tests.simulation.world import MakeController

MOST_SEEDS = 400

WRONG: tuple[tuple[str, str, MakeController], ...] = (
    ("no intent at all", "S1", broken_controllers.NaiveController),
    ("an intent in memory only", "S1", broken_controllers.with_cluster(broken_controllers.WritesNoIntent)),
    ("an unanswered POST repeated", "S1", broken_controllers.with_netbird(broken_controllers.PostsAgain)),
    ("no wait for a late commit", "S1", broken_controllers.without_late_commit_wait),
    ("a DELETE that is not sent", "S8", broken_controllers.with_netbird(broken_controllers.DeletesNothing)),
    ("an integration forgotten", "S2", broken_controllers.with_netbird(broken_controllers.DeletesNothing)),
    ("another client's integration deleted", "S3", broken_controllers.with_netbird(broken_controllers.DeletesTheFirst)),
    ("Ready too early", "S4", broken_controllers.with_cluster(broken_controllers.ClaimsReady)),
    ("PUT again and again", "S5", broken_controllers.with_netbird(broken_controllers.PutsTwice)),
    ("a secret in a log", "S6", broken_controllers.with_cluster(broken_controllers.LeaksSecrets)),
    ("no word of a reason", "L3", broken_controllers.with_cluster(broken_controllers.ReportsNoReason)),
    ("a write for each resync", "L1", broken_controllers.with_cluster(broken_controllers.CountsInStatus)),
    ("blind to what is there", "L1", broken_controllers.with_netbird(broken_controllers.ListsNothing)),
    ("a defect that is logged", "L4", broken_controllers.with_cluster(broken_controllers.LosesEvents)),
    ("run() ends", "L4", broken_controllers.Ends),
    ("run() hangs", "L4", broken_controllers.Hangs),
    ("run() spins", "L4", broken_controllers.Spins),
    ("a task fails unseen", "L4", broken_controllers.LeavesTasks),
)


@pytest.mark.parametrize(("promise", "make"), [each[1:] for each in WRONG], ids=[each[0] for each in WRONG])
def test_broken_controller_is_caught(promise: str, make: MakeController) -> None:
    broken: set[str] = set()
    for seed in range(MOST_SEEDS):
        broken |= {breach.split()[0] for breach in run_seed(seed, make).breaches}
        if promise in broken:
            return
    pytest.fail(f"{promise} was not found broken in {MOST_SEEDS} seeds, only {sorted(broken)}")


def test_failed_seed_shows_its_replay_command_and_log() -> None:
    result = run_seed(1, broken_controllers.with_cluster(broken_controllers.ReportsNoReason))
    text = str(result)
    assert "python -m tests.simulation --seed 1 " in text
    assert "!!! L3" in text
    assert "p0 starts" in text


def test_leader_that_never_gives_up_its_lease_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LeaderElector, "is_leader", property(lambda self: self._deadline is not None))
    broken = {breach for seed in range(MOST_SEEDS) for breach in run_seed(seed).breaches}
    assert any(breach.startswith("S1 ") and " acts while " in breach for breach in broken)
