"""`export`: prints each integration of an account as a resource that adopts it."""

import argparse
import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from netbird_streaming.api.types import ClusterNetBirdConnection, Connection, EventStreamingIntegration, ObjectKey
from netbird_streaming.cli.account_access import AccountAccess, add_url_arguments, by_connection, by_url
from netbird_streaming.cli.commands import Invocation
from netbird_streaming.cli.exit_codes import ExitCode
from netbird_streaming.cli.manifests import Manifest, Place, kustomization, manifests, place_comments, unsupported
from netbird_streaming.cli.output import Output
from netbird_streaming.cli.session import Session, add_cluster_arguments, opened
from netbird_streaming.cli.yaml_text import comment, text_of
from netbird_streaming.config.options import SettingsError
from netbird_streaming.core.netbird.endpoints import authority_of
from netbird_streaming.core.netbird.types import Integration, Priority
from netbird_streaming.errors import OperatorError

DESCRIPTION: Final = (
    "Print each integration of a NetBird account as a resource that adopts it, with a Secret for the values that "
    "NetBird does not show. Integrations that a resource owns already are left out. Nothing is written to Kubernetes "
    "or NetBird."
)
EXAMPLES: Final = (
    "export --connection=default --target-namespace=team-a > integrations.yaml",
    "export --connection=team-a/netbird --directory=integrations",
    "export --url=https://api.netbird.io --token-file=token --directory=integrations",
)
_NAMESPACE: Final = re.compile(r"[^a-z0-9-]+")


@dataclass(frozen=True, slots=True)
class Exported:
    """The manifests of one account, and what could not be exported."""

    place: Place
    manifests: tuple[Manifest, ...]
    notes: tuple[str, ...]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_cluster_arguments(parser)
    parser.add_argument(
        "--connection",
        default="default",
        metavar="[NAMESPACE/]NAME",
        help="The connection whose account to export, and that the resources refer to: NAME is a "
        "ClusterNetBirdConnection, NAMESPACE/NAME a NetBirdConnection. With --url it is only referred to. Default: "
        "default.",
    )
    add_url_arguments(parser, required=False)
    parser.add_argument(
        "--target-namespace",
        default="default",
        metavar="NAMESPACE",
        help="The namespace of the resources. Those of a NetBirdConnection are in its own. Default: default.",
    )
    parser.add_argument(
        "--all-tenants",
        action="store_true",
        help="Export the accounts of all tenants of a managed service provider too, each into a namespace of its own.",
    )
    parser.add_argument(
        "-d",
        "--directory",
        type=Path,
        metavar="DIRECTORY",
        help="Write a file for each resource and a kustomization.yaml into this new directory. Without it, one stream "
        "is printed.",
    )


def execute(invocation: Invocation) -> int:
    """Export, and return 1 if an integration could not be exported."""
    arguments, output = invocation.arguments, Output(invocation)
    if (arguments.url is None) != (arguments.token_file is None):
        message = "--url and --token-file: are needed together; name both, or neither to use the cluster's connection"
        raise SettingsError(message)
    directory = arguments.directory
    if directory is not None and directory.exists() and any(directory.iterdir()):
        message = f"--directory: {directory} is not empty; name a new one, so that no file is replaced"
        raise SettingsError(message)
    exported = asyncio.run(_export(invocation, output))
    if directory is None:
        for each in exported:
            _print(each, output)
    else:
        _write(directory, exported, output)
    notes = [note for each in exported for note in each.notes]
    for note in notes:
        output.warn(f"not exported: {note}")
    kinds = [each.document["kind"] for part in exported for each in part.manifests]
    count = kinds.count(EventStreamingIntegration.__name__)
    output.warn(f"{count} exported" + ("" if directory is None else f" to {directory}"))
    return ExitCode.PROBLEM if notes else ExitCode.OK


@asynccontextmanager
async def _opened(invocation: Invocation, output: Output) -> AsyncIterator[tuple[AccountAccess, Session | None]]:
    if invocation.arguments.url is not None:
        async with by_url(invocation, output) as access:
            yield access, None
        return
    async with opened(invocation, output) as session:
        yield await by_connection(session, _key(invocation.arguments.connection)), session


