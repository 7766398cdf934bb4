"""What the kubelet asks: /healthz (restart me?) and /readyz (have I started?)."""

from collections.abc import Callable, Mapping
from http import HTTPStatus

from netbird_streaming.pages import Page, Response, sentence

Probe = Callable[[], str | None]
"""What is wrong, in a sentence; None if nothing is. It must neither block nor raise."""


def probe_page(probe: Probe) -> Page:
    """The page of a probe: 200 while nothing is wrong, else 503 and what it is."""

    def answer(_: Mapping[str, str]) -> Response:
        wrong = probe()
        return sentence(HTTPStatus.OK, "ok") if wrong is None else sentence(HTTPStatus.SERVICE_UNAVAILABLE, wrong)

    return answer
