"""Which rights we have, asked before kopf starts: one namespace without its Role would end it for all of them."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from netbird_streaming.api.types import GROUP
from netbird_streaming.cluster.client import KubernetesClient, Request
from netbird_streaming.cluster.parsing import KINDS

_PATH: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_WATCHING: Final = ("list", "watch")


@dataclass(frozen=True, slots=True)
class Permission:
    """One right of RBAC; `namespace` None means the whole cluster, `group` empty the core group."""

    verb: str
    group: str
    resource: str
    namespace: str | None = None

    def __str__(self) -> str:
        """As a person would ask for it."""
        kind = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{self.verb} {kind} in {f'namespace {self.namespace}' if self.namespace else 'the whole cluster'}"


def watch_permissions(namespaces: Sequence[str] | None, *, cluster_kinds: bool = True) -> tuple[Permission, ...]:
    """What is needed to watch our kinds in these namespaces, or in the whole cluster; those without one if wanted."""
    scopes: tuple[str | None, ...] = (None,) if namespaces is None else tuple(namespaces)
    return tuple(
        Permission(verb, GROUP, kind.plural, namespace)
        for kind in KINDS.values()
        if kind.namespaced or cluster_kinds
        for namespace in (scopes if kind.namespaced else (None,))
        for verb in _WATCHING
    )


def secret_permissions(namespaces: Sequence[str] | None) -> tuple[Permission, ...]:
    """What is needed to watch the metadata of Secrets."""
    scopes: tuple[str | None, ...] = (None,) if namespaces is None else tuple(namespaces)
    return tuple(Permission(verb, "", "secrets", namespace) for namespace in scopes for verb in _WATCHING)


async def missing_permissions(client: KubernetesClient, permissions: Iterable[Permission]) -> tuple[Permission, ...]:
    """Those of the rights that we do not have, in order.

    Raises:
        OperatorError: The API server refuses, or can't be reached.
    """
    asked = tuple(permissions)
    allowed = await asyncio.gather(*(_allowed(client, permission) for permission in asked))
    return tuple(permission for permission, granted in zip(asked, allowed, strict=True) if not granted)


async def _allowed(client: KubernetesClient, permission: Permission) -> bool:
    attributes = {
        "verb": permission.verb,
        "group": permission.group,
        "resource": permission.resource,
        **({"namespace": permission.namespace} if permission.namespace else {}),
    }
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = await client.call(Request(f"the right to {permission}", _PATH, "POST", body=body))
    status = answer.get("status")
    return isinstance(status, dict) and status.get("allowed") is True