async def _export(invocation: Invocation, output: Output) -> list[Exported]:
    arguments, exported, seen = invocation.arguments, list[Exported](), set[int]()
    async with _opened(invocation, output) as (access, session):
        owned = await _owned(session, access.connection)
        own = access.client(access.endpoint.tenant_id)
        tenants: list[str | None] = [access.endpoint.tenant_id]
        if arguments.all_tenants:
            output.progress("listing the tenants")
            tenants += await own.tenants(Priority.HIGH)
        for tenant_id in dict.fromkeys(tenants):
            output.progress(f"listing the integrations of {tenant_id or 'the account'}")
            place = _place(arguments, access, tenant_id)
            try:
                listing = await access.client(tenant_id).list_integrations(Priority.HIGH)
            except OperatorError as problem:
                if tenant_id == access.endpoint.tenant_id:
                    raise
                exported.append(Exported(place, (), (f"tenant {tenant_id}: {problem.message}",)))
                continue
            # A token without a right to the tenant is answered with its own account.
            items = [item for item in listing.items if item.id not in seen]
            seen |= {item.id for item in listing.items}
            exported.append(_exported(place, [item for item in items if item.id not in owned]))
    output.done()
    return exported


async def _owned(session: Session | None, connection: Connection | None) -> frozenset[int]:
    """Return the ids that resources own on the connection's server."""
    if session is None or connection is None:
        return frozenset()
    authority, found = authority_of(connection), set[int]()

    def take(resource: object) -> None:
        status = resource.status if isinstance(resource, EventStreamingIntegration) else None
        if status is not None and status.id is not None and status.internal.authority == authority:
            found.add(status.id)

    kind = EventStreamingIntegration.__name__
    for namespace in session.resources.scopes(kind):
        await session.resources.list_resources(kind, namespace, lambda *_: True, take)
    return frozenset(found)


def _exported(place: Place, items: Sequence[Integration]) -> Exported:
    notes = [(item, unsupported(item)) for item in items]
    made = [each for item, note in notes if note is None for each in manifests(item, place)]
    return Exported(place, tuple(made), tuple(note for _, note in notes if note is not None))


def _key(name: str) -> ObjectKey:
    namespace, slash, last = name.rpartition("/")
    kind = "NetBirdConnection" if slash else ClusterNetBirdConnection.__name__
    return ObjectKey(kind, namespace or None, last)


def _place(arguments: argparse.Namespace, access: AccountAccess, tenant_id: str | None) -> Place:
    key, namespace = _key(arguments.connection), arguments.target_namespace
    if tenant_id is not None and tenant_id != access.endpoint.tenant_id:
        namespace = _tenant_namespace(access.connection, tenant_id)
    return Place(key.namespace or namespace, key.kind, key.name, tenant_id)


def _tenant_namespace(connection: Connection | None, tenant_id: str) -> str:
    """Return the namespace that acts in the tenant, or one named after it."""
    access = connection.spec.access if isinstance(connection, ClusterNetBirdConnection) else ()
    named = [entry.namespaces[0] for entry in access if entry.tenant_id == tenant_id and entry.namespaces]
    return named[0] if named else _NAMESPACE.sub("-", tenant_id.lower()).strip("-")[:63] or "tenant"


def _print(exported: Exported, output: Output) -> None:
    head = _comments(exported)
    if head:
        output.raw(comment(head))
    for each in exported.manifests:
        output.raw(f"---\n{text_of(each)}")


def _comments(exported: Exported) -> tuple[str, ...]:
    needed = place_comments(exported.place) if exported.manifests else ()
    return (*needed, *(f"Not exported: {each}" for each in exported.notes))


def _write(directory: Path, exported: Sequence[Exported], output: Output) -> None:
    """Write each account's files; those of tenants go into directories of their own."""
    try:
        for path, manifest in _files(exported):
            target = directory / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(output.secrets.clean(text_of(manifest)), encoding="utf-8")
    except OSError as error:
        message = f"--directory: {directory} can't be written ({error.strerror}); name another one"
        raise SettingsError(message) from None


def _files(exported: Sequence[Exported]) -> Iterator[tuple[str, Manifest]]:
    """Yield each file: those of the own account are in the directory itself, those of a tenant in one of its own."""
    own, *tenants = exported
    for each in tenants:
        yield from _folder(f"tenants/{each.place.namespace}/", each, ())
    yield from _folder("", own, [f"tenants/{each.place.namespace}" for each in tenants])


def _folder(prefix: str, exported: Exported, others: Sequence[str]) -> Iterator[tuple[str, Manifest]]:
    names = [f"{each.name}.yaml" for each in exported.manifests]
    yield from zip((prefix + name for name in names), exported.manifests, strict=True)
    yield f"{prefix}kustomization.yaml", kustomization([*names, *others], _comments(exported))
