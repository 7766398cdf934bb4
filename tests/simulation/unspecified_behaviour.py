"""Behaviour of NetBird in a story that no public source promises or excludes, drawn apart from the rest of its seed."""

import random
from dataclasses import replace
from typing import Final

from tests.doubles.netbird.behaviour import Form
from tests.simulation.environment import ACTIVE
from tests.simulation.plan import Deed
from tests.simulation.world import Climate

FIRST_ODD: Final = 10_000_000
"""The first seed whose server may have such habits: only `make nightly` runs these."""
ODD: Final = 0.95
"""The part of the stories in which NetBird has one of these habits."""
BENIGN: Final = 0.12
BLANKS: Final = (2.0, 20.0, 200.0)
FORMS: Final = tuple(form for form in Form if form is not Form.AS_SENT)
HABITS: Final = ("form", "ids", "stamps", "immutable", "lag", "cut", "blank", "revert")


def draw_habits(seed: int, climate: Climate, names: tuple[str, ...]) -> tuple[Climate, list[Deed]]:
    """Return the climate with one such habit, and what happens to the server.

    One at a time, since two together often leave nothing that anybody could know; what does no harm comes beside it.
    """
    if seed < FIRST_ODD:
        return climate, []
    draw = random.Random(f"habits of {seed}")
    has = draw.choice(HABITS) if draw.random() < ODD else ""
    behaviour = replace(
        climate.behaviour,
        form=draw.choice(FORMS) if has == "form" else Form.AS_SENT,
        reuse_ids=has == "ids",
        stamps=has == "stamps",
        database_skew=draw.choice((-300.0, 300.0)) if draw.random() < BENIGN else 0.0,
        strange_items=draw.random() < BENIGN,
        immutable=("api_url", "url") if has == "immutable" else (),
        get_lag=has == "lag",
        list_limit=draw.choice((1, 2)) if has == "cut" else None,
    )
    what = {"ids": "take_id", "blank": "blank", "revert": "revert"}.get(has)
    deed = Deed(draw.uniform(10, ACTIVE), what or "", draw.choice(names), draw.getrandbits(32))
    return replace(climate, behaviour=behaviour), [] if what is None else [deed]
