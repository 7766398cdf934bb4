"""A tenant's own server in place of NetBird: it claims what it is asked to, for each token of the tenant."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final

LOOPBACK: Final = "127.0.0.1"
DENIED: Final = {"message": "no permission", "code": 403}
STAMP: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""The time that the server chooses: that of its `Date`, and of all that is created there."""
FLOODS: Final = {
    "list": (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[",
        b'{"id":1,"platform":"s3","config":{}},' * 1000,
    ),
    "element": (b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[{"a":1', b',"b":1' * 10_000),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 1000),
}
"""Answers without an end: how each begins, and what follows again and again."""


@dataclass
class Claims:
    """Claims of the server to the bearer of a token.

    Args:
        account: the account, or None for no account at all.
        next_id: the id of the integration that is created next.
        loses_creates: whether a create takes effect without an answer.
        flood: the kind of answer without an end to a LIST, or None.
    """

    account: str | None
    next_id: int = 9000
    loses_creates: bool = False
    flood: str | None = None
    held: dict[int, dict[str, Any]] = field(default_factory=dict)

    def create(self, asked: dict[str, Any]) -> dict[str, Any]:
        stamp = STAMP.isoformat()
        made = {**asked, "id": self.next_id, "created_at": stamp, "updated_at": stamp}
        if self.account is not None:
            made["account_id"] = self.account
        self.held[self.next_id] = made
        self.next_id += 1
        return made


class HostileNetBird:
    """The claims for each token, and the `Authorization` headers of all requests."""

    def __init__(self, url: str) -> None:
        self.url: Final = url
        self.claims: Final[dict[str, Claims]] = {}
        self.tokens: Final[set[str]] = set()

    def of(self, authorization: str) -> Claims:
        token = authorization.partition(" ")[2]
        self.tokens.add(token)
        return self.claims.setdefault(token, Claims(None))


class _Listener(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        self.netbird = HostileNetBird(f"http://{LOOPBACK}:{self.server_address[1]}")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        claims = self._claims()
        if self.path.startswith("/api/accounts"):
            self._answer([{"id": claims.account}] if claims.account else DENIED, 200 if claims.account else 403)
        elif not self.path.startswith("/api/integrations/event-streaming"):
            self._answer({"message": "not found", "code": 404}, 404)
        elif self._id() is not None:
            self._answer(claims.held.get(self._id() or 0, {}))
        elif claims.flood is not None:
            self._flood(*FLOODS[claims.flood])
        else:
            self._answer(list(claims.held.values()))

    def do_POST(self) -> None:
        claims = self._claims()
        made = claims.create(self._body())
        if claims.loses_creates:
            self.close_connection = True
        else:
            self._answer(made)

    def do_PUT(self) -> None:
        held = self._claims().held.setdefault(self._id() or 0, {})
        held.update(self._body())
        self._answer(held)

    def do_DELETE(self) -> None:
        self._claims().held.pop(self._id() or 0, None)
        self._answer({})

    def _claims(self) -> Claims:
        assert isinstance(self.server, _Listener)
        return self.server.netbird.of(self.headers["Authorization"])

    def _id(self) -> int | None:
        last = self.path.partition("?")[0].rpartition("/")[2]
        return int(last) if last.isdecimal() else None

    def _body(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, body: object, status: int = 200) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _flood(self, begin: bytes, block: bytes) -> None:
        self.close_connection = True
        self.wfile.write(begin)
        while True:
            self.wfile.write(block)

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Return the time that the server claims, for `Date`."""
        return super().date_time_string(STAMP.timestamp() if timestamp is None else timestamp)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 — as http.server calls it
        """Log nothing."""

    def handle(self) -> None:
        """Serve a connection until the client closes it, at any moment."""
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True


@contextmanager
def hostile_netbird() -> Iterator[HostileNetBird]:
    """Serve on a free port of loopback until the block ends."""
    with _Listener() as listener:
        thread = Thread(target=listener.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield listener.netbird
        finally:
            listener.shutdown()
            thread.join()
