"""Authorization and rate limits of the simulated NetBird API."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.doubles.netbird.behaviour import PathFamily, StrangerTenant
from tests.doubles.netbird.tenancy import Token, TokenKind
from tests.doubles.netbird.wire import Caller, Operation, Request
from tests.unit.doubles.netbird.given import CALLER, DATADOG, NOW, OWN, body, listed, made, post, server


class TestTenancy:
    def test_tenant_is_selected_by_the_query_and_visible_to_no_other(self) -> None:
        model = server()
        made(model, body(DATADOG))
        in_tenant = Caller(OWN.authorization, "tenant")
        shown: Any = post(model, body(DATADOG), in_tenant).body
        assert shown["account_id"] == "tenant"
        assert [each["account_id"] for each in listed(model)] == ["home"]
        assert [each["account_id"] for each in listed(model, in_tenant)] == ["tenant"]
        assert model.handle(Request(Operation.GET, CALLER, shown["id"]), NOW).status == 404

    @pytest.mark.parametrize("account", ["stranger", "gone", "nowhere"])
    def test_account_without_a_right_falls_back_to_the_home_account(self, account: str) -> None:
        model = server()
        shown: Any = post(model, body(DATADOG), Caller(OWN.authorization, account)).body
        assert shown["account_id"] == "home"
        model.behaviour = replace(model.behaviour, stranger_tenant=StrangerTenant.REFUSE)
        assert post(model, body(DATADOG), Caller(OWN.authorization, account)).status == 403

    def test_account_lookup_names_the_selected_account(self) -> None:
        model = server()
        for wanted in ("home", "tenant"):
            answer: Any = model.handle(Request(Operation.ACCOUNTS, Caller(OWN.authorization, wanted)), NOW).body
            assert [account["id"] for account in answer] == [wanted]

    @pytest.mark.parametrize(
        ("change", "refused"),
        [
            ({"may_read_accounts": False}, {Operation.ACCOUNTS}),
            ({"may_read_tokens": False}, {Operation.TOKENS}),
            ({"may_read": False}, {Operation.LIST, Operation.GET}),
            ({"may_write": False}, {Operation.CREATE, Operation.UPDATE, Operation.DELETE}),
        ],
    )
    def test_rights_are_checked_by_operation(self, change: dict[str, Any], refused: set[Operation]) -> None:
        model = server()
        model.directory.add_token(replace(OWN, **change))
        statuses = {
            each: model.handle(Request(each, CALLER, 1, body(DATADOG), user_id=OWN.owner), NOW).status
            for each in Operation
        }
        assert {operation for operation, status in statuses.items() if status == 403} == refused

    def test_user_sees_its_own_tokens_without_their_values(self) -> None:
        model = server()
        model.directory.add_token(replace(OWN, id="second", value="nbp_second", user=OWN.owner))
        shown: Any = model.handle(Request(Operation.TOKENS, CALLER, user_id=OWN.owner), NOW).body
        assert [(each["id"], each["last_used"] is None) for each in shown] == [("own", False), ("second", True)]
        assert "nbp_" not in str(shown)
        assert model.handle(Request(Operation.TOKENS, CALLER, user_id="another"), NOW).status == 403
        model.behaviour = replace(model.behaviour, users=False)
        assert model.handle(Request(Operation.USER, CALLER), NOW).status == 404

    def test_expired_token_is_401(self) -> None:
        model = server()
        model.directory.add_token(replace(OWN, expires_at=NOW))
        assert model.handle(Request(Operation.LIST, CALLER), NOW).status == 200
        assert model.handle(Request(Operation.LIST, CALLER), NOW + timedelta(seconds=1)).status == 401

    @pytest.mark.parametrize(
        "authorization", [None, "", "nbp_own", "Bearer nbp_own", "Token nbp_other", "Token nbp_own ", "Token oauth"]
    )
    def test_invalid_credentials_are_401(self, authorization: str | None) -> None:
        model = server()
        model.directory.add_token(Token("oauth", "oauth", "home", kind=TokenKind.OAUTH2))
        assert model.handle(Request(Operation.LIST, Caller(authorization)), NOW).status == 401

    def test_each_kind_of_token_has_its_own_scheme(self) -> None:
        model = server()
        model.directory.add_token(Token("oauth", "oauth", "home", kind=TokenKind.OAUTH2))
        for authorization in ("Token nbp_own", "token nbp_own", "Bearer oauth"):
            assert model.handle(Request(Operation.LIST, Caller(authorization)), NOW).status == 200

    def test_revoked_token_is_401_and_still_charged(self) -> None:
        model = server(burst=1)
        model.directory.revoke_token("own")
        statuses = [model.handle(Request(Operation.LIST, CALLER), NOW).status for _ in range(2)]
        assert statuses == [401, 429]

    def test_two_tokens_never_share_a_value(self) -> None:
        with pytest.raises(ValueError, match="has the value"):
            server().directory.add_token(Token("second", OWN.value, "tenant"))


class TestBudget:
    def test_burst_is_spent_and_refills_steadily(self) -> None:
        model = server(burst=3, requests_per_minute=120)

        def ask(seconds: float) -> int:
            return model.handle(Request(Operation.LIST, CALLER), NOW + timedelta(seconds=seconds)).status

        assert [ask(0) for _ in range(4)] == [200, 200, 200, 429]
        assert [ask(0.5), ask(0.5), ask(1.3), ask(1.4)] == [200, 429, 200, 429]
        assert [ask(600) for _ in range(4)] == [200, 200, 200, 429], "never more than the burst"
        assert model.directory.over_budget == {"own": 4}

    def test_all_tenants_of_a_token_share_its_budget(self) -> None:
        model = server(burst=1)
        statuses = [
            model.handle(Request(Operation.LIST, Caller(OWN.authorization, account)), NOW).status
            for account in ("home", "tenant")
        ]
        assert statuses == [200, 429]

    def test_refusal_equals_the_vendors(self) -> None:
        for retry_after, headers in ((None, ()), (7, (("Retry-After", "7"),))):
            model = server(burst=1, retry_after=retry_after)
            model.handle(Request(Operation.LIST, CALLER), NOW)
            answer = model.handle(Request(Operation.LIST, CALLER), NOW)
            assert answer.body == {"message": "rate limit exceeded, please try again later", "code": 429}
            assert answer.headers == headers

    def test_unknown_path_costs_nothing(self) -> None:
        model = server(burst=1)
        for _ in range(3):
            request = Request(Operation.LIST, CALLER, family=PathFamily.PLAIN)
            assert model.handle(request, NOW).status == 404
        assert model.handle(Request(Operation.LIST, CALLER), NOW).status == 200
