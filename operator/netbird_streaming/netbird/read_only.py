"""A client of NetBird that can't change anything."""

from netbird_streaming.errors import WaitError
from netbird_streaming.netbird.client import Attempt, NetBirdClient
from netbird_streaming.netbird.responses import NoResponse, Response
from netbird_streaming.reasons import Reason


class ReadOnlyNetBirdClient(NetBirdClient):
    """Client that sends GETs, and refuses every other request before it is sent."""

    async def _send(self, attempt: Attempt, path: str) -> Response | NoResponse:
        if attempt.call.operation.is_write:
            raise WaitError(Reason.OBSERVE_ONLY, f"{attempt.call.operation.value}: nothing is written to NetBird.")
        return await super()._send(attempt, path)
