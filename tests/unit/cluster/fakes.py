"""A scripted API server for tests without a real one. It records its requests."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from netbird_streaming.api.types import GROUP, EventStreamingIntegration
from netbird_streaming.cluster.client import Json, KubernetesClient, Request
from netbird_streaming.errors import OperatorError

Script = Callable[[Request], Any]


class ScriptedApi:
    """Answers each request by its script: an object, bytes, lines, or an exception to raise."""

    def __init__(self, script: Script) -> None:
        self.requests: list[Request] = []
        self._script = script

    @property
    def api(self) -> KubernetesClient:
        return cast("KubernetesClient", self)

    def _answer(self, request: Request, guard: Callable[[], None] | None) -> Any:
        if guard is not None:
            guard()
        self.requests.append(request)
        answer = self._script(request)
        if isinstance(answer, OperatorError):
            raise answer
        return answer

    async def call(
        self, request: Request, *, guard: Callable[[], None] | None = None, seconds: float = 0, urgent: bool = False
    ) -> Json:
        del seconds, urgent
        return cast("Json", self._answer(request, guard))

    async def call_raw(self, request: Request) -> bytes:
        return cast("bytes", self._answer(request, None))

    @asynccontextmanager
    async def stream(self, request: Request, *, idle: float) -> AsyncIterator[AsyncIterator[bytes]]:
        del idle
        yield self._answer(request, None)


def raw_integration(**metadata: Any) -> Json:
    """Return an integration as the API server shows it."""
    return {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": "EventStreamingIntegration",
        "metadata": {
            "name": "audit",
            "namespace": "team-a",
            "uid": "5f7a",
            "resourceVersion": "7",
            "creationTimestamp": "2026-01-02T03:04:05Z",
            **metadata,
        },
        "spec": {
            "platform": "datadog",
            "datadog": {"site": "datadoghq.eu", "apiKeySecretRef": {"name": "datadog", "key": "api-key"}},
        },
    }


def integration(**metadata: Any) -> EventStreamingIntegration:
    """Return the same, parsed."""
    return EventStreamingIntegration.model_validate(raw_integration(**metadata))
