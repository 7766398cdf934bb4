"""Checks of what the operator needs of the API server: its rights, and the status fields of the CRDs.

Both are checked at the start and while the process runs: a right may be taken away, and CRDs may be replaced.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from netbird_streaming.cluster.client import KubernetesClient
from netbird_streaming.cluster.rbac import Permission, missing_permissions
from netbird_streaming.cluster.served_fields import missing_fields
from netbird_streaming.errors import OperatorError
from netbird_streaming.log_context import REMIND_SECONDS, LogOnce

CHECK_SECONDS: Final = 15.0
_SHOWN: Final = 5

logger = logging.getLogger(__name__)


class Preflight:
    """Checks rights and fields, logs what is missing, and reports missing fields to the readiness probe.

    `rights` are those to check; `clock` counts seconds and never goes backwards.
    """

    def __init__(self, client: KubernetesClient, rights: Sequence[Permission], clock: Callable[[], float]) -> None:
        self._api = client
        self._rights = tuple(rights)
        self._clock = clock
        self._fields: tuple[str, ...] = ()
        self._log_once = LogOnce(clock)
        self._checked = float("-inf")

    async def check(self) -> None:
        """Check once, and log what is missing.

        Raises:
            OperatorError: The API server refuses to answer, or can't be reached.
        """
        self._fields = await missing_fields(self._api)
        rights = await missing_permissions(self._api, self._rights)
        self._checked, lines = self._clock(), self._lines(rights)
        level = self._log_once.level(logging.WARNING, "\n".join(lines))
        for line in lines:
            logger.log(level, "%s", line)

    async def run(self, sleep: Callable[[float], Awaitable[None]], refused: Callable[[], object]) -> None:
        """Check again until cancelled: when `refused` changes, while fields are missing, and now and then."""
        before = refused()
        while True:
            await sleep(CHECK_SECONDS)
            after = refused()
            if after == before and not self._fields and self._clock() - self._checked < REMIND_SECONDS:
                continue
            try:
                await self.check()
            except OperatorError as error:
                logger.debug("%s", error.message, extra={"reason": error.reason})
            else:
                before = after

    def trouble(self) -> str | None:
        """Return why no replica of this version can work: the served CRDs are older. None if they are not."""
        return self._older() if self._fields else None

    def _lines(self, rights: Sequence[Permission]) -> list[str]:
        lines = [
            f"a right is missing: {permission}; grant it, or narrow the scope by --namespace" for permission in rights
        ]
        return [*lines, self._older()] if self._fields else lines

    def _older(self) -> str:
        shown = ", ".join(self._fields[:_SHOWN]) + (" and others" if len(self._fields) > _SHOWN else "")
        return f"the CRDs are older than this version of the operator and lack {shown}: apply the CRDs of this version"
