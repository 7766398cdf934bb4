"""The fuzz targets: each takes bytes, and allows only the errors that its callers handle."""

import argparse
import json
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from netbird_streaming.api.timestamps import is_later, parse_time
from netbird_streaming.api.types import ClusterNetBirdConnection, EventStreamingIntegration, NetBirdConnection
from netbird_streaming.cluster.leader_election import record as election
from netbird_streaming.cluster.merge_patch import document, merge_patch
from netbird_streaming.cluster.parsing import object_key, parse
from netbird_streaming.config.settings import SettingsError, add_flags, read_settings, unknown_variables
from netbird_streaming.core.actions import Create, RecordId, Report, Update
from netbird_streaming.core.decide import decide
from netbird_streaming.core.inputs import DecisionInput
from netbird_streaming.core.memory import Absence, LastWrite, Memory
from netbird_streaming.core.namespace_access import access_of, needs_labels
from netbird_streaming.core.netbird import compare
from netbird_streaming.core.netbird.destinations import COMPARABLE
from netbird_streaming.core.netbird.endpoints import resync_interval, seconds, url_fault
from netbird_streaming.core.netbird.payload import resolve, secret_names
from netbird_streaming.core.netbird.secret_reader import SecretData  # noqa: TC001  # the only import that would be for types alone
from netbird_streaming.core.netbird.types import Endpoint, Integration
from netbird_streaming.core.status import updates
from netbird_streaming.core.status.conditions import readiness
from netbird_streaming.core.status.events import events_for, summarize
from netbird_streaming.errors import EditError, OperatorError, WaitError
from netbird_streaming.netbird import codec, responses
from netbird_streaming.netbird.json_list import pieces
from netbird_streaming.netbird.request import headers_for, url_for
from netbird_streaming.netbird.responses import Call, Operation, Response
from netbird_streaming.reconciler.records import MAX_PACKED, integration_digest, record_for
from tests.harness.cases import KEY, NOW, WALL, case, payload_of, view
from tests.proof.fuzz import kubernetes
from tests.proof.fuzz.inputs import CONNECTION, INTEGRATION, LEASE, SHOWN, changed, decoded, like

Target = Callable[[bytes], None]
SMALL: Final = 64
"""Bytes of an element: a fuzzer's inputs are too short for the shipped limit."""
COMPARED: Final = frozenset(name for names in COMPARABLE.values() for name in names)


def netbird_body(data: bytes) -> None:
    """A body of NetBird: parsed, or unreadable."""
    for read in (_listed, codec.parse_integration, codec.parse_account_id, codec.check_deletion):
        with suppress(codec.UnreadableError):
            read(data)
    codec.is_json_object(data)


def json_list(data: bytes) -> None:
    """A long list: parsed as the standard library does, or refused because of the limit."""
    with suppress(ValueError):
        whole = [element for piece in pieces(data, len(data)) for element in piece]
        assert whole == json.loads(data)
        assert whole == [element for piece in pieces(data, SMALL) for element in piece]


def netbird_integration(data: bytes) -> None:
    """Integrations of NetBird that resemble ours: parsed, compared and decided on."""
    change = decoded(data)
    change = {} if change is None else change
    shown = changed(SHOWN, change)
    with suppress(codec.UnreadableError):
        items = _listed(json.dumps([shown, changed({**SHOWN, "id": 9}, change)]).encode())
        resource = EventStreamingIntegration.model_validate(INTEGRATION)
        payload = payload_of(resource)
        for item in items:
            integration_digest(item)
            request = payload.request
            compare.differences(request.platform, request.config, item, KEY)
            compare.matches_signature(item, request.platform, payload.signature, KEY)
        _decide(case(resource, snapshot=view(*items)))
        held = resource.model_copy(update={"status": resource.status.evolve(id=5, owner_uid="uid-1")})
        _decide(case(held, snapshot=view(*items)))


