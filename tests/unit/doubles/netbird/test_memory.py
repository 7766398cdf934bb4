"""The history of the simulated NetBird API."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.doubles.netbird.codec import dump, load
from tests.doubles.netbird.faults import Exchange, Fault, Moment, error_reply
from tests.doubles.netbird.model import NetBird
from tests.doubles.netbird.records import DASHBOARD, Draft
from tests.doubles.netbird.state import State, model_of, state_of
from tests.doubles.netbird.wire import Operation, Request
from tests.unit.doubles.netbird.given import CALLER, DATADOG, HTTP, LATER, NOW, body, listed, made, put, server


class TestMemory:
    def test_every_change_leaves_its_effect_with_real_values(self) -> None:
        model = server()
        found = made(model, body(DATADOG))
        put(model, found, body({"api_key": "new"}, enabled=False))
        model.dashboard_edit(found, LATER, enabled=True)
        model.handle(Request(Operation.DELETE, CALLER, found), LATER)
        assert [(each.operation, each.by, each.enabled, each.config["api_key"]) for each in model.history] == [
            (Operation.CREATE, "token:own", True, "dd-secret"),
            (Operation.UPDATE, "token:own", False, "new"),
            (Operation.UPDATE, DASHBOARD, True, "new"),
            (Operation.DELETE, "token:own", True, "new"),
        ]
        assert model.tombstones[found].deleted_at == LATER
        assert model.test_events == {found: 3}

    def test_changed_client_object_does_not_change_the_stored_one(self) -> None:
        model = server()
        sent = dict(DATADOG)
        found = made(model, {"platform": "datadog", "config": sent, "enabled": True})
        sent["api_key"] = "changed afterwards"
        listed(model)[0]["config"].clear()
        assert dict(model.integrations[found].config) == DATADOG
        assert listed(model)[0]["config"]

    def test_id_is_never_assigned_again(self) -> None:
        model = server()
        first = made(model, body(DATADOG))
        model.dashboard_delete(first, NOW)
        assert model.dashboard_create("tenant", Draft("datadog", DATADOG), NOW) == first + 1
        assert model_of(state_of(model)).shelf.take_id() == first + 2

    def test_second_delete_finds_nothing(self) -> None:
        model = server()
        found = made(model, body(DATADOG))
        answers = [model.handle(Request(Operation.DELETE, CALLER, found), NOW) for _ in range(2)]
        assert [(answer.status, answer.applied) for answer in answers] == [(200, True), (404, False)]

    def test_saved_state_is_restored_completely(self) -> None:
        model = server(rejected_secrets=frozenset({"dd-wrong"}), added_config=(("a", "b"),))
        made(model, body(HTTP, "generic_http"))
        model.dashboard_delete(made(model, body(DATADOG)), LATER)
        state = load(State, dump(State, state_of(model)))
        again = model_of(state)
        assert state_of(again) == state_of(model) == state
        assert listed(again) == listed(model)

    @given(st.lists(st.sampled_from(["post", "put", "delete", "edit", "late"]), max_size=30))
    def test_history_explains_the_current_state(self, steps: list[str]) -> None:
        model = server(burst=10_000)
        for number, step in enumerate(steps):
            _do(model, step, NOW + timedelta(seconds=number))
        model.advance(NOW + timedelta(hours=1))
        replayed: dict[int, object] = {}
        for effect in model.history:
            if effect.operation is Operation.DELETE:
                del replayed[effect.integration_id]
            else:
                replayed[effect.integration_id] = effect.config
        assert replayed == {found: kept.config for found, kept in model.integrations.items()}
        assert not replayed.keys() & model.tombstones.keys()
        assert [shown["id"] for shown in listed(model) or ()] == list(model.integrations)
        assert [effect.at for effect in model.history] == sorted(effect.at for effect in model.history)


def _do(model: NetBird, step: str, now: datetime) -> None:
    oldest = next(iter(model.integrations), None)
    exchange = Exchange(model)
    if step == "late":
        exchange.faults.add(Fault(error_reply(504), Moment.LATE, late=3))
    if step in {"post", "late"}:
        exchange.serve(Request(Operation.CREATE, CALLER, body=body(DATADOG)), now)
    elif step == "put":
        exchange.serve(Request(Operation.UPDATE, CALLER, oldest, body({"api_key": str(now)})), now)
    elif step == "delete":
        exchange.serve(Request(Operation.DELETE, CALLER, oldest), now)
    elif oldest is not None:
        model.dashboard_edit(oldest, now, config={"api_key": "edited"})
