"""All that can happen does: each kind of deed, of luck and of trouble, in a few hundred stories."""

from collections import Counter
from datetime import datetime
from itertools import product

import pytest

from netbird_streaming.api.types import Resource
from netbird_streaming.errors import ConflictError, ObjectGoneError, OperatorError
from tests.doubles.netbird.read_replica import Replica
from tests.simulation.apiserver import ApiServer
from tests.simulation.random_faults import Dice, Fate, Luck, Phase, Record
from tests.simulation.random_scenario import ACTS, draw_plan
from tests.simulation.seeds import run_plan
from tests.simulation.unspecified_behaviour import FIRST_ODD

SEEDS = 500


def happened() -> Counter[str]:
    """How often each kind of thing happened."""
    counts: Counter[str] = Counter()
    for seed in range(FIRST_ODD, FIRST_ODD + SEEDS):
        plan = draw_plan(seed)
        record = Record(Dice(seed + 1))
        result = run_plan(plan, chance=record)
        counts.update(f"deed {each.what}" for each in plan.deeds)
        for occasion, luck in record.kept.items():
            server = occasion.what.split()[0]
            if isinstance(luck, Luck):
                counts[f"{server} {luck.fate.name}"] += 1
                counts[f"{server} {luck.phase.name if luck.phase else 'alive'}"] += 1
            elif luck.again is not None:
                counts["stale copy"] += 1
        lines = "\n".join(result.story)
        counts["late commit"] += lines.count(" LATE\n")
        counts["killed between two steps"] += lines.count(" is killed")
        counts["goes on after a freeze"] += lines.count(" goes on")
        counts["two replicas"] += plan.climate.election is not None
        counts["watch gap"] += len(plan.climate.watch.gaps)
        counts["outage"] += len(plan.climate.cluster.outages) + len(plan.climate.netbird.outages)
        masks = plan.climate.behaviour.mask_headers.name, plan.climate.behaviour.update_form.name
        counts.update(masks)
    return counts


def test_each_kind_of_trouble_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    refused: Counter[str] = Counter()
    shipped, replica = ApiServer.compare_and_swap, Replica.shown

    def counted(self: ApiServer, read: Resource) -> Resource:
        try:
            return shipped(self, read)
        except OperatorError as error:
            refused[type(error).__name__] += 1
            raise

    def shown(self: Replica, account_id: str, now: datetime, lag: float) -> bytes | None:
        former = replica(self, account_id, now, lag)
        lagged.append(former is not None)
        return former

    lagged: list[bool] = []
    monkeypatch.setattr(ApiServer, "compare_and_swap", counted)
    monkeypatch.setattr(Replica, "shown", shown)
    counts = happened()
    counts["list that lags"] = sum(lagged)
    expected = {f"deed {name}" for name in ACTS}
    expected |= {f"netbird {fate.name}" for fate in Fate}
    expected |= {f"k8s {fate.name}" for fate in (Fate.DROPPED, Fate.UNANSWERED, Fate.BROKEN, Fate.BROKEN_APPLIED)}
    expected |= {f"{server} {phase.name}" for server, phase in product(("k8s", "netbird"), Phase)}
    expected |= {"stale copy", "late commit", "killed between two steps", "goes on after a freeze", "two replicas"}
    expected |= {"list that lags", "watch gap", "outage", "WHOLE", "VALUES", "NONE", "MERGE", "REPLACE"}
    assert sorted(each for each in expected if not counts[each]) == []
    assert set(refused) == {ConflictError.__name__, ObjectGoneError.__name__}
