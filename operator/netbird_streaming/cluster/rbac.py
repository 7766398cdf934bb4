"""Review of the operator's rights, before kopf starts.

A namespace without its Role would end kopf for all namespaces.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from netbird_streaming.api.types import GROUP
from netbird_streaming.cluster.client import KubernetesClient, Request
from netbird_streaming.cluster.parsing import KINDS

_PATH: Final = "/apis/authorization.k8s.io/v1"
_EVENTS: Final = "events.k8s.io"
_LEASES: Final = "coordination.k8s.io"
_WATCHING: Final = ("list", "watch")


@dataclass(frozen=True, slots=True)
class Permission:
    """Right of RBAC; `namespace` None means the whole cluster, `group` empty the core group.

    `resource` may name a subresource, such as `secrets/status`; `name` limits the right to one object.
    """

    verb: str
    group: str
    resource: str
    namespace: str | None = None
    name: str | None = None

    def __str__(self) -> str:
        """Return the right in words."""
        kind = f"{self.resource}.{self.group}" if self.group else self.resource
        kind = f"{kind} {self.name}" if self.name else kind
        return f"{self.verb} {kind} in {f'namespace {self.namespace}' if self.namespace else 'the whole cluster'}"


def watch_permissions(namespaces: Sequence[str] | None, *, cluster_kinds: bool = True) -> tuple[Permission, ...]:
    """Return the rights to watch the operator's kinds in some namespaces, or in the whole cluster.

    Args:
        namespaces: The watched namespaces. None means the whole cluster.
        cluster_kinds: Whether the kinds without a namespace are watched.
    """
    scopes: tuple[str | None, ...] = (None,) if namespaces is None else tuple(namespaces)
    return tuple(
        Permission(verb, GROUP, kind.plural, namespace)
        for kind in KINDS.values()
        if kind.namespaced or cluster_kinds
        for namespace in (scopes if kind.namespaced else (None,))
        for verb in _WATCHING
    )


def secret_permissions(namespaces: Sequence[str] | None) -> tuple[Permission, ...]:
    """Return the rights to watch the metadata of Secrets."""
    scopes: tuple[str | None, ...] = (None,) if namespaces is None else tuple(namespaces)
    return tuple(Permission(verb, "", "secrets", namespace) for namespace in scopes for verb in _WATCHING)


@dataclass(frozen=True, slots=True)
class PermissionScope:
    """Settings that decide which rights the operator needs; `namespaces` and `secret_namespaces` None mean all."""

    own_namespace: str
    namespaces: Sequence[str] | None
    secret_namespaces: Sequence[str] | None
    cluster_kinds: bool
    secret_watch: bool
    lease: str | None
    key_secret: str


def operator_permissions(scope: PermissionScope) -> tuple[Permission, ...]:
    """Return all rights that the operator uses, as its chart grants them."""
    everywhere: tuple[str | None, ...] = (None,)
    namespaces = everywhere if scope.namespaces is None else tuple(scope.namespaces)
    needed = list(_kind_permissions(scope, everywhere if scope.cluster_kinds else namespaces))
    for namespace in namespaces:
        needed += [Permission("get", "", "configmaps", namespace), Permission("create", _EVENTS, "events", namespace)]
    secrets = everywhere if scope.secret_namespaces is None else tuple(scope.secret_namespaces)
    if scope.cluster_kinds and secrets != everywhere:
        secrets = tuple(dict.fromkeys((*secrets, scope.own_namespace)))
    verbs = ("get", *_WATCHING) if scope.secret_watch else ("get",)
    needed += [Permission(verb, "", "secrets", namespace) for namespace in secrets for verb in verbs]
    needed.append(Permission("patch", "", "secrets", scope.own_namespace, scope.key_secret))
    if scope.lease is not None:
        needed.append(Permission("create", _LEASES, "leases", scope.own_namespace))
        named = (Permission(verb, _LEASES, "leases", scope.own_namespace, scope.lease) for verb in ("get", "patch"))
        needed += named
    return tuple(needed)


def _kind_permissions(scope: PermissionScope, namespaces: Sequence[str | None]) -> Iterator[Permission]:
    for kind in KINDS.values():
        if not kind.namespaced and not scope.cluster_kinds:
            continue
        for namespace in namespaces if kind.namespaced else (None,):
            for verb in ("get", *_WATCHING, "patch"):
                yield Permission(verb, GROUP, kind.plural, namespace)
            yield Permission("patch", GROUP, f"{kind.plural}/status", namespace)
    if scope.cluster_kinds:
        yield Permission("get", "", "namespaces")


async def missing_permissions(
    client: KubernetesClient, permissions: Iterable[Permission], user: str | None = None
) -> tuple[Permission, ...]:
    """Return the rights that the operator lacks, in order. With `user`, return those that this user lacks.

    Raises:
        OperatorError: The API server refuses, or can't be reached.
    """
    asked = tuple(permissions)
    allowed = await asyncio.gather(*(_allowed(client, permission, user) for permission in asked))
    return tuple(permission for permission, granted in zip(asked, allowed, strict=True) if not granted)


async def _allowed(client: KubernetesClient, permission: Permission, user: str | None) -> bool:
    resource, _, subresource = permission.resource.partition("/")
    attributes = {
        "verb": permission.verb,
        "group": permission.group,
        "resource": resource,
        **({"subresource": subresource} if subresource else {}),
        **({"namespace": permission.namespace} if permission.namespace else {}),
        **({"name": permission.name} if permission.name else {}),
    }
    kind = "SelfSubjectAccessReview" if user is None else "SubjectAccessReview"
    subject = {} if user is None else {"user": user, "groups": ["system:serviceaccounts", "system:authenticated"]}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": kind,
        "spec": {"resourceAttributes": attributes, **subject},
    }
    answer = await client.call(Request(f"the right to {permission}", f"{_PATH}/{kind.lower()}s", "POST", body=body))
    status = answer.get("status")
    return isinstance(status, dict) and status.get("allowed") is True
