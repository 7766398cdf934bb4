"""What is fuzzed: each target takes bytes, and lets nothing pass but what a caller of ours is prepared for."""

import argparse
import json
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from netbird_streaming.cluster import election
from netbird_streaming.cluster.merge_patch import document, merge_patch
from netbird_streaming.cluster.parsing import identity, parse
from netbird_streaming.core import compare, transitions
from netbird_streaming.core.access import access_of, needs_labels
from netbird_streaming.core.actions import Bind, Create, Report, Update
from netbird_streaming.core.conditions import readiness
from netbird_streaming.core.connections import resync_interval, seconds, url_fault
from netbird_streaming.core.decide import decide
from netbird_streaming.core.events import notes, tell
from netbird_streaming.core.facts import Case, Memory
from netbird_streaming.core.payload import SecretData, resolve, secret_names
from netbird_streaming.core.remote import Endpoint, Integration
from netbird_streaming.core.resources import ClusterNetBirdConnection, EventStreamingIntegration, NetBirdConnection
from netbird_streaming.core.times import is_later, parse_time
from netbird_streaming.errors import EditError, OperatorError, WaitError
from netbird_streaming.netbird import answers, wire
from netbird_streaming.netbird.answers import Answer, Operation, Subject
from netbird_streaming.netbird.outgoing import headers_for, url_for
from netbird_streaming.reconciler.entries import MAX_PACKED, digest, entry_for
from netbird_streaming.settings import SettingsError, add_flags, read_settings, unknown_variables
from tests.proof.fuzz import kubernetes
from tests.proof.fuzz.inputs import CONNECTION, INTEGRATION, LEASE, SHOWN, changed, decoded, like
from tests.support.cases import KEY, NOW, WALL, case, payload_of, view

Target = Callable[[bytes], None]
COMPARED: Final = frozenset(name for names in compare.COMPARABLE.values() for name in names)


def netbird_body(data: bytes) -> None:
    """A body of NetBird's, as it is: read, or unreadable."""
    for read in (_listed, wire.parse_integration, wire.parse_account_id, wire.check_deletion):
        with suppress(wire.UnreadableError):
            read(data)
    wire.is_json_object(data)


def netbird_integration(data: bytes) -> None:
    """What NetBird shows of integrations that nearly are ours: read, compared and decided on."""
    change = decoded(data)
    change = {} if change is None else change
    shown = changed(SHOWN, change)
    with suppress(wire.UnreadableError):
        items = _listed(json.dumps([shown, changed({**SHOWN, "id": 9}, change)]).encode())
        resource = EventStreamingIntegration.model_validate(INTEGRATION)
        payload = payload_of(resource)
        for item in items:
            digest(item)
            request = payload.request
            compare.differences(request.platform, request.config, item, KEY)
            compare.matches_signature(item, request.platform, payload.signature, KEY)
        _decide(case(resource, view=view(*items)))
        held = resource.model_copy(update={"status": resource.status.having(id=5, owner_uid="uid-1")})
        _decide(case(held, view=view(*items)))


def netbird_answer(data: bytes) -> None:
    """A status, headers and a body: a meaning for each operation."""
    head, _, body = data.partition(b"\n")
    fields = [each.decode("latin-1") for each in head.split(b"|")] + [""] * 3
    status = int(fields[0]) if fields[0].isascii() and fields[0].isdigit() and len(fields[0]) < 4 else 500
    answer = Answer(status, body, fields[3] or None, fields[1] or None, fields[2] or None)
    for operation in Operation:
        problem = answers.failure(Subject(operation, 5), answer, WALL)
        assert problem.message
        assert problem.__cause__ is None
    wait = answers.retry_after(answer, WALL)
    assert wait is None or wait >= 0
    is_later(parsed := fields[1], fields[2], by=transitions.ANSWER_SLACK)
    parse_time(parsed)


def secret_values(data: bytes) -> None:
    """The values of Secrets, in every place that takes one."""
    values = data.split(b"\x00")
    secrets: Mapping[str, SecretData | None] = {"s": {f"k{index}": values[index % len(values)] for index in range(4)}}
    ref = [{"name": "s", "key": f"k{index}"} for index in range(4)]
    aws = {"region": "eu-west-1", "accessKeyIDSecretRef": ref[0], "secretAccessKeySecretRef": ref[1]}
    header = [{"name": "X-Key", "valueFrom": {"secretKeyRef": ref[3]}}]
    basic = {"basic": {"usernameSecretRef": ref[1], "passwordSecretRef": ref[2]}}
    specs: tuple[dict[str, Any], ...] = (
        {"platform": "datadog", "datadog": {"site": "datadoghq.eu", "apiKeySecretRef": ref[0]}},
        {"platform": "s3", "s3": {"bucketName": "b", **aws}},
        {"platform": "generic_http", "genericHTTP": {"urlSecretRef": ref[0], "headers": header, "auth": basic}},
    )
    for spec in specs:
        resource = EventStreamingIntegration.model_validate({**INTEGRATION, "spec": spec})
        with suppress(WaitError):
            made = resolve(resource.spec, secrets, KEY)
            wire.encode_request(made.request)
            assert made.fingerprint not in made.request.config.values()
    with suppress(WaitError):
        headers_for(Endpoint("https://a.example", values[0].decode("latin-1"), CONNECTION_SPEC.token_type), "agent")


