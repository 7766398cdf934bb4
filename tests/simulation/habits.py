"""Behaviour of NetBird in a story that no public source promises or excludes, drawn apart from the rest of its seed."""

import random
from dataclasses import replace
from typing import Final

from tests.doubles.netbird.behaviour import Form
from tests.simulation.climate import ACTIVE
from tests.simulation.plan import Deed
from tests.simulation.world import Climate

ODD: Final = 0.45
"""The part of the stories in which NetBird has some of these habits."""
EACH: Final = 0.3
BLANKS: Final = (2.0, 20.0, 200.0)
FORMS: Final = tuple(form for form in Form if form is not Form.AS_SENT)


def draw_habits(seed: int, climate: Climate, names: tuple[str, ...]) -> tuple[Climate, list[Deed]]:
    """Return the climate with such habits, and what happens to the server."""
    draw = random.Random(f"habits of {seed}")
    if draw.random() >= ODD:
        return climate, []
    has = {
        name: draw.random() < EACH for name in ("form", "ids", "stamps", "skew", "shapes", "immutable", "lag", "cut")
    }
    behaviour = replace(
        climate.behaviour,
        form=draw.choice(FORMS) if has["form"] else Form.AS_SENT,
        reuse_ids=has["ids"],
        stamps=has["stamps"],
        database_skew=draw.choice((-300.0, 300.0)) if has["skew"] else 0.0,
        strange_items=has["shapes"],
        immutable=("api_url", "url") if has["immutable"] else (),
        get_lag=has["lag"] and not has["cut"],
        list_limit=draw.choice((1, 2)) if has["cut"] and not has["ids"] else None,
    )
    deeds = [
        Deed(draw.uniform(10, ACTIVE), what, draw.choice(names), draw.getrandbits(32))
        for what in ("blank", "take_id", "revert")
        if draw.random() < EACH
    ]
    return replace(climate, behaviour=behaviour), deeds
