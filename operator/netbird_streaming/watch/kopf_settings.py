"""Settings of kopf: it watches and does nothing else. Each setting has a measured reason."""

from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any, Final

import kopf
from kopf._core.engines.peering import Identity  # arguments of the public spawn_tasks
from kopf._core.reactor.inventory import ResourceMemories, ResourceMemory

from netbird_streaming.version import PROGRAM

PAGE: Final = 1
"""Objects. kopf receives none of them and needs only the version of a LIST."""
RENEW_SECONDS: Final = 120
"""The duration of one watch request, so each watch shows activity at least this often. It is sent as `timeoutSeconds`.
The API server answers 400 to a fraction."""

OWN_IDENTITY: Final = Identity(PROGRAM)
"""The identity for kopf's peering, which is off."""


class _EndlessBackoffs:
    """Endless seconds between retries of a request. kopf iterates over them for each request."""

    def __iter__(self) -> Iterator[float]:
        return chain((0.1, 0.2, 0.5), repeat(1.0))


class _NoDiffBase(kopf.DiffBaseStorage):
    """Storage that stores nothing. Event handlers need no last-handled state, which takes a third of kopf's CPU."""

    def build(self, **_: object) -> Any:  # noqa: ANN401 # kopf's own type is private
        return {}

    def fetch(self, **_: object) -> None:
        return None

    def store(self, **_: object) -> None:
        return None


class _NoProgress(kopf.ProgressStorage):
    """Storage that stores nothing. The reconciler's queue keeps the progress."""

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
    """Memories that keep nothing between events. Event handlers need none, and each object would take 2 KB."""

    async def recall(self, raw_body: kopf.RawBody, **options: Any) -> ResourceMemory:  # noqa: ANN401 # kopf's own
        """Return a new memory for each event."""
        return await super().recall(raw_body, **{**options, "ephemeral": True})


def kopf_settings() -> kopf.OperatorSettings:
    """Return kopf's settings. Each has a measured reason."""
    settings = kopf.OperatorSettings()
    settings.scanning.disabled = True  # else kopf needs rights on CRDs and namespaces, and starts late without them
    settings.posting.enabled = False  # log lines would become Events
    settings.peering.standalone = True
    settings.persistence.diffbase_storage = _NoDiffBase()
    settings.persistence.progress_storage = _NoProgress()
    settings.queueing.idle_timeout = 0.02  # each object has a worker for this long: memory in a burst
    settings.queueing.exit_timeout = 0.1
    settings.watching.chunk_size = PAGE
    settings.watching.server_timeout = RENEW_SECONDS
    settings.networking.connect_timeout = 5
    settings.networking.request_timeout = 60
    settings.networking.error_backoffs = _EndlessBackoffs()  # else kopf ends after a minute of 5xx, or of 403
    settings.process.ultimate_exiting_timeout = None  # else kopf schedules a SIGKILL of this process
    return settings
