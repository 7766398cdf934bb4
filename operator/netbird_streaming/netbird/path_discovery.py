"""Under which of the two paths a server offers event streaming.

The vendor's reference and dashboard use one, its OpenAPI document and clients the other; a server may know only one.
What it does not know, a router answers with a 404 that is not JSON, or (a gateway) with one that is.
"""

from http import HTTPStatus

from netbird_streaming.core.netbird.types import PathFamily
from netbird_streaming.netbird.responses import Response, is_api_404, proves_path


class PathDiscovery:
    """What is known of one server's paths, shared by all who ask it with the same token."""

    def __init__(self, hint: PathFamily | None) -> None:
        """Try the hint first: what the connection's status remembers of an earlier process."""
        self._first = hint or PathFamily.INTEGRATIONS
        self.proven: PathFamily | None = None
        self.is_token_rejected: bool | None = None
        """Whether a server that offers neither path rejects the token; None before it was asked."""

    @property
    def order(self) -> tuple[PathFamily, PathFamily]:
        """Which family to try, and which after it."""
        first = self.proven or self._first
        return first, PathFamily.PLAIN if first is PathFamily.INTEGRATIONS else PathFamily.INTEGRATIONS

    def prove(self, family: PathFamily) -> None:
        """The server answered there as only event streaming does."""
        self.proven = family

    def asks_for_other(self, family: PathFamily, response: Response) -> bool:
        """Whether the answer leaves open that the other family is the server's."""
        if response.status != HTTPStatus.NOT_FOUND:
            return False
        return not (is_api_404(response) and self.proven is family)

    def choose(
        self, first: tuple[PathFamily, Response], second: tuple[PathFamily, Response]
    ) -> tuple[PathFamily, Response]:
        """Which of two families' answers counts, of which the first was a 404: the one that is not, or that is JSON."""
        if second[1].status != HTTPStatus.NOT_FOUND or (is_api_404(second[1]) and not is_api_404(first[1])):
            return second
        return first

    def learn(self, family: PathFamily, response: Response, *, alone: bool) -> None:
        """Remember what a refusal proves. `alone`: the other family did not answer a JSON 404 as well."""
        if proves_path(response) and (alone or response.status != HTTPStatus.NOT_FOUND):
            self.prove(family)
