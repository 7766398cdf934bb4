"""How kopf is set: it watches, and does nothing else. Each setting is there for a reason that was measured."""

from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any, Final

import kopf
from kopf._core.engines.peering import Identity  # arguments of the public spawn_tasks
from kopf._core.reactor.inventory import ResourceMemories, ResourceMemory

PAGE: Final = 1
"""Objects: none of them is told to kopf, which needs no more of a LIST than its version."""
RENEW_SECONDS: Final = 120
"""How long one watch request lasts, so each watch shows life at least this often. Sent verbatim as `timeoutSeconds`:
a fraction would be answered by 400."""

OWN_IDENTITY: Final = Identity("netbird-streaming-operator")
"""Of no use: it would be told to peers, and peering is off."""


class _EndlessBackoffs:
    """Seconds between tries of a request, for ever. Iterated anew for each request, and without a length."""

    def __iter__(self) -> Iterator[float]:
        return chain((0.1, 0.2, 0.5), repeat(1.0))


class _NoDiffBase(kopf.DiffBaseStorage):
    """Stores nothing: event handlers need no last-handled state, and building one is a third of kopf's CPU."""

    def build(self, **_: object) -> Any:  # noqa: ANN401 # kopf's own type is private
        return {}

    def fetch(self, **_: object) -> None:
        return None

    def store(self, **_: object) -> None:
        return None


class _NoProgress(kopf.ProgressStorage):
    """Stores nothing: the queue behind the sink keeps the progress."""

    def fetch(self, **_: object) -> None:
        return None

    def store(self, **_: object) -> None:
        return None

    def purge(self, **_: object) -> None:
        return None

    def touch(self, **_: object) -> None:
        return None

    def clear(self, *, essence: Any) -> Any:  # noqa: ANN401 # kopf's own type is private
        return essence


class NoMemories(ResourceMemories):
    """Keeps nothing between events: handlers of events need no memory, and one of 2 KB would stay for each object."""

    async def recall(self, raw_body: kopf.RawBody, **options: Any) -> ResourceMemory:  # noqa: ANN401 # kopf's own
        """Make a new one each time."""
        return await super().recall(raw_body, **{**options, "ephemeral": True})


def kopf_settings() -> kopf.OperatorSettings:
    """Make kopf's settings, each for a reason that was measured."""
    settings = kopf.OperatorSettings()
    settings.scanning.disabled = True  # else it needs rights on CRDs and namespaces, and starts late without them
    settings.posting.enabled = False  # log lines would become Events
    settings.peering.standalone = True
    settings.persistence.diffbase_storage = _NoDiffBase()
    settings.persistence.progress_storage = _NoProgress()
    settings.queueing.idle_timeout = 0.02  # a worker for each object lives on for this long: memory in a burst
    settings.queueing.exit_timeout = 0.1
    settings.watching.chunk_size = PAGE
    settings.watching.server_timeout = RENEW_SECONDS
    settings.networking.connect_timeout = 5
    settings.networking.request_timeout = 60
    settings.networking.error_backoffs = _EndlessBackoffs()  # else kopf ends after a minute of 5xx, or of 403
    settings.process.ultimate_exiting_timeout = None  # else it arms a SIGKILL of this process
    return settings
