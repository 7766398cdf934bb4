"""The rights of a scope, and the missing ones."""

import asyncio
from typing import Any

from netbird_streaming.cluster.client import Request
from netbird_streaming.cluster.rbac import Permission, missing_permissions, secret_permissions, watch_permissions
from tests.unit.cluster.fakes import ScriptedApi


def denying(*denied: tuple[str, str | None]) -> ScriptedApi:
    """An API server that denies (resource, namespace) and allows the rest."""

    def answer(request: Request) -> Any:
        assert request.body is not None
        asked = request.body["spec"]["resourceAttributes"]
        return {"status": {"allowed": (asked["resource"], asked.get("namespace")) not in denied}}

    return ScriptedApi(answer)


def test_rights_of_a_scope() -> None:
    assert len(watch_permissions(None)) == 6
    assert len(watch_permissions(["a", "b"])) == 10
    assert secret_permissions(["a"]) == (
        Permission("list", "", "secrets", "a"),
        Permission("watch", "", "secrets", "a"),
    )
    assert str(secret_permissions(None)[0]) == "list secrets in the whole cluster"


def test_cluster_scoped_kinds_are_left_out_if_unwatched() -> None:
    rights = watch_permissions(["a", "b"], cluster_kinds=False)
    assert {permission.namespace for permission in rights} == {"a", "b"}
    assert len(rights) == 8


def test_missing_right_is_named_as_in_a_role() -> None:
    missing = asyncio.run(missing_permissions(denying(("netbirdconnections", "b")).api, watch_permissions(["a", "b"])))
    assert [str(permission) for permission in missing] == [
        f"{verb} netbirdconnections.integrations.netbird.io in namespace b" for verb in ("list", "watch")
    ]


def test_result_is_in_the_order_of_the_request() -> None:
    rights = secret_permissions(["a", "b"])
    assert asyncio.run(missing_permissions(denying(("secrets", "b")).api, rights)) == rights[2:]
