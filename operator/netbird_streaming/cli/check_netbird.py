"""Checks of NetBird: each connection's server, TLS, token, account, tenants and clock, and each referenced Secret."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from netbird_streaming.api.types import (
    ClusterNetBirdConnection,
    Connection,
    EventStreamingIntegration,
)
from netbird_streaming.cli.account_access import AccountAccess, by_connection
from netbird_streaming.cli.check_kubernetes import problem
from netbird_streaming.cli.output import Finding, State
from netbird_streaming.cli.session import Session
from netbird_streaming.clock import Clock
from netbird_streaming.core.netbird.fingerprint import KEY_BYTES, FingerprintKey
from netbird_streaming.core.netbird.payload import referenced, resolve, secret_keys
from netbird_streaming.core.netbird.types import Priority
from netbird_streaming.errors import OperatorError, RetryError, WaitError
from netbird_streaming.netbird.client import NetBirdClient
from netbird_streaming.proxies import proxy_for
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.connection.resolved import connection_key

DEADLINE: Final = 9.0
"""Seconds for each connection."""
MOST_TENANTS: Final = 3
CLOCK_SECONDS: Final = 300.0
"""A larger difference makes the window in which a lost create is looked for unreliable."""


async def connection(session: Session, found: Connection, environment: Mapping[str, str]) -> list[Finding]:
    """Check one connection from its Secret to its account."""
    subject = f"{found.key.kind} {found.key.label}"
    try:
        access = await by_connection(session, found.key)
    except OperatorError as error:
        return [problem(subject, error)]
    own = await account(subject, access, found.spec.tenant_id, session.clock)
    findings = [*own.findings, *_proxy(subject, found.spec.url, environment)]
    tenants = _tenants(found) if own.account_id is not None else []
    for each in tenants[:MOST_TENANTS]:
        where = f"{subject}, tenant {each}"
        seen = await account(where, access, each, session.clock)
        ignored = found.spec.tenant_id is None and seen.account_id == own.account_id and each != own.account_id
        findings += [_ignored(where, each)] if ignored else seen.findings
    if len(tenants) > MOST_TENANTS:
        findings.append(Finding(subject, State.NOTE, f"{MOST_TENANTS} of {len(tenants)} tenants were checked"))
    return findings


class AccountFindings(NamedTuple):
    """Findings about one account, and its id if NetBird reports it."""

    findings: list[Finding]
    account_id: str | None = None


async def account(subject: str, access: AccountAccess, tenant_id: str | None, clock: Clock) -> AccountFindings:
    """Check one account: a LIST shows whether server, TLS, token, licence and permissions are as they should be."""
    client = access.client(tenant_id)
    try:
        async with asyncio.timeout(DEADLINE):
            listing = await client.list_integrations(Priority.HIGH)
            skew = abs((listing.date - clock.now()).total_seconds()) if listing.date is not None else 0.0
            account_id = next((each.account_id for each in listing.items if each.account_id), None)
            if account_id is None:
                account_id = await _account_id(client)
    except TimeoutError:
        message = f"{access.endpoint.url} did not answer within {DEADLINE:g} seconds"
        return AccountFindings([problem(subject, RetryError(Reason.UNAVAILABLE, message))])
    except OperatorError as error:
        return AccountFindings([problem(subject, error)])
    family = client.path_family.value if client.path_family is not None else "unknown"
    rate = access.limit
    named = f"account {account_id}" if account_id is not None else "an account that NetBird does not name"
    message = (
        f"{access.endpoint.url} accepts the token: {named}, {len(listing.items)} integrations, path {family}; no more "
        f"than {rate.requests_per_minute} requests per minute are sent"
    )
    findings = [Finding(subject, State.OK, message)]
    if skew > CLOCK_SECONDS:
        message = f"the clock of this machine and NetBird's differ by {skew:.0f} seconds"
        findings.append(Finding(subject, State.PROBLEM, message, "Synchronize the clocks of both by NTP."))
    return AccountFindings(findings, account_id)


async def _account_id(client: NetBirdClient) -> str | None:
    """Return the account's id by `GET /api/accounts`, which not every server or token answers."""
    try:
        return await client.account_id(Priority.HIGH)
    except OperatorError:
        return None


def _ignored(subject: str, tenant_id: str) -> Finding:
    message = f"NetBird ignores tenant {tenant_id}: the token may not act in it."
    return problem(subject, WaitError(Reason.PERMISSION_DENIED, message))


def _tenants(found: Connection) -> list[str]:
    if not isinstance(found, ClusterNetBirdConnection):
        return []
    named = (entry.tenant_id for entry in found.spec.access if entry.tenant_id is not None)
    return [each for each in dict.fromkeys(named) if each != found.spec.tenant_id]


def _proxy(subject: str, url: str, environment: Mapping[str, str]) -> list[Finding]:
    proxy = proxy_for(url, environment, all_proxy=True)
    return [] if proxy is None else [Finding(subject, State.NOTE, f"requests go through the proxy of {proxy.source}")]


async def secrets(
    session: Session, resources: Sequence[EventStreamingIntegration], connections: Sequence[Connection]
) -> list[Finding]:
    """Check that each referenced Secret exists, has the key, and holds a value of the right form."""
    plain = {each.key for each in connections if each.spec.allow_plain_http_destinations}
    findings: list[Finding] = []
    good = 0
    for number, resource in enumerate(resources):
        session.output.progress(f"checking Secrets: {number} of {len(resources)} resources")
        try:
            await _resolve(session, resource, allow_plain_http=connection_key(resource) in plain)
        except OperatorError as error:
            findings.append(problem(f"Secrets of {resource.key.label}", error))
        else:
            good += 1
    if good:
        findings.append(Finding("Secrets", State.OK, f"those of {good} resources exist and are well-formed"))
    return findings


async def _resolve(session: Session, resource: EventStreamingIntegration, *, allow_plain_http: bool) -> None:
    spec, namespace = resource.spec, resource.metadata.namespace or ""
    found = {
        name: None if data is None else referenced(data, keys)
        for name, keys in secret_keys(spec).items()
        for data in [await session.resources.secret(namespace, name)]
    }
    # No fingerprint is compared, so that any key will do.
    resolve(spec, found, FingerprintKey(bytes(KEY_BYTES)), allow_plain_http=allow_plain_http)