def resource(data: bytes) -> None:
    """A resource as somebody may have written it, its annotations and its status too."""
    raw = like(INTEGRATION, data)
    identity(raw)
    try:
        read = parse(raw)
    except EditError:
        return
    if not isinstance(read, EventStreamingIntegration):
        return
    entry = entry_for(read)
    entry.pack()
    assert entry.packed is None or len(entry.packed) <= MAX_PACKED
    assert entry.unpack() in (None, read)  # a tuple: a resource has no hash
    readiness(read.status.conditions)
    tell(read.status.conditions)
    assert merge_patch(document(read.status), document(read.status)) == {}
    secret_names(read.spec)
    with suppress(EditError, WaitError):
        payload_of(read)
        shown = wire.parse_integration(json.dumps(SHOWN).encode())
        for memory in (Memory(), Memory(finalizer_seen=NOW - 100, missing=NOW - 5, written=NOW - 50)):
            _decide(case(read, memory=memory))
            _decide(case(read, memory=memory, view=view(shown, replace(shown, id=9))))


def connection(data: bytes) -> None:
    """A connection as somebody may have written it."""
    try:
        read = parse(like(CONNECTION, data))
    except EditError:
        return
    if not isinstance(read, NetBirdConnection | ClusterNetBirdConnection):
        return
    spec = read.spec
    assert seconds(spec.resync_interval) >= 0
    assert resync_interval(spec, 3) > 0
    if isinstance(read, ClusterNetBirdConnection):
        needs_labels(read.spec)
        access_of(read.spec, "team-a", {"team": "a"})
    fault = url_fault(spec.url, allow_http=False)
    with suppress(WaitError):
        url_for(Endpoint(spec.url, "token", spec.token_type, spec.tenant_id), "/api/x")
    assert fault is None or spec.url not in fault or len(spec.url) < len("https://host/")


def lease(data: bytes) -> None:
    """A Lease that anyone may have edited: a record, and a decision."""
    with suppress(OperatorError):
        record = election.parse(like(LEASE, data), 15.0)
        seen = election.observe(None, record, 10.0)
        election.may_take(seen, None, 15.0, 1000.0)
        claimed = election.claim(record, None, "we", 15.0, datetime(2026, 5, 1, tzinfo=UTC))
        json.dumps(election.body(claimed, "ns", "lease", datetime(2026, 5, 1, tzinfo=UTC)), allow_nan=False)


def settings(data: bytes) -> None:
    """Flags and an environment: settings, or one sentence."""
    first, _, rest = data.decode("utf-8", "replace").replace("\x00", "").partition("\n")
    environment = dict(line.split("=", 1) for line in rest.split("\n") if "=" in line)
    parser = argparse.ArgumentParser(exit_on_error=False, add_help=False)
    add_flags(parser)
    unknown_variables(environment)
    try:
        arguments, _ = parser.parse_known_args(shlex.split(first))
        read_settings(arguments, environment)
    except (SettingsError, argparse.ArgumentError, SystemExit, ValueError):
        return  # besides our own, the command line's refusals, and quotes that do not end


def _listed(body: bytes) -> tuple[Integration, ...]:
    """Read it; what is kept of it has limits, whatever it holds."""
    items = tuple(item for piece in wire.parse_listing(body) for item in piece)
    texts = {id(text): text for item in items for text in _texts(item)}
    assert len(items) <= wire.MAX_ITEMS
    assert sum(map(sys.getsizeof, texts.values())) <= wire.MAX_KEPT
    return items


def _texts(item: Integration) -> Iterator[str]:
    for text in (item.account_id, item.platform, item.created_at, item.updated_at):
        if text is not None:
            assert text.isprintable()
            yield text
    if item.config is not None:
        assert COMPARED.issuperset(item.config)
        yield from item.config.values()


def _decide(this: Case) -> None:
    """The decision is total, and so is what follows from it for the status."""
    action = decide(this)
    match action:
        case Report():
            after = transitions.reported(this, action)
        case Bind():
            after = transitions.bound(this, action)
        case Create():
            after = transitions.intending(this, action)
        case Update():
            after = transitions.corrected(this.status, action.correction)
        case _:
            return
    json.dumps(document(after))
    notes(this.status, after, tell(this.status.conditions))


CONNECTION_SPEC: Final = ClusterNetBirdConnection.model_validate(CONNECTION).spec
TARGETS: Final[Mapping[str, Target]] = {
    each.__name__.replace("_", "-"): each
    for each in (
        netbird_body,
        netbird_integration,
        netbird_answer,
        secret_values,
        resource,
        connection,
        lease,
        settings,
        kubernetes.kubernetes_answer,
        kubernetes.secret_watch,
        kubernetes.watch_event,
    )
}
