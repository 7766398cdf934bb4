"""Faults of the simulated NetBird API."""

from datetime import datetime, timedelta

import pytest

from tests.doubles.netbird.codec import dump, load
from tests.doubles.netbird.faults import (
    Exchange,
    Failure,
    Fault,
    Hang,
    Moment,
    Oversize,
    Redirect,
    Reply,
    Reset,
    Slow,
    Truncate,
    error_reply,
    html_reply,
)
from tests.doubles.netbird.wire import Caller, Operation, Request
from tests.unit.doubles.netbird.given import CALLER, DATADOG, LATER, NOW, OWN, body, listed, made, server


class TestFaults:
    def create(self, exchange: Exchange, now: datetime = NOW) -> tuple[int | None, int]:
        """Post once, and return the status of the response with the number of integrations afterwards."""
        delivery = exchange.serve(Request(Operation.CREATE, CALLER, body=body(DATADOG)), now)
        assert delivery.applied == (delivery.answer is not None and delivery.answer.applied) or delivery.failure
        return delivery.answer.status if delivery.answer else None, len(exchange.model.integrations)

    @pytest.mark.parametrize(
        ("failure", "status"),
        [
            (Reset(), None),
            (Hang(), None),
            (error_reply(503), 503),
            (html_reply(), 200),
            (Reply(502), 502),
            (Redirect("https://elsewhere.example.com"), 307),
        ],
    )
    @pytest.mark.parametrize(("moment", "there"), [(Moment.BEFORE, 0), (Moment.AFTER, 1), (Moment.LATE, 0)])
    def test_equal_fault_hides_any_outcome(
        self, failure: Failure, status: int | None, moment: Moment, there: int
    ) -> None:
        exchange = Exchange(server())
        exchange.faults.add(Fault(failure, moment, late=30))
        assert self.create(exchange) == (status, there)
        exchange.model.advance(NOW + timedelta(seconds=30))
        assert len(exchange.model.integrations) == (0 if moment is Moment.BEFORE else 1)

    def test_late_commit_counts_from_its_application(self) -> None:
        exchange = Exchange(server())
        exchange.faults.add(Fault(error_reply(504), Moment.LATE, late=30))
        self.create(exchange)
        assert exchange.model.next_due == NOW + timedelta(seconds=30)
        assert listed(exchange.model, now=NOW + timedelta(seconds=29)) is None
        (shown,) = listed(exchange.model, now=NOW + timedelta(seconds=31))
        assert shown["created_at"] == "2026-03-01T13:00:30.12+01:00"
        assert [(effect.late, effect.at) for effect in exchange.model.history] == [(True, NOW + timedelta(seconds=30))]

    def test_late_commits_are_applied_at_their_own_times(self) -> None:
        exchange = Exchange(server())
        found = made(exchange.model, body(DATADOG))
        for seconds, key in ((20, "second"), (10, "first")):
            exchange.faults.add(Fault(Reset(), Moment.LATE, late=seconds))
            exchange.serve(Request(Operation.UPDATE, CALLER, found, body({"api_key": key})), NOW)
        assert exchange.model.advance(LATER) == 2
        assert exchange.model.integrations[found].config["api_key"] == "second"

    def test_impossible_late_commit_has_no_effect(self) -> None:
        exchange = Exchange(server())
        found = made(exchange.model, body(DATADOG))
        exchange.faults.add(Fault(Reset(), Moment.LATE, operation=Operation.UPDATE, late=10))
        exchange.serve(Request(Operation.UPDATE, CALLER, found, body(DATADOG)), NOW)
        exchange.model.dashboard_delete(found, NOW)
        exchange.model.advance(LATER)
        assert not exchange.model.integrations

    def test_fault_affects_the_requests_that_it_names(self) -> None:
        exchange = Exchange(server())
        exchange.faults.add(Fault(error_reply(500), operation=Operation.CREATE, account="home", skip=1, times=2))
        exchange.serve(Request(Operation.LIST, CALLER), NOW)
        exchange.serve(Request(Operation.CREATE, Caller(OWN.authorization, "tenant"), body=body(DATADOG)), NOW)
        assert [self.create(exchange)[0] for _ in range(4)] == [200, 500, 500, 200]
        (armed,) = exchange.faults.armed
        assert (armed.seen, armed.struck, armed.spent) == (4, 2, True)

    def test_first_of_several_faults_is_applied_and_all_count(self) -> None:
        exchange = Exchange(server())
        exchange.faults.add(Fault(error_reply(500)))
        exchange.faults.add(Fault(error_reply(503), skip=1))
        assert [self.create(exchange)[0] for _ in range(3)] == [500, 503, 200]

    def test_permanent_fault_ends_when_it_is_removed(self) -> None:
        exchange = Exchange(server())
        lasting = exchange.faults.add(Fault(Reset(), times=None))
        assert [self.create(exchange)[0] for _ in range(5)] == [None] * 5
        exchange.faults.remove(lasting)
        assert self.create(exchange) == (200, 1)

    def test_refusal_of_the_server_uses_no_fault_after_applying(self) -> None:
        exchange = Exchange(server())
        exchange.faults.add(Fault(Reset(), Moment.AFTER))
        delivery = exchange.serve(Request(Operation.LIST, Caller()), NOW)
        assert (delivery.answer and delivery.answer.status, exchange.faults.armed[0].struck) == (401, 0)

    def test_oversized_response_is_still_the_true_one(self) -> None:
        exchange = Exchange(server())
        exchange.faults.add(Fault(Oversize(10_000), Moment.AFTER))
        delivery = exchange.serve(Request(Operation.LIST, CALLER), NOW)
        assert delivery.answer is not None
        assert (len(delivery.answer.content), delivery.answer.body) == (10_000, None)

    @pytest.mark.parametrize("failure", [Truncate(), Slow(), Oversize()])
    def test_fault_that_shows_the_true_response_comes_after_applying(self, failure: Failure) -> None:
        for moment in (Moment.BEFORE, Moment.LATE):
            with pytest.raises(ValueError, match="after applying"):
                Fault(failure, moment)

    @pytest.mark.parametrize(
        "failure", [Reset(), Hang(3), html_reply(), Truncate(5), Oversize(9), Slow(1, 2), Redirect("/there", 302)]
    )
    def test_fault_survives_the_control_api(self, failure: Failure) -> None:
        fault = Fault(failure, Moment.AFTER, Operation.UPDATE, "home", 1, None, 2.5)
        assert load(Fault, dump(Fault, fault)) == fault
