"""The requests of `verify`: what is sent, and the deletion of all that was created."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from netbird_streaming.cli.account_access import AccountAccess
from netbird_streaming.cli.output import Output
from netbird_streaming.cli.verify_journal import Journal
from netbird_streaming.clock import SystemClock
from netbird_streaming.core.netbird.types import Integration, IntegrationRequest, PathFamily, Priority
from netbird_streaming.errors import OperatorError

T = TypeVar("T")
NO_SUCH_ID: Final = 2**62 + 4711
NO_SUCH_TENANT: Final = "netbird-streaming-operator-verify"
HEADER: Final = "X-Verify"
TEMPLATE: Final = "{{ .ID }} "
"""The space at its end shows whether NetBird keeps values as they are sent."""
POLL_SECONDS: Final = 1.0
OK: Final = 200


@dataclass(slots=True)
class Verification:
    """Run of all steps. `created` are the ids that are still to be deleted."""

    access: AccountAccess
    journal: Journal
    output: Output
    url: str
    secret: str
    list_seconds: float
    clock: SystemClock = field(default_factory=SystemClock)
    created: list[int] = field(default_factory=list)
    attempted: bool = False
    first: int | None = None
    reused: bool | None = None
    lags: dict[str, float | None] = field(default_factory=dict)

    async def run(self) -> None:
        """Send all requests; an answer that is an error ends its step only."""
        client = self.access.client(None)
        await self._step("account", lambda: client.account_id(Priority.HIGH))
        await self._step("tenant", lambda: self.access.client(NO_SUCH_TENANT).account_id(Priority.HIGH))
        await self._step("token", lambda: client.token_expiry(Priority.HIGH))
        if await self._step("list", lambda: client.list_integrations(Priority.HIGH)) is None:
            return
        await self._other_path(client.path_family)
        await self._step("absent", lambda: client.get(NO_SUCH_ID, Priority.HIGH))
        made = await self._create("create", self.url)
        if made is None:
            return
        self.first = made.id
        await self._step("get", lambda: client.get(made.id, Priority.HIGH))
        await self._list_until("created", lambda items: made.id in items)
        await self._second()
        await self._update(made.id)
        await self._delete(made.id)

    async def clean_up(self) -> tuple[int, ...]:
        """Delete all that was created, and what a create without an answer may have left; return what remains."""
        if not self.attempted:
            return ()
        client = self.access.client(None)
        self.journal.begin("clean up")
        try:
            listing = await client.list_integrations(Priority.HIGH)
        except OperatorError:
            items: tuple[Integration, ...] = ()
        else:
            items = listing.items
        found = {item.id for item in items if (item.config or {}).get("url", "").startswith(self.url)}
        left = found | set(self.created)
        for integration_id in sorted(left):
            try:
                await client.delete(integration_id, Priority.HIGH)
            except OperatorError:
                continue  # a 404 proves nothing of an id that no DELETE was accepted for
            left.discard(integration_id)
        return tuple(sorted(left))

    async def _step(self, name: str, work: Callable[[], Awaitable[T]]) -> T | None:
        self.journal.begin(name)
        self.output.progress(f"verifying: {name}")
        try:
            return await work()
        except OperatorError:
            return None

    async def _other_path(self, proven: PathFamily | None) -> None:
        """Ask for the other path, with a URL of another spelling: what is known of one URL's paths is shared."""
        other = PathFamily.PLAIN if proven is PathFamily.INTEGRATIONS else PathFamily.INTEGRATIONS
        endpoint = replace(self.access.endpoint, url=f"{self.access.endpoint.url.rstrip('/')}//", path_family=other)
        client = self.access.clients.client(endpoint, self.access.limit)
        await self._step("other path", lambda: client.list_integrations(Priority.HIGH))

    async def _create(self, step: str, url: str) -> Integration | None:
        headers = f'{{"{HEADER}": "{self.secret}"}}'
        config = {"url": url, "headers": headers, "body_template": TEMPLATE}
        request = IntegrationRequest("generic_http", config, enabled=False)
        self.attempted = True
        made = await self._step(step, lambda: self.access.client(None).create(request, Priority.HIGH))
        if made is not None:
            self.created.append(made.id)
        return made

    async def _second(self) -> None:
        """Create a second one, delete it and create a third one: ids must not be given again."""
        second = await self._create("second", f"{self.url}/second")
        if second is None:
            return
        await self._remove("delete second", second.id)
        third = await self._create("third", f"{self.url}/third")
        if third is not None:
            self.reused = third.id == second.id
            await self._remove("delete third", third.id)

    async def _update(self, integration_id: int) -> None:
        """Change the URL and leave the other keys out; then change the secret alone."""
        client, before = self.access.client(None), self.journal.listed("list created", integration_id)

        def is_shown(items: dict[int, Integration]) -> bool:
            item = items.get(integration_id)
            return item is not None and item.updated_at != before.get("updated_at")

        request = IntegrationRequest("generic_http", {"url": f"{self.url}/updated"}, enabled=False)
        await self._step("update", lambda: client.update(integration_id, request, Priority.HIGH))
        await self._list_until("updated", is_shown)
        await self._step("list again", lambda: client.list_integrations(Priority.HIGH))
        before = self.journal.listed("list again", integration_id)
        rotated = {"url": f"{self.url}/updated", "headers": f'{{"{HEADER}": "{self.secret}-2"}}'}
        secret = IntegrationRequest("generic_http", rotated, enabled=False)
        await self._step("rotate", lambda: client.update(integration_id, secret, Priority.HIGH))
        await self._list_until("rotated", is_shown)

    async def _delete(self, integration_id: int) -> None:
        client = self.access.client(None)
        await self._remove("delete", integration_id)
        await self._step("get deleted", lambda: client.get(integration_id, Priority.HIGH))
        await self._step("delete again", lambda: client.delete(integration_id, Priority.HIGH))
        await self._list_until("deleted", lambda items: integration_id not in items)

    async def _remove(self, step: str, integration_id: int) -> None:
        await self._step(step, lambda: self.access.client(None).delete(integration_id, Priority.HIGH))
        answer = self.journal.last(step)
        if answer is not None and answer.status == OK and integration_id in self.created:
            self.created.remove(integration_id)

    async def _list_until(self, what: str, is_shown: Callable[[dict[int, Integration]], bool]) -> None:
        """List until the change is shown; keep the seconds that it took, or None."""
        begun = self.clock.monotonic()
        while True:
            listing = await self._step(
                f"list {what}", lambda: self.access.client(None).list_integrations(Priority.HIGH)
            )
            waited = self.clock.monotonic() - begun
            if listing is None or is_shown({item.id: item for item in listing.items}):
                self.lags[what] = None if listing is None else waited
                return
            if waited >= self.list_seconds:
                self.lags[what] = None
                return
            await self.clock.sleep(min(POLL_SECONDS, self.list_seconds))
