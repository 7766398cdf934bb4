"""A client of the API server that can't change anything."""

from collections.abc import Callable
from typing import Final

import aiohttp

from netbird_streaming.cluster.client import Answer, KubernetesClient, Request
from netbird_streaming.errors import WaitError
from netbird_streaming.reasons import Reason

REVIEWS: Final = ("/apis/authorization.k8s.io/v1/", "/apis/authentication.k8s.io/v1/")
"""Prefixes of the paths of POST requests that only answer a question: the API server stores nothing of them."""


class ReadOnlyKubernetesClient(KubernetesClient):
    """Client that sends GETs and reviews of permissions, and refuses every other request before it is sent."""

    async def _send(self, request: Request, limits: aiohttp.ClientTimeout, guard: Callable[[], None] | None) -> Answer:
        if request.is_write and not request.path.startswith(REVIEWS):
            raise WaitError(Reason.OBSERVE_ONLY, f"{request.subject}: this command writes nothing to Kubernetes.")
        return await super()._send(request, limits, guard)
