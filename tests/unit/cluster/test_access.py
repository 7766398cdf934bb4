"""Which rights a scope takes, and which of them are missing."""

import asyncio
from typing import Any

from netbird_streaming.cluster.access import Right, missing_rights, secret_rights, watch_rights
from netbird_streaming.cluster.connection import Request
from tests.unit.cluster.fakes import ScriptedApi


def denying(*denied: tuple[str, str | None]) -> ScriptedApi:
    """An API server that denies (resource, namespace) and allows the rest."""

    def answer(request: Request) -> Any:
        assert request.body is not None
        asked = request.body["spec"]["resourceAttributes"]
        return {"status": {"allowed": (asked["resource"], asked.get("namespace")) not in denied}}

    return ScriptedApi(answer)


def test_the_rights_of_a_scope() -> None:
    assert len(watch_rights(None)) == 6
    assert len(watch_rights(["a", "b"])) == 10
    assert secret_rights(["a"]) == (Right("list", "", "secrets", "a"), Right("watch", "", "secrets", "a"))
    assert str(secret_rights(None)[0]) == "list secrets in the whole cluster"


def test_kinds_without_a_namespace_are_left_out_where_they_are_not_watched() -> None:
    rights = watch_rights(["a", "b"], cluster_kinds=False)
    assert {right.namespace for right in rights} == {"a", "b"}
    assert len(rights) == 8


def test_what_is_missing_is_named_as_a_person_would_ask_for_it() -> None:
    missing = asyncio.run(missing_rights(denying(("netbirdconnections", "b")).api, watch_rights(["a", "b"])))
    assert [str(right) for right in missing] == [
        f"{verb} netbirdconnections.integrations.netbird.io in namespace b" for verb in ("list", "watch")
    ]


def test_the_answer_is_in_the_order_of_the_question() -> None:
    rights = secret_rights(["a", "b"])
    assert asyncio.run(missing_rights(denying(("secrets", "b")).api, rights)) == rights[2:]
