"""Changes of other clients, in NetBird's dashboard."""

from datetime import timedelta

from tests.doubles.netbird.records import Draft
from tests.simulation.unspecified_behaviour import BLANKS
from tests.simulation.users import Users


class ExternalChanges(Users):
    """Changes of other clients, which know nothing of Kubernetes."""

    def dashboard_edits(self, name: str) -> None:
        """Another client changes the integration in the dashboard."""
        if (integration_id := self._held(name)) is not None:
            if self.draw.random() < 0.6:
                self.world.dashboard_edits(integration_id, url=f"https://elsewhere.example/{name}")
            else:
                self.world.dashboard_edits(integration_id, enabled=self.draw.random() < 0.5)

    def restore_repeatedly(self, name: str) -> None:
        """A script of another client restores the integration again and again."""
        for number in range(4):
            self.later(number * 150.0, lambda: self._restore_once_more(name))

    def _restore_once_more(self, name: str) -> None:
        if (integration_id := self._held(name)) is not None:
            self.world.dashboard_edits(integration_id, url=f"https://elsewhere.example/{name}")

    def dashboard_deletes(self, name: str) -> None:
        """Another client deletes the integration in the dashboard."""
        if (integration_id := self._held(name)) is not None:
            self.world.dashboard_deletes(integration_id)

    def dashboard_creates(self, name: str) -> None:
        """Another client creates an integration in the dashboard, sometimes with a resource's settings."""
        same = self.draw.random() < 0.5
        url = self.url(name) if same else "https://stranger.example/1"
        if "datadog" in self.block(name, url):
            draft = Draft("datadog", {"api_url": url, "api_key": "CANARY-stranger-v1"})
        else:
            draft = Draft("generic_http", {"url": url, "headers": '{"Authorization": "x"}', "body_template": ""})
        self.world.dashboard_creates("acc-a", draft)

    def take_id(self, name: str) -> None:
        """Another client deletes the integration and creates one, which gets its id if ids are reused."""
        integration_id = self._held(name)
        found = self.world.netbird.integrations.get(integration_id or 0)
        # Within a second of the creation the two look the same.
        if found is not None and self.world.now() - found.created_at > timedelta(seconds=2):
            self.world.dashboard_deletes(found.id)
            self.dashboard_creates(name)

    def blank(self, _name: str) -> None:
        """NetBird shows nothing for a while, as behind an empty read replica."""
        self.world.hide(blank=True)
        self.later(self.draw.choice(BLANKS), lambda: self.world.hide(blank=False))

    def revert(self, _name: str) -> None:
        """NetBird's database is restored to its state some seconds ago."""
        restore = self.world.back_up()
        self.later(self.draw.uniform(5, 60), restore)

    def _held(self, name: str) -> int | None:
        found = self.find(name)
        return found.status.id if found is not None else None
