"""What the kubelet asks: /healthz (restart me?) and /readyz (have I started?)."""

from collections.abc import Callable, Mapping
from http import HTTPStatus

from netbird_streaming.telemetry.http_server import Handler, HttpResponse, text_response

Probe = Callable[[], str | None]
"""What is wrong, in a sentence; None if nothing is. It must neither block nor raise."""


def probe_handler(probe: Probe) -> Handler:
    """The page of a probe: 200 while nothing is wrong, else 503 and what it is."""

    def answer(_: Mapping[str, str]) -> HttpResponse:
        wrong = probe()
        return (
            text_response(HTTPStatus.OK, "ok")
            if wrong is None
            else text_response(HTTPStatus.SERVICE_UNAVAILABLE, wrong)
        )

    return answer
