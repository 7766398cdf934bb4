"""Strangers: what others do in NetBird's dashboard."""

from datetime import timedelta

from tests.doubles.netbird.records import Draft
from tests.simulation.unspecified_behaviour import BLANKS
from tests.simulation.users import Users


class Strangers(Users):
    """They know nothing of Kubernetes, and the operator knows nothing of them."""

    def stranger_edits(self, name: str) -> None:
        """Somebody changes the integration in the dashboard."""
        if (integration_id := self._held(name)) is not None:
            if self.draw.random() < 0.6:
                self.world.stranger_edits(integration_id, url=f"https://elsewhere.example/{name}")
            else:
                self.world.stranger_edits(integration_id, enabled=self.draw.random() < 0.5)

    def fight(self, name: str) -> None:
        """Somebody's script sets the integration back again and again."""
        for number in range(4):
            self.later(number * 150.0, lambda: self._quarrel(name))

    def _quarrel(self, name: str) -> None:
        if (integration_id := self._held(name)) is not None:
            self.world.stranger_edits(integration_id, url=f"https://elsewhere.example/{name}")

    def stranger_deletes(self, name: str) -> None:
        """Somebody deletes the integration in the dashboard."""
        if (integration_id := self._held(name)) is not None:
            self.world.stranger_deletes(integration_id)

    def stranger_creates(self, name: str) -> None:
        """Somebody makes an integration in the dashboard, some of them just like a resource's; the secret is theirs."""
        same = self.draw.random() < 0.5
        url = self.url(name) if same else "https://stranger.example/1"
        if "datadog" in self.block(name, url):
            draft = Draft("datadog", {"api_url": url, "api_key": "CANARY-stranger-v1"})
        else:
            draft = Draft("generic_http", {"url": url, "headers": '{"Authorization": "x"}', "body_template": ""})
        self.world.stranger_creates("acc-a", draft)

    def take_id(self, name: str) -> None:
        """Somebody deletes the integration and makes another one, which gets its id where ids are reused."""
        integration_id = self._held(name)
        found = self.world.netbird.integrations.get(integration_id or 0)
        # Within a second of its creation nothing tells the one from the other.
        if found is not None and self.world.now() - found.created_at > timedelta(seconds=2):
            self.world.stranger_deletes(found.id)
            self.stranger_creates(name)

    def blank(self, _name: str) -> None:
        """NetBird shows nothing for a while, as behind an empty read replica."""
        self.world.hide(blank=True)
        self.later(self.draw.choice(BLANKS), lambda: self.world.hide(blank=False))

    def revert(self, _name: str) -> None:
        """NetBird's database is put back to what it was some seconds ago."""
        restore = self.world.back_up()
        self.later(self.draw.uniform(5, 60), restore)

    def _held(self, name: str) -> int | None:
        found = self.find(name)
        return found.status.id if found is not None else None
