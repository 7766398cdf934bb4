"""A team that uses the operator: a namespace and a NetBird account of one test."""

import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import yaml

from netbird_streaming.api.types import GROUP, RECONCILE_ANNOTATION
from tests.doubles.netbird.faults import Failure, Fault, Moment
from tests.doubles.netbird.records import Integration
from tests.doubles.netbird.request_log import Entry
from tests.doubles.netbird.tenancy import Account, Token
from tests.doubles.netbird.wire import Operation
from tests.harness import manifests
from tests.harness.end_to_end import PATIENCE, USER, Json, Scene, eventually
from tests.harness.manifests import Manifest, reference, to_yaml
from tests.harness.operator import NAMESPACE, apply

SECRETS: Final[dict[str, dict[str, str]]] = {
    "datadog": {"api-key": "first-api-key"},
    "aws": {"access-key": "first-access-key", "secret-key": "first-secret-key"},
    "siem": {"token": "first-token", "extra": "first-extra"},
}
"""The names that the manifests of `tests.harness.manifests` refer to."""
INTEGRATIONS: Final = "eventstreamingintegrations"
STATUS: Final = f"{INTEGRATIONS}/status"
NAMESPACED: Final = {"kind": "NetBirdConnection", "name": "netbird"}
_WRITING: Final = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True, slots=True)
class Mark:
    """A position in the logs. Earlier requests are not counted."""

    requests: int
    audit: int


