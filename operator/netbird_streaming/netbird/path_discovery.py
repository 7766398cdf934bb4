"""Discovery of the path under which a server offers event streaming.

The vendor's reference and dashboard use one path, its OpenAPI document and clients the other. A server may know only
one of them. A router answers an unknown path with a 404 that is not JSON. A gateway may answer it with a JSON 404.
"""

from http import HTTPStatus

from netbird_streaming.core.netbird.types import PathFamily
from netbird_streaming.netbird.responses import Response, is_api_404, proves_path


class PathDiscovery:
    """State of the discovery for one server, shared by all clients of one token.

    Args:
        hint: The family to try first, from the connection's status.
    """

    def __init__(self, hint: PathFamily | None) -> None:
        self._first = hint or PathFamily.INTEGRATIONS
        self.proven: PathFamily | None = None
        self.is_token_rejected: bool | None = None
        """True if a server that offers neither path rejects the token. None before this was checked."""

    @property
    def order(self) -> tuple[PathFamily, PathFamily]:
        """Return the family to try first, and the other one."""
        first = self.proven or self._first
        return first, PathFamily.PLAIN if first is PathFamily.INTEGRATIONS else PathFamily.INTEGRATIONS

    def prove(self, family: PathFamily) -> None:
        """Record that the server offers event streaming under this family."""
        self.proven = family

    def asks_for_other(self, family: PathFamily, response: Response) -> bool:
        """Return whether the server may offer the other family, according to a response to this one."""
        if response.status != HTTPStatus.NOT_FOUND:
            return False
        return not (is_api_404(response) and self.proven is family)

    def choose(
        self, first: tuple[PathFamily, Response], second: tuple[PathFamily, Response]
    ) -> tuple[PathFamily, Response]:
        """Return the family whose response counts. The first response is a 404.

        The second response counts if it is not a 404, or if only the second one is JSON.
        """
        if second[1].status != HTTPStatus.NOT_FOUND or (is_api_404(second[1]) and not is_api_404(first[1])):
            return second
        return first

    def learn(self, family: PathFamily, response: Response, *, alone: bool) -> None:
        """Record what a refusal proves. `alone` means that the other family did not answer a JSON 404 too."""
        if proves_path(response) and (alone or response.status != HTTPStatus.NOT_FOUND):
            self.prove(family)
