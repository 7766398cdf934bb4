"""Probes of the kubelet: /healthz (restart the container) and /readyz (the process has started)."""

from collections.abc import Callable, Mapping
from http import HTTPStatus

from netbird_streaming.telemetry.http_server import Handler, HttpResponse, text_response

Probe = Callable[[], str | None]
"""Returns the problem in a sentence, or None. It must neither block nor raise."""


def probe_handler(probe: Probe) -> Handler:
    """Return the handler of a probe: 200 without a problem, else 503 with the problem."""

    def answer(_: Mapping[str, str]) -> HttpResponse:
        wrong = probe()
        return (
            text_response(HTTPStatus.OK, "ok")
            if wrong is None
            else text_response(HTTPStatus.SERVICE_UNAVAILABLE, wrong)
        )

    return answer