class Team:
    """The actions and observations of a user in a test, and the requests in the logs of both servers."""

    def __init__(self, scene: Scene, name: str) -> None:
        """Create the account, and the namespace if it is missing, without a connection."""
        self.scene: Final = scene
        self.namespace: Final = name
        self.account: Final = f"account-{name}"
        self.token: Final = f"nbp_{name}"
        scene.netbird.add_account(Account(self.account))
        scene.netbird.add_token(self.netbird_token())
        apply(scene.plane, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    def netbird_token(self, **changes: Any) -> Token:
        """The team's token for NetBird."""
        settings: dict[str, Any] = {"id": self.namespace, "value": self.token, "home": self.account}
        return Token(**{**settings, **changes})

    # Writes of a user.

    def kubectl(self, *arguments: str, input: str | None = None) -> str:  # noqa: A002 — as subprocess.run calls it
        """Run kubectl in the namespace. Raises KubectlError."""
        return self.scene.kubectl(f"--namespace={self.namespace}", *arguments, input=input)

    def apply(self, *documents: Manifest) -> str:
        """`kubectl apply`."""
        return self.kubectl("apply", "--filename=-", input=to_yaml(*documents))

    def patch(self, name: str, **spec: Any) -> None:
        """Change the spec of an integration."""
        self.kubectl("patch", "esi", name, "--type=merge", f"--patch={json.dumps({'spec': spec})}")

    def connect(self, *documents: Manifest, **spec: Any) -> None:
        """Apply the Secrets, a NetBirdConnection for the team's account, and the given objects."""
        secrets = [secret(name, **values) for name, values in SECRETS.items()]
        self.apply(secret("netbird", token=self.token), *secrets, self.connection(**spec), *documents)

    def connection(self, name: str = "netbird", **spec: Any) -> Manifest:
        """Return a NetBirdConnection to the scene's NetBird."""
        return manifests.connection(name, **{"url": self.scene.netbird_url, **spec})

    def integration(self, platform: str = "datadog", name: str = "events", **spec: Any) -> Manifest:
        """Return an EventStreamingIntegration that uses the team's own connection."""
        return manifests.integration(platform, name, **{"connectionRef": dict(NAMESPACED), **spec})

    def webhook(self, name: str, **spec: Any) -> Manifest:
        """Return an EventStreamingIntegration with a unique URL."""
        block = {"url": f"https://siem.example.com/{name}"}
        return self.integration("generic_http", name, genericHTTP=block, **spec)

    def ask(self, name: str, value: str, kind: str = "esi") -> None:
        """Request a reconcile."""
        self.kubectl("annotate", "--overwrite", kind, name, f"{RECONCILE_ANNOTATION}={value}")

    # Reads of a user.

    def find(self, name: str = "events", plural: str = INTEGRATIONS) -> Json | None:
        """Return the current object, or None."""
        return self.scene.objects.ours(plural, name, self.namespace)

    def read(self, name: str = "events", plural: str = INTEGRATIONS) -> Json:
        """Return the current object."""
        found = self.find(name, plural)
        assert found is not None, f"there is no {plural} {name}"
        return found

    def condition(self, name: str = "events", kind: str = "Ready", plural: str = INTEGRATIONS) -> Json:
        """Return a condition of the current generation, or an empty mapping."""
        found = self.find(name, plural)
        if found is None:
            return {}
        for each in found.get("status", {}).get("conditions", ()):
            if each["type"] == kind and each.get("observedGeneration") == found["metadata"]["generation"]:
                condition: Json = each
                return condition
        return {}

    def ready(self, *names: str, seconds: float = PATIENCE) -> None:
        """Wait until all are Ready in their current generation."""
        targets = [f"{INTEGRATIONS}/{name}" for name in names or ("events",)]
        self.kubectl("wait", "--for=condition=Ready", f"--timeout={seconds:.0f}s", *targets)

    def because(self, reason: str, name: str = "events", plural: str = INTEGRATIONS, seconds: float = PATIENCE) -> str:
        """Wait until Ready has that reason, and return the message."""
        seen: set[str] = set()

        def look() -> Json | None:
            found = self.condition(name, plural=plural)
            seen.add(found.get("reason", "none"))
            return found if found.get("reason") == reason else None

        try:
            message: str = eventually(look, reason, seconds)["message"]
        except AssertionError as error:
            said = f"{plural} {name} is not {reason}, but was {sorted(seen)}; the operator's log ends:\n"
            raise AssertionError(said + self.scene.operator.log_tail(15)) from error
        return message

    def gone(self, name: str = "events", plural: str = INTEGRATIONS, seconds: float = PATIENCE) -> None:
        """Wait until the object is gone."""
        eventually(lambda: self.find(name, plural) is None, f"{plural} {name} is gone", seconds)

    def events(self, name: str = "events") -> list[Json]:
        """Return the Events about an object, in order. They arrive shortly after their cause."""
        found = json.loads(
            self.kubectl("get", "events", f"--field-selector=involvedObject.name={name}", "--output=json")
        )
        return sorted(found["items"], key=lambda each: str(each["eventTime"]))

    # Requests in the servers' logs.

    def mark(self) -> Mark:
        """Start counting."""
        return Mark(self.scene.netbird.figures().requests, self.scene.plane.audit_position())

    def requests(self, since: Mark, operation: Operation | None = None) -> list[Entry]:
        """Return the requests to NetBird in the team's account."""
        entries = self.scene.netbird.journal(since.requests, operation)
        return [each for each in entries if each.account_id == self.account]

    def changes(self, since: Mark) -> list[str]:
        """Return the write requests to NetBird, such as `POST` and `PUT 7`."""
        writes = [each for each in self.requests(since) if each.method != "GET"]
        return [f"{each.method} {each.integration_id or ''}".strip() for each in writes]

    def writes(self, since: Mark, plural: str = INTEGRATIONS) -> list[str]:
        """Return the operator's writes to the namespace's objects of a kind: `resource` or `resource/subresource`."""
        return [
            "/".join(part for part in (each.resource, each.subresource) if part)
            for each in self.scene.plane.audit(since.audit)
            if (each.user, each.group, each.resource, each.namespace) == (USER, GROUP, plural, self.namespace)
            and each.verb in _WRITING
        ]

    def held(self) -> list[Integration]:
        """Return the integrations in the team's account, with their real values."""
        return self.scene.netbird.integrations(self.account)

    def only(self) -> Integration:
        """Return the single integration in the team's account."""
        (found,) = self.held()
        return found

    def fault(self, failure: Failure, operation: Operation | None = None, **how: Any) -> int:
        """Let NetBird fail in the team's account, and return a function that ends it."""
        moment = how.pop("moment", Moment.BEFORE)
        return self.scene.netbird.add_fault(Fault(failure, moment, operation, self.account, **how))


def secret(name: str, **values: str) -> Manifest:
    """Return a Secret. `_` in a key stands for `-`."""
    data = {key.replace("_", "-"): b64encode(value.encode()).decode() for key, value in values.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}


def cluster_connection(scene: Scene, name: str, token: str, **spec: Any) -> None:
    """Apply a ClusterNetBirdConnection and its token Secret, as the administrator."""
    held = secret(f"token-{name}", token=token)
    held["metadata"]["namespace"] = NAMESPACE
    ours = manifests.cluster_connection(
        name, **{"url": scene.netbird_url, "tokenSecretRef": reference(f"token-{name}", "token"), **spec}
    )
    scene.kubectl("apply", "--filename=-", input=yaml.safe_dump_all([held, ours]))


@contextmanager
def new_team(scene: Scene) -> Iterator[Team]:
    """Create a team that is deleted at the end of the block. Its namespace may take longer, in the background."""
    team = Team(scene, f"team-{uuid4().hex[:8]}")
    try:
        yield team
    finally:
        team.kubectl("delete", "esi", "--all", "--wait=false")
        scene.kubectl("delete", "namespace", team.namespace, "--wait=false", "--ignore-not-found")
