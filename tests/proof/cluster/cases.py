"""The faults between one operator and its API server, and what is done to its rights, writes and objects."""

from typing import Final

from tests.proof.cluster import hands, weather
from tests.proof.cluster.life import Case

CASES: Final = (
    Case("hangs", hands.under(weather.hang), seconds=12.0, leased=True),
    Case("slow", hands.under(weather.slow(1.0)), seconds=20.0, harmless=True),
    Case("429", hands.under(weather.answering(429, **{"Retry-After": "1"}))),
    Case("500", hands.under(weather.answering(500))),
    Case("503", hands.under(weather.answering(503))),
    Case("503 beyond the Lease", hands.under(weather.answering(503)), leased=True),
    Case("every other request fails", hands.under(weather.every_other(429, 500, 503))),
    Case("writes answered 500 and done", hands.under(weather.unheard(500)), lost_answers=1),
    Case("writes answered 503", hands.under(weather.no_write)),
    Case("no watch", hands.under(weather.no_watch)),
    Case("watches cut", hands.under_cuts(), harmless=True),
    Case("410 for watches", hands.under(weather.forgetful), harmless=True, seconds=15.0),
    Case("410 for a page", hands.under(weather.no_second_page)),
    Case("a policy refuses the finalizer", hands.refusing(""), told=True),
    Case("a policy refuses the status", hands.refusing("status")),
    Case("a broken webhook", hands.broken_webhook),
    Case("a hanging webhook", hands.hanging_webhook, seconds=25.0),
    Case("a quota without Events", hands.no_room_for_events, harmless=True),
    Case("no rights", hands.without_rights),
    # Each write of the other's is an event, and a reason to look.
    Case("another writer", hands.another_writer, seconds=15.0, harmless=True, requests=100.0),
    Case(
        "another writer, watches cut",
        hands.together(hands.another_writer, hands.under_cuts()),
        seconds=15.0,
        harmless=True,
        requests=100.0,
    ),
)
