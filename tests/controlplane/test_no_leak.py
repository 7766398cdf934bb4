"""No secret leaves the Secrets: searched for where people and pipelines look, after a life with faults in it."""

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote, quote_plus

import pytest

from netbird_streaming.core.resources import GROUP
from tests.support.controlplane import ControlPlane
from tests.support.manifests import Manifest, reference
from tests.support.netbird.faults import Moment, Reply, Reset, error_reply
from tests.support.netbird.wire import HTML_TYPE, Operation
from tests.support.operator import NAMESPACE
from tests.support.scene import QUICK_LEASE, Scene, raised
from tests.support.team import Team, new_team, secret

TAIL: Final = "/+ %&=:?q"
"""What encodings write differently."""
CANARIES: Final[Mapping[str, Mapping[str, str]]] = {
    "netbird": {"token": "canary-netbird-token"},
    "datadog": {"api_key": f"canary-datadog-key{TAIL}"},
    "aws": {"access_key": f"canary-aws-access{TAIL}", "secret_key": f"canary-aws-secret{TAIL}"},
    "siem": {
        "token": f"canary-siem-token{TAIL}",
        "extra": f"canary-siem-extra{TAIL}",
        "user": "canary-siem-user",
        "password": f"canary-siem-password{TAIL}",
        "url": "https://siem.example.com/canary-url-path?token=canary-url-query",
    },
}
ROTATED: Final = f"canary-rotated-key{TAIL}"
REFUSED: Final = f"canary-refused-key{TAIL}"
BROKEN: Final = "canary-broken-key\x01\n"
ANSWERED: Final = "canary-in-an-answer"
"""What a careless server says; it may be part of what it was sent."""
ENCODINGS: Final[Mapping[str, Callable[[str], str]]] = {
    "plain": str,
    "url": quote,
    "form": quote_plus,
    "json": json.dumps,
    "repr": repr,
    "base64": lambda value: b64encode(value.encode()).decode(),
    "base64-url": lambda value: urlsafe_b64encode(value.encode()).decode(),
    "basic": lambda value: b64encode(f"u:{value}".encode()).decode(),
    "bearer": lambda value: b64encode(f"Token {value}".encode()).decode(),
    "hex": lambda value: value.encode().hex(),
    "hex-upper": lambda value: value.encode().hex(":").upper(),
}
PLACES: Final = ("log", "events", "resources", "requests", "process", "metrics")
_KINDS: Final = "esi,netbirdconnections,clusternetbirdconnections,leases,configmaps,serviceaccounts"


@pytest.fixture(scope="module")
def scene(control_plane: ControlPlane) -> Iterator[Scene]:
    flags = ("--log-level=debug", "--late-commit-window=1s", "--request-timeout=3s", "--metrics-per-connection")
    with raised(control_plane, *QUICK_LEASE, *flags) as scene:
        yield scene


@pytest.fixture(scope="module")
def places(scene: Scene) -> Iterator[Mapping[str, str]]:
    """What is to be read after a life of creation, rotation, refusals that quote secrets, lost answers and a crash."""
    with new_team(scene) as team:
        scene.netbird.add_token(team.netbird_token(value=CANARIES["netbird"]["token"]))
        documents = _integrations(team)
        names = [each["metadata"]["name"] for each in documents]
        mark = team.mark()
        team.apply(*(secret(name, **values) for name, values in CANARIES.items()), team.connection(), *documents)
        team.ready(*names)
        _rotate_and_fail(team)
        _lose_answers(team)
        metrics = scene.operator.metrics()
        scene.operator.kill()
        scene.start()
        _get_bad_answers(team)
        scene.netbird.edit(team.held()[0].id, enabled=False)
        team.ask("netbird", "look", kind="netbirdconnection")
        team.kubectl("delete", "esi", names[-1], "--timeout=30s")
        process = Path(f"/proc/{scene.operator.pid}")
        yield {
            "log": scene.log(),
            "events": scene.kubectl("get", "events", "--all-namespaces", "--output=yaml", "--show-managed-fields"),
            "resources": scene.kubectl("get", _KINDS, "--all-namespaces", "--output=yaml", "--show-managed-fields")
            + scene.kubectl("get", "secrets", f"--namespace={NAMESPACE}", "--output=yaml"),
            "requests": json.dumps([e.body for e in scene.plane.audit(mark.audit) if e.group == GROUP]),
            "process": "".join((process / name).read_text() for name in ("cmdline", "environ", "comm"))
            + "".join(scene.operator.probe(path)[1] for path in ("/healthz", "/readyz")),
            "metrics": metrics + scene.operator.metrics(),
        }


