"""The faults between one operator and its API server, and the changes of its rights, writes and objects."""

from typing import Final

from tests.proof.cluster import actors, fault_proxy
from tests.proof.cluster.scenario import Case

CASES: Final = (
    Case("hangs", actors.under(fault_proxy.hang), seconds=12.0, leased=True),
    Case("slow", actors.under(fault_proxy.slow(1.0)), seconds=20.0, harmless=True),
    Case("429", actors.under(fault_proxy.answering(429, **{"Retry-After": "1"}))),
    Case("500", actors.under(fault_proxy.answering(500))),
    Case("503", actors.under(fault_proxy.answering(503))),
    Case("503 beyond the Lease", actors.under(fault_proxy.answering(503)), leased=True),
    Case("every other request fails", actors.under(fault_proxy.every_other(429, 500, 503))),
    Case("writes answered 500 and done", actors.under(fault_proxy.unheard(500)), lost_answers=1),
    Case("writes answered 503", actors.under(fault_proxy.no_write)),
    Case("no watch", actors.under(fault_proxy.no_watch)),
    Case("watches cut", actors.under_cuts(), harmless=True),
    Case("410 for watches", actors.under(fault_proxy.forgetful), harmless=True, seconds=15.0),
    Case("410 for a page", actors.under(fault_proxy.no_second_page)),
    Case("a policy refuses the finalizer", actors.refusing(""), in_conditions=True),
    Case("a policy refuses the status", actors.refusing("status")),
    Case("a broken webhook", actors.broken_webhook),
    Case("a hanging webhook", actors.hanging_webhook, seconds=25.0),
    Case("a quota without Events", actors.no_room_for_events, harmless=True),
    Case("no rights", actors.without_rights),
    # Each write of the other writer is an event, and causes a reconcile.
    Case("another writer", actors.another_writer, seconds=15.0, harmless=True, requests=100.0),
    Case(
        "another writer, watches cut",
        actors.together(actors.another_writer, actors.under_cuts()),
        seconds=15.0,
        harmless=True,
        requests=100.0,
    ),
)
