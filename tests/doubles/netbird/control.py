"""A client of the control API, for tests and for the demo. It is synchronous, because its users wait anyway."""

import json
import ssl
from collections.abc import Iterable, Mapping
from typing import TypeVar
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

from tests.doubles.netbird.behaviour import Behaviour
from tests.doubles.netbird.codec import dump, load
from tests.doubles.netbird.control_api import PREFIX, Figures, ForeignDraft, ForeignEdit
from tests.doubles.netbird.faults import Armed, Fault
from tests.doubles.netbird.records import Draft, Effect, Integration
from tests.doubles.netbird.request_log import Entry
from tests.doubles.netbird.state import State
from tests.doubles.netbird.tenancy import Account, Token
from tests.doubles.netbird.wire import Operation, encode

T = TypeVar("T")
_TIMEOUT_SECONDS = 30.0


class ControlError(Exception):
    """The server refused a command. The message says why."""


class NetBirdControl:
    """Configures a simulated NetBird, injects faults, and reads its state."""

    def __init__(self, url: str) -> None:
        """Control the server at a URL. Proxies of the environment are never used, because the server is on loopback."""
        self._url = url.rstrip("/") + PREFIX
        context = ssl.create_default_context()
        # Private authorities often lack key identifiers, which Python requires from 3.13 on.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        self._opener = build_opener(ProxyHandler({}), HTTPSHandler(context=context))

    def figures(self) -> Figures:
        """Return the server's counters, and its time."""
        return self._read(Figures, "/figures")

    def journal(self, since: int = 0, operation: Operation | None = None) -> list[Entry]:
        """Return the requests from a number on (see `Figures.requests`), of one operation or of all."""
        query = {"since": str(since)} | ({"operation": operation.value} if operation else {})
        return self._read(list[Entry], f"/journal?{urlencode(query)}")

    def clear_journal(self) -> None:
        """Clear the journal. Numbering continues."""
        self._call("DELETE", "/journal")

    def faults(self) -> list[Armed]:
        """Return the armed faults, and how often each was applied."""
        return self._read(list[Armed], "/faults")

    def add_fault(self, fault: Fault) -> int:
        """Arm a fault and return the id that removes it."""
        answer = self._call("POST", "/faults", dump(Fault, fault))
        return load(dict[str, int], answer)["id"]

    def remove_fault(self, fault_id: int) -> None:
        """Disarm a fault."""
        self._call("DELETE", f"/faults/{fault_id}")

    def clear_faults(self) -> None:
        """Disarm all faults."""
        self._call("DELETE", "/faults")

    def behaviour(self) -> Behaviour:
        """Return the server's behaviour."""
        return self._read(Behaviour, "/behaviour")

    def change_behaviour(self, **settings: object) -> Behaviour:
        """Change some settings of the server's behaviour, by the names of `Behaviour`."""
        lists = {name: list(value) for name, value in settings.items() if isinstance(value, frozenset | set)}
        return load(Behaviour, self._call("PATCH", "/behaviour", {**settings, **lists}))

    def add_account(self, account: Account) -> None:
        """Add an account."""
        self._call("POST", "/accounts", dump(Account, account))

    def add_token(self, token: Token) -> None:
        """Add a token, or change one."""
        self._call("POST", "/tokens", dump(Token, token))

    def revoke_token(self, token_id: str) -> None:
        """Revoke a token."""
        self._call("POST", f"/tokens/{token_id}/revoke")

    def integrations(self, account_id: str | None = None) -> list[Integration]:
        """Return all integrations (of one account) with their real values."""
        query = f"?{urlencode({'account': account_id})}" if account_id else ""
        return self._read(list[Integration], f"/integrations{query}")

    def state(self) -> State:
        """Return the server's whole state, including its history and tombstones."""
        return self._read(State, "/state")

    def history(self) -> list[Effect]:
        """Return every change by any client, in order."""
        return list(self.state().history)

    def create(self, account_id: str, drafts: Iterable[Draft]) -> list[int]:
        """Create integrations as in the dashboard, and return their ids."""
        wanted = [ForeignDraft(account_id, draft) for draft in drafts]
        answer = self._call("POST", "/integrations", dump(list[ForeignDraft], wanted))
        return load(dict[str, list[int]], answer)["ids"]

    def edit(
        self, integration_id: int, config: Mapping[str, str] | None = None, *, enabled: bool | None = None
    ) -> None:
        """Change an integration as in the dashboard."""
        change = ForeignEdit(dict(config) if config is not None else None, enabled)
        self._call("PATCH", f"/integrations/{integration_id}", dump(ForeignEdit, change))

    def delete(self, integration_id: int) -> None:
        """Delete an integration as in the dashboard."""
        self._call("DELETE", f"/integrations/{integration_id}")

    def _read(self, kind: type[T], path: str) -> T:
        """Read a value of a type."""
        return load(kind, self._call("GET", path))

    def _call(self, method: str, path: str, body: object = None) -> object:
        """Send one command.

        Raises:
            ControlError: the server refused it.
            OSError: the server is not reachable.
        """
        content = None if body is None else encode(body)
        headers = {"Content-Type": "application/json"}
        request = Request(self._url + path, content, headers, method=method)  # noqa: S310 - a test's own server
        try:
            with self._opener.open(request, timeout=_TIMEOUT_SECONDS) as answer:
                parsed: object = json.loads(answer.read())
        except HTTPError as error:
            message = f"{method} {path}: {error.code} {error.read().decode(errors='replace')}"
            raise ControlError(message) from error
        return parsed
