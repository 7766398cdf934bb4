"""Which rights we have, asked before kopf starts: one namespace without its Role would end it for all of them."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from netbird_streaming.cluster.connection import Api, Request
from netbird_streaming.cluster.parsing import KINDS
from netbird_streaming.core.resources import GROUP

_PATH: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_WATCHING: Final = ("list", "watch")


@dataclass(frozen=True, slots=True)
class Right:
    """One right of RBAC; `namespace` None means the whole cluster, `group` empty the core group."""

    verb: str
    group: str
    resource: str
    namespace: str | None = None

    def __str__(self) -> str:
        """As a person would ask for it."""
        kind = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{self.verb} {kind} in {f'namespace {self.namespace}' if self.namespace else 'the whole cluster'}"


def watch_rights(namespaces: Sequence[str] | None, *, cluster_kinds: bool = True) -> tuple[Right, ...]:
    """What is needed to watch our kinds in these namespaces, or in the whole cluster; those without one if wanted."""
    scopes: tuple[str | None, ...] = (None,) if namespaces is None else tuple(namespaces)
    return tuple(
        Right(verb, GROUP, kind.plural, namespace)
        for kind in KINDS.values()
        if kind.namespaced or cluster_kinds
        for namespace in (scopes if kind.namespaced else (None,))
        for verb in _WATCHING
    )


def secret_rights(namespaces: Sequence[str] | None) -> tuple[Right, ...]:
    """What is needed to watch the metadata of Secrets."""
    scopes: tuple[str | None, ...] = (None,) if namespaces is None else tuple(namespaces)
    return tuple(Right(verb, "", "secrets", namespace) for namespace in scopes for verb in _WATCHING)


async def missing_rights(api: Api, rights: Iterable[Right]) -> tuple[Right, ...]:
    """Those of the rights that we do not have, in order.

    Raises:
        OperatorError: The API server refuses, or can't be reached.
    """
    asked = tuple(rights)
    allowed = await asyncio.gather(*(_allowed(api, right) for right in asked))
    return tuple(right for right, granted in zip(asked, allowed, strict=True) if not granted)


async def _allowed(api: Api, right: Right) -> bool:
    attributes = {
        "verb": right.verb,
        "group": right.group,
        "resource": right.resource,
        **({"namespace": right.namespace} if right.namespace else {}),
    }
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = await api.call(Request(f"the right to {right}", _PATH, "POST", body=body))
    status = answer.get("status")
    return isinstance(status, dict) and status.get("allowed") is True
