"""Coverage of the seeds: each kind of action and fault occurs in a few hundred scenarios."""

from collections import Counter
from datetime import datetime
from itertools import product

import pytest

from netbird_streaming.api.types import Resource
from netbird_streaming.errors import ConflictError, ObjectGoneError, OperatorError
from tests.doubles.netbird.read_replica import Replica
from tests.simulation.apiserver import ApiServer
from tests.simulation.random_faults import Phase, RandomFaults, RecordedFaults, RequestDraw, RequestFault
from tests.simulation.random_scenario import ACTS, draw_plan
from tests.simulation.seeds import run_plan

SEEDS = 500


def happened() -> Counter[str]:
    """Count how often each kind of action and fault occurs."""
    counts: Counter[str] = Counter()
    for seed in range(SEEDS):
        plan = draw_plan(seed)
        record = RecordedFaults(RandomFaults(seed + 1))
        result = run_plan(plan, fault_source=record)
        counts.update(f"planned {each.what}" for each in plan.planned_actions)
        for occasion, request_draw in record.kept.items():
            server = occasion.what.split()[0]
            if isinstance(request_draw, RequestDraw):
                counts[f"{server} {request_draw.fault.name}"] += 1
                counts[f"{server} {request_draw.phase.name if request_draw.phase else 'alive'}"] += 1
            elif request_draw.again is not None:
                counts["stale copy"] += 1
        lines = "\n".join(result.log)
        counts["late commit"] += lines.count(" LATE\n")
        counts["killed between two steps"] += lines.count(" is killed")
        counts["continues after a freeze"] += lines.count(" continues")
        counts["two replicas"] += plan.environment.election is not None
        counts["watch gap"] += len(plan.environment.watch.gaps)
        counts["outage"] += len(plan.environment.cluster.outages) + len(plan.environment.netbird.outages)
        masks = plan.environment.behaviour.mask_headers.name, plan.environment.behaviour.update_form.name
        counts.update(masks)
    return counts


def test_each_kind_of_fault_occurs(monkeypatch: pytest.MonkeyPatch) -> None:
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
    expected = {f"planned {name}" for name in ACTS}
    expected |= {f"netbird {fault.name}" for fault in RequestFault}
    expected |= {
        f"k8s {fault.name}"
        for fault in (RequestFault.DROPPED, RequestFault.UNANSWERED, RequestFault.BROKEN, RequestFault.BROKEN_APPLIED)
    }
    expected |= {f"{server} {phase.name}" for server, phase in product(("k8s", "netbird"), Phase)}
    expected |= {"stale copy", "late commit", "killed between two steps", "continues after a freeze", "two replicas"}
    expected |= {"list that lags", "watch gap", "outage", "WHOLE", "VALUES", "NONE", "MERGE", "REPLACE"}
    assert sorted(each for each in expected if not counts[each]) == []
    assert set(refused) == {ConflictError.__name__, ObjectGoneError.__name__}
