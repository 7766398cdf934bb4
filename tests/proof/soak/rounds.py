"""The changes of a round of a long run: what users, other programs and failing servers do to an operator."""

from typing import Final

from tests.doubles.netbird.faults import Reply
from tests.harness.end_to_end import Scene, eventually
from tests.harness.kubectl_team import Team, secret

CONNECTIONS: Final = "netbirdconnections"
STEADY: Final = 20
"""Integrations that exist during the whole run."""


class Rounds:
    """A team with integrations, and the changes to them."""

    def __init__(self, scene: Scene, team: Team) -> None:
        """Create the integrations, and wait until all are Ready."""
        self._scene = scene
        self._team = team
        self._number = 0
        self.names: Final = tuple(f"steady-{number}" for number in range(STEADY))
        team.connect(*(team.webhook(name) for name in self.names), team.integration())
        team.ready(*self.names, "events")
        self.held: Final = {each.id for each in team.held()}

    def run(self) -> None:
        """Do each change once, and wait until NetBird has its result."""
        self._number += 1
        self._edit()
        self._rotate_secret()
        self._rotate_token()
        self._create_and_delete()
        self._fail_netbird()
        self._restart_api_server()
        self._team.ready(*self.names, "events")

    def check(self) -> None:
        """Check that NetBird has the integrations of the start, and none in addition."""
        assert {each.id for each in self._team.held()} == self.held

    def _edit(self) -> None:
        enabled = self._number % 2 == 0
        self._team.patch(self.names[0], enabled=enabled)
        eventually(lambda: len(self._matching(enabled=enabled)) > 0, "the edit is in NetBird")
        self._team.ready(self.names[0])

    def _rotate_secret(self) -> None:
        value = f"api-key-{self._number}"
        self._team.apply(secret("datadog", api_key=value))
        eventually(lambda: value in [each.config.get("api_key") for each in self._team.held()], "the key is in NetBird")

    def _rotate_token(self) -> None:
        value = f"{self._team.token}-{self._number}"
        self._scene.netbird.add_token(self._team.netbird_token(id=f"token-{self._number}", value=value))
        self._team.apply(secret("netbird", token=value))
        self._team.because("Synced", "netbird", CONNECTIONS)

    def _create_and_delete(self) -> None:
        name = f"brief-{self._number}"
        self._team.apply(self._team.webhook(name))
        self._team.ready(name)
        self._team.kubectl("delete", "esi", name)

    def _fail_netbird(self) -> None:
        self._team.fault(Reply(503), times=3)
        self._team.ask(self.names[1], f"round-{self._number}")
        eventually(self._handled, "the request is handled")

    def _restart_api_server(self) -> None:
        self._scene.plane.restart_apiserver(down_seconds=1.0)

    def _handled(self) -> bool:
        status = self._team.read(self.names[1])["status"]
        return bool(status.get("lastHandledReconcileAt") == f"round-{self._number}")

    def _matching(self, *, enabled: bool) -> list[int]:
        url = f"https://siem.example.com/{self.names[0]}"
        held = self._team.held()
        return [each.id for each in held if each.config.get("url") == url and each.enabled == enabled]
