"""The environment of one scenario, drawn from its seed: processes, network and NetBird."""

import random
from dataclasses import replace
from typing import Final

from netbird_streaming.cluster.leader_election.record import LeaseTiming
from tests.doubles.netbird.behaviour import Behaviour, HeaderMask, TimeForm, UpdateForm
from tests.harness.cases import LEASE_TIMING
from tests.simulation.loop import BEGIN
from tests.simulation.random_faults import NetworkFaults, RequestFault
from tests.simulation.watches import Watch
from tests.simulation.world import Environment

ACTIVE: Final = 120.0
"""Seconds in which users, other clients and faults act."""
REPAIRED: Final = 150.0
SETTLED: Final = 1_500.0
END: Final = 2_110.0
"""Seconds after which nothing writes any more."""
ELECTIONS: Final = (LEASE_TIMING, LeaseTiming(30, 20, 5), *(LeaseTiming(60, 40, 10),) * 4)
ELECTED: Final = 0.1
"""The share of scenarios with two replicas and an election. Polling the Lease for half an hour costs the most."""
LIST_LAGS: Final = (0.0, 0.0, 0.3, 4.0)
RESYNC: Final = "5m"


def draw_environment(draw: random.Random) -> Environment:
    """Draw the environment of one scenario. Any kind of fault may be absent from it."""
    behaviour = Behaviour(
        post_ignores_enabled=draw.random() < 0.3,
        update_form=draw.choice(list(UpdateForm)),
        put_answers_before=draw.random() < 0.5,
        thin_get=draw.random() < 0.5,
        null_when_empty=draw.random() < 0.5,
        mask_headers=draw.choice(list(HeaderMask)),
        time_form=draw.choice(list(TimeForm)),
        fraction_digits=draw.choice((6, 9)),
        normalise_urls=draw.random() < 0.1,
        date_header=draw.random() < 0.8,
        requests_per_minute=1e9,
        burst=10**9,
    )
    watch = Watch(lag=draw.choice((0.02, 0.5, 3.0)), stale=draw.choice((0.0, 0.2)))
    if draw.random() < 0.2:
        begin = draw.uniform(0, 60)
        watch = replace(watch, gaps=((begin, begin + draw.uniform(1, 60)),))
    election = draw.choice(ELECTIONS) if draw.random() < ELECTED else None
    return Environment(
        _network_faults(draw), _network_faults(draw), watch, election, behaviour, reads_accounts=draw.random() < 0.7
    )


def draw_lag(draw: random.Random, environment: Environment) -> Environment:
    """Return for how many seconds NetBird's LIST does not show a change."""
    return replace(environment, behaviour=replace(environment.behaviour, list_lag=draw.choice(LIST_LAGS)))


def _network_faults(draw: random.Random) -> NetworkFaults:
    faults = [each for each in RequestFault if each is not RequestFault.FINE and draw.random() < 0.5] or [
        RequestFault.UNANSWERED
    ]
    chance = draw.choice((0.0, 0.02, 0.1, 0.3))
    until, latency = BEGIN + draw.uniform(30, REPAIRED), draw.choice((0.005, 0.05, 0.5))
    begin = BEGIN + draw.uniform(0, ACTIVE)
    outages = ((begin, begin + draw.uniform(1, 30)),) if draw.random() < 0.1 else ()
    return NetworkFaults(chance, until, tuple(faults), latency, outages)
