"""Which scope may be watched, by what the API server says of our rights."""

import asyncio
from typing import Any

from netbird_streaming.cluster.access import Access, Right, missing_rights, secret_rights, watch_rights, watchable
from netbird_streaming.cluster.connection import Request
from netbird_streaming.core.resources import GROUP
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


def test_a_namespace_without_its_role_is_left_out_and_named() -> None:
    access = asyncio.run(watchable(denying(("netbirdconnections", "b")).api, ["a", "b"]))
    missing = tuple(Right(verb, GROUP, "netbirdconnections", "b") for verb in ("list", "watch"))
    assert access == Access(("a",), missing, cluster_kinds=True)
    assert access.usable
    assert str(missing[0]) == "list netbirdconnections.integrations.netbird.io in namespace b"


def test_the_whole_cluster_is_all_or_nothing() -> None:
    assert asyncio.run(watchable(denying().api, None)) == Access(None, (), cluster_kinds=True)
    access = asyncio.run(watchable(denying(("eventstreamingintegrations", None)).api, None))
    assert (access.namespaces, access.usable, access.cluster_kinds) == ((), False, True)


def test_cluster_kinds_are_asked_for_apart() -> None:
    access = asyncio.run(watchable(denying(("clusternetbirdconnections", None)).api, ["a"]))
    assert (access.namespaces, access.cluster_kinds) == (("a",), False)


def test_the_answer_is_in_the_order_of_the_question() -> None:
    rights = secret_rights(["a", "b"])
    assert asyncio.run(missing_rights(denying(("secrets", "b")).api, rights)) == rights[2:]
