"""Behaviour of NetBird that no public source promises or excludes, drawn apart from the rest of the seed."""

import random
from dataclasses import replace
from typing import Final

from tests.doubles.netbird.behaviour import Form
from tests.simulation.environment import ACTIVE
from tests.simulation.plan import PlannedAction
from tests.simulation.world import Environment

SHARE: Final = 0.2
"""The share of scenarios in which NetBird has one of these behaviours."""
BENIGN: Final = 0.12
BLANKS: Final = (2.0, 20.0, 200.0)
FORMS: Final = tuple(form for form in Form if form is not Form.AS_SENT)
HABITS: Final = ("form", "ids", "stamps", "immutable", "lag", "cut", "blank", "revert", "hang")
DARK: Final = "dark.example"
"""A host that never responds. NetBird reports that after a long time."""


def draw_unspecified_behaviour(
    seed: int, environment: Environment, names: tuple[str, ...]
) -> tuple[Environment, list[PlannedAction]]:
    """Return the environment with one such behaviour, and the events of the server that belong to it.

    One at a time, because two together often leave no correct result. Harmless ones are added.
    """
    draw = random.Random(f"habits of {seed}")
    if draw.random() >= SHARE:
        return environment, []
    has = draw.choice(HABITS)
    behaviour = replace(
        environment.behaviour,
        form=draw.choice(FORMS) if has == "form" else Form.AS_SENT,
        reuse_ids=has == "ids",
        stamps=has == "stamps",
        database_skew=draw.choice((-300.0, 300.0)) if draw.random() < BENIGN else 0.0,
        strange_items=draw.random() < BENIGN,
        immutable=("api_url", "url") if has == "immutable" else (),
        get_lag=has == "lag",
        hanging_hosts=frozenset({DARK}) if has == "hang" else frozenset(),
        list_limit=draw.choice((1, 2)) if has == "cut" else None,
    )
    what = {"ids": "take_id", "blank": "blank", "revert": "revert"}.get(has)
    planned = PlannedAction(draw.uniform(10, ACTIVE), what or "", draw.choice(names), draw.getrandbits(32))
    return replace(environment, behaviour=behaviour), [] if what is None else [planned]