def netbird_answer(data: bytes) -> None:
    """A status, headers and a body: a meaning for each operation."""
    head, _, body = data.partition(b"\n")
    fields = [each.decode("latin-1") for each in head.split(b"|")] + [""] * 3
    status = int(fields[0]) if fields[0].isascii() and fields[0].isdigit() and len(fields[0]) < 4 else 500
    response = Response(status, body, fields[3] or None, fields[1] or None, fields[2] or None)
    for operation in Operation:
        problem = responses.to_operator_error(Call(operation, 5), response, WALL)
        assert problem.message
        assert problem.__cause__ is None
    wait = responses.retry_after(response, WALL)
    assert wait is None or wait >= 0
    is_later(parsed := fields[1], fields[2], by=updates.ANSWER_SLACK)
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
            codec.encode_request(made.request)
            assert made.fingerprint not in made.request.config.values()
    with suppress(WaitError):
        headers_for(Endpoint("https://a.example", values[0].decode("latin-1"), CONNECTION_SPEC.token_type), "agent")


def resource(data: bytes) -> None:
    """A resource with any content, including its annotations and its status."""
    raw = like(INTEGRATION, data)
    object_key(raw)
    try:
        read = parse(raw)
    except EditError:
        return
    if not isinstance(read, EventStreamingIntegration):
        return
    record = record_for(read, 0.0)
    record.cache.compress()
    assert (record.cache.size or 0) <= MAX_PACKED
    assert record.cache.get() in (None, read)  # a tuple: a resource has no hash
    readiness(read.status.conditions)
    summarize(read.status.conditions)
    assert merge_patch(document(read.status), document(read.status)) == {}
    secret_names(read.spec)
    with suppress(EditError, WaitError):
        payload_of(read)
        shown = codec.parse_integration(json.dumps(SHOWN).encode())
        for memory in (
            Memory(),
            Memory(finalizer_seen_at=NOW - 100, absence=Absence(not_found_at=NOW - 5), write=LastWrite(at=NOW - 50)),
        ):
            _decide(case(read, memory=memory))
            _decide(case(read, memory=memory, snapshot=view(shown, replace(shown, id=9))))


def connection(data: bytes) -> None:
    """A connection with any content."""
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
    """A Lease with any content: a record, and a decision."""
    with suppress(OperatorError):
        record = election.parse(like(LEASE, data), 15.0)
        seen = election.observe(None, record, 10.0)
        election.may_take(seen, None, 15.0, 1000.0)
        claimed = election.acquire(record, None, "we", 15.0, datetime(2026, 5, 1, tzinfo=UTC))
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
        return  # besides the operator's own errors, those of the command line, and unterminated quotes


def _listed(body: bytes) -> tuple[Integration, ...]:
    """Parse it. The size of the result has limits for any input."""
    items = tuple(item for piece in codec.parse_listing(body) for item in piece)
    texts = {id(text): text for item in items for text in _texts(item)}
    assert len(items) <= codec.MAX_ITEMS
    assert sum(map(sys.getsizeof, texts.values())) <= codec.MAX_KEPT
    return items


def _texts(item: Integration) -> Iterator[str]:
    for text in (item.account_id, item.platform, item.created_at, item.updated_at):
        if text is not None:
            assert text.isprintable()
            yield text
    if item.config is not None:
        assert COMPARED.issuperset(item.config)
        yield from item.config.values()


def _decide(this: DecisionInput) -> None:
    """The decision is total, and so is the resulting status."""
    action = decide(this)
    match action:
        case Report():
            after = updates.reported(this, action)
        case RecordId():
            after = updates.with_id(this, action)
        case Create():
            after = updates.with_intent(this, action)
        case Update():
            after = updates.corrected(this.status, action)
        case _:
            return
    json.dumps(document(after))
    events_for(this.status, after, summarize(this.status.conditions))


CONNECTION_SPEC: Final = ClusterNetBirdConnection.model_validate(CONNECTION).spec
TARGETS: Final[Mapping[str, Target]] = {
    each.__name__.replace("_", "-"): each
    for each in (
        netbird_body,
        json_list,
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