def test_no_secret_is_to_be_found_anywhere(places: Mapping[str, str]) -> None:
    assert set(places) == set(PLACES)
    assert '"level": "debug"' in places["log"]
    assert all(f"kind: {kind}" in places["resources"] for kind in ("EventStreamingIntegration", "NetBirdConnection"))
    assert "status" in places["requests"]
    assert places["metrics"].count("\nnetbird_streaming_leader 1.0\n") == 2
    assert 'reason="DestinationRejected"' in places["metrics"]
    assert "was taken for the outcome of a create" in places["events"]
    assert found_in(places) == []


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("place", PLACES)
def test_the_search_finds_a_planted_one(places: Mapping[str, str], place: str, encoding: str) -> None:
    for value in _values():
        text = places[place]
        middle = len(text) // 2
        planted = text[:middle] + ENCODINGS[encoding](value) + text[middle:]
        assert found_in({place: planted}) != []


def found_in(places: Mapping[str, str]) -> list[str]:
    """Where a secret is written, in whatever encoding."""
    forms = {form: value for value in _values() for form in _forms(value)}
    return [f"{value} in {place}" for place, text in places.items() for form, value in forms.items() if form in text]


def _values() -> list[str]:
    given = [value for values in CANARIES.values() for value in values.values()]
    return [*given, ROTATED, REFUSED, BROKEN, ANSWERED]


def _forms(value: str) -> Iterable[str]:
    """The part of a value that every encoding of characters leaves as it is, and what encodings of bytes make of it."""
    for stem in (each for each in ("canary-url-path", "canary-url-query", value) if each in value):
        core = stem[: -len(TAIL)] if stem.endswith(TAIL) else stem.strip("\x01\n")
        yield core.rpartition("/")[2]
        yield core.encode().hex()
        yield core.encode().hex(":").upper()
        # Three ways, by how many bytes are in front of it; the ends depend on what is beside it.
        for before in range(3):
            coded = b64encode(b" " * before + core.encode()).decode().rstrip("=")
            yield coded[before + (before > 0) : -2]


def _integrations(team: Team) -> list[Manifest]:
    user, password = reference("siem", "user"), reference("siem", "password")
    basic = {
        "urlSecretRef": reference("siem", "url"),
        "auth": {"basic": {"usernameSecretRef": user, "passwordSecretRef": password}},
    }
    own = {
        "url": "https://siem.example.com/own",
        "auth": {"header": {"name": "X-Key", "valueSecretRef": reference("siem", "token")}},
    }
    return [
        team.integration("datadog", "datadog"),
        team.integration("s3", "s3"),
        team.integration("firehose", "firehose"),
        team.integration("generic_http", "bearer"),
        team.integration("generic_http", "basic", genericHTTP=basic),
        team.integration("generic_http", "own", genericHTTP=own),
    ]


def _rotate_and_fail(team: Team) -> None:
    """The destination refuses a new key, and the server quotes it; the next one can't even be sent."""
    team.scene.netbird.change_behaviour(rejected_secrets={REFUSED}, echo_rejected=True)
    team.apply(secret("datadog", api_key=REFUSED))
    team.because("DestinationRejected", "datadog")
    team.apply(secret("datadog", api_key=BROKEN))
    team.because("SecretValueInvalid", "datadog")
    team.apply(secret("netbird", token=BROKEN))
    team.because("SecretValueInvalid", "netbird", "netbirdconnections")
    team.apply(secret("netbird", token=CANARIES["netbird"]["token"]), secret("datadog", api_key=ROTATED))
    team.ready("datadog")


def _lose_answers(team: Team) -> None:
    """An intent stays in the status, then an integration is found by what is known of it."""
    team.fault(Reset(), Operation.CREATE, moment=Moment.AFTER)
    url = {"urlSecretRef": reference("siem", "url"), "headers": [{"name": "X-Lost", "value": "yes"}]}
    team.apply(secret("lost", url="https://lost.example.com/canary-url-path?token=canary-url-query"))
    url["urlSecretRef"] = reference("lost", "url")
    team.apply(team.integration("generic_http", "lost", genericHTTP=url))
    team.because("CreateOutcomeUnknown", "lost")


def _get_bad_answers(team: Team) -> None:
    """Errors and pages that hold what nobody should repeat."""
    team.ready("lost")
    for number, (failure, reason) in enumerate(
        (
            (error_reply(422, ANSWERED), "ConfigurationRejected"),
            (error_reply(500, ANSWERED), "Unavailable"),
            (Reply(418, ANSWERED, HTML_TYPE), "UnexpectedAnswer"),
        )
    ):
        fault = team.fault(failure, Operation.UPDATE, times=None)
        team.apply(secret("datadog", api_key=f"{ROTATED}-{number}"))
        team.because(reason, "datadog")
        team.scene.netbird.remove_fault(fault)
    team.apply(secret("datadog", api_key=ROTATED))
    team.ready("datadog")
