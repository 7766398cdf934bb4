"""What a status says: an intent is written once for each POST, and what others wrote beside it is theirs."""

from netbird_streaming.core import transitions
from netbird_streaming.core.actions import Create, Look
from netbird_streaming.core.decide import decide
from netbird_streaming.core.facts import Case, Memory
from netbird_streaming.core.status import Condition, Status
from tests.support.cases import NOW, WALL, case, held, integration, view

SEEN = Memory(finalizer_seen=NOW - 100)


def creating(seen: Case) -> Create:
    action = decide(seen)
    assert isinstance(action, Create)
    return action


def test_an_intent_whose_write_landed_unanswered_is_not_written_again() -> None:
    resource = integration()
    first = creating(case(resource, view=view(), memory=SEEN))
    landed = integration(status=transitions.intending(case(resource, view=view(), memory=SEEN), first))
    again = case(landed, view=view(), memory=SEEN.having(unsent=first.intent))
    assert creating(again) == first
    assert transitions.intending(again, creating(again)) == landed.status


def test_an_intent_whose_list_is_old_by_then_is_made_anew_and_counts_as_the_same_attempt() -> None:
    resource = integration()
    first = creating(case(resource, view=view(), memory=SEEN))
    landed = integration(status=transitions.intending(case(resource, view=view(), memory=SEEN), first))
    memory = SEEN.having(unsent=first.intent)
    assert isinstance(decide(case(landed, view=view(begun=NOW - 21), memory=memory)), Look)
    assert creating(case(landed, view=view(begun=NOW - 5), memory=memory)).intent.attempt == 1


def test_an_attempt_that_may_have_been_sent_counts() -> None:
    resource = integration()
    sent = creating(case(resource, view=view(), memory=SEEN)).intent
    status = Status(creation=sent, owner_uid=resource.metadata.uid)
    over = SEEN.having(intent_over=NOW - 100)
    assert creating(case(integration(status=status), view=view(), memory=over)).intent.attempt == 2


def test_what_others_wrote_beside_our_status_is_not_ours() -> None:
    theirs = Condition(type="Seen", status="True", reason="Watched", last_transition_time=WALL)
    ready = Condition(type="Ready", status="True", reason="Synced", last_transition_time=WALL)
    resource = integration()
    status = held(resource, conditions=(theirs, ready))
    assert case(integration(status=status)).status == held(resource, conditions=(ready,))
