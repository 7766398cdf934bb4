"""A client of etcd's JSON gateway for changes of its revision."""

import http.client
import json
from base64 import b64encode
from typing import Any, Final

_KEY: Final = b64encode(b"/tests/revisions").decode()


class EtcdClient:
    """Reads, advances and compacts the revisions of one etcd."""

    def __init__(self, host: str, port: int) -> None:
        """Store the address of the client port without sending a request."""
        self._host = host
        self._port = port

    def is_ready(self) -> bool:
        """Return whether etcd answers."""
        try:
            return self.revision() > 0
        except OSError:
            return False

    def revision(self) -> int:
        """Return the current revision."""
        return int(self._call(("kv/range", {"key": _KEY}))[0]["header"]["revision"])

    def advance(self, revisions: int) -> None:
        """Write so many revisions of a key that no API server reads."""
        self._call(*[("kv/put", {"key": _KEY, "value": _KEY})] * revisions)

    def compact(self) -> None:
        """Compact the history up to now. Watches that begin before are refused."""
        self._call(("kv/compaction", {"revision": str(self.revision())}))

    def _call(self, *calls: tuple[str, dict[str, str]]) -> list[dict[str, Any]]:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=10)
        try:
            return [self._one(connection, path, body) for path, body in calls]
        finally:
            connection.close()

    @staticmethod
    def _one(connection: http.client.HTTPConnection, path: str, body: dict[str, str]) -> dict[str, Any]:
        connection.request("POST", f"/v3/{path}", json.dumps(body))
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
        return answer
