"""The rights of a scope, and the missing ones."""

import asyncio
from typing import Any

from netbird_streaming.cluster.client import Request
from netbird_streaming.cluster.rbac import (
    Permission,
    PermissionScope,
    missing_permissions,
    operator_permissions,
    secret_permissions,
    watch_permissions,
)
from tests.harness.rights import Place, needed
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


def scope(**changes: Any) -> PermissionScope:
    known: dict[str, Any] = {
        "own_namespace": "netbird-system",
        "namespaces": None,
        "secret_namespaces": None,
        "cluster_kinds": True,
        "secret_watch": True,
        "lease": "netbird-streaming-operator",
        "key_secret": "netbird-streaming-operator-fingerprint-key",
    }
    return PermissionScope(**{**known, **changes})


def granted(**changes: Any) -> set[tuple[str, str, str]]:
    return {
        (each.group, each.resource + (f"={each.name}" if each.name else ""), each.verb)
        for each in operator_permissions(scope(**changes))
    }


def test_operator_permissions_are_those_of_the_chart() -> None:
    everything = needed(Place.KINDS) | needed(Place.CLUSTER) | needed(Place.SCOPE) | needed(Place.OWN)
    assert granted() == everything
    watch = {("", "secrets", "list"), ("", "secrets", "watch")}
    assert granted(secret_watch=False) == everything - watch
    leases = {each for each in everything if each[1].startswith("leases")}
    assert granted(lease=None) == everything - leases
    cluster = needed(Place.CLUSTER) | {("", "namespaces", "get")}
    assert granted(cluster_kinds=False) == everything - cluster


def test_operator_permissions_of_some_namespaces_are_for_these_alone() -> None:
    found = operator_permissions(scope(namespaces=["a", "b"], secret_namespaces=["b"], cluster_kinds=False))
    assert {each.namespace for each in found} == {"a", "b", "netbird-system"}
    secrets = [each for each in found if each.resource == "secrets" and each.verb == "get"]
    assert {each.namespace for each in secrets} == {"b"}
    shared = operator_permissions(scope(namespaces=["a"], secret_namespaces=["a"]))
    own = [each for each in shared if each.resource == "secrets" and each.verb == "list"]
    assert {each.namespace for each in own} == {"a", "netbird-system"}


def test_permissions_of_another_user_are_asked_for_by_name() -> None:
    asked: list[Request] = []

    def answer(request: Request) -> Any:
        asked.append(request)
        return {"status": {"allowed": False}}

    wanted = Permission("patch", "apps", "deployments/status", "a", "web")
    assert asyncio.run(missing_permissions(ScriptedApi(answer).api, [wanted], "system:serviceaccount:a:b")) == (wanted,)
    (request,) = asked
    assert request.path.endswith("/subjectaccessreviews")
    assert request.body is not None
    assert request.body["spec"]["user"] == "system:serviceaccount:a:b"
    assert request.body["spec"]["resourceAttributes"] == {
        "verb": "patch",
        "group": "apps",
        "resource": "deployments",
        "subresource": "status",
        "namespace": "a",
        "name": "web",
    }
