"""All cells at once with one operator, because they mostly wait."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from tests.doubles.netbird.server import SimulatedNetBird
from tests.harness.controlplane import ControlPlane
from tests.harness.end_to_end import USER
from tests.harness.kubernetes_client import connect
from tests.harness.operator import Installation, Operator, install, peak_memory
from tests.harness.secret_sinks import audit_sink, process_sinks
from tests.proof.answers.answers import DEADLINE, WINDOW
from tests.proof.answers.cell_run import CellRun, Stage, live
from tests.proof.answers.cells import Cell
from tests.proof.answers.faulty_user import Barrier
from tests.proof.answers.flows import RESTART

WIDTH: Final = 100
"""The number of concurrent cells."""
TLS: Final = Path(__file__).parents[2] / "contract" / "netbird_tls"
_FLAGS: Final = (
    "--cluster-connections=false",
    "--lease=false",
    "--log-level=debug",
    "--metrics=false",
    f"--request-timeout={DEADLINE}s",
    f"--late-commit-window={WINDOW}s",
    f"--absence-window={WINDOW}s",
)


class Service:
    """The operator, which can be restarted."""

    def __init__(self, installation: Installation) -> None:
        """Store the settings. All processes write into one log."""
        self._installation = installation
        self.log: Final = installation.plane.folder / "answers.log"
        self._operator: Operator | None = None

    async def start(self) -> None:
        """Start it, and wait until it serves."""
        self._operator = await asyncio.to_thread(Operator, self._installation, *_FLAGS, log=self.log)
        await asyncio.to_thread(self._operator.ready)

    async def stop(self) -> None:
        """Stop it gracefully."""
        if self._operator is not None:
            await asyncio.to_thread(self._operator.stop)
            self._operator.kill()  # its open connections are closed
            self._operator = None

    async def restart(self) -> None:
        """Stop it, and start it again."""
        await self.stop()
        await self.start()

    def logged(self) -> str:
        """The log of all processes."""
        return self.log.read_text(errors="replace")

    def peak_memory(self) -> int:
        """Return the maximum memory since the last start."""
        return 0 if self._operator is None else peak_memory(self._operator.pid)

    def survey(self) -> dict[str, str | bytes]:
        """Return everything that is visible of the running operator, by place. None of it may contain a secret."""
        assert self._operator is not None
        asked = audit_sink(self._installation.plane.audit_log, USER)
        return {"requests": asked, **process_sinks(self._operator.pid, self._operator.temporary)}


class Matrix:
    """The selected cells, and a future with the result of each. Made by `living`."""

    def __init__(self, cells: Sequence[Cell], service: Service) -> None:
        self.service: Final = service
        self.lives: Final[Mapping[str, asyncio.Future[CellRun]]] = {str(cell): asyncio.Future() for cell in cells}
        self._cells = {f"cell-{number}": cell for number, cell in enumerate(cells)}
        self._free = asyncio.Semaphore(WIDTH)

    @property
    def restarting(self) -> set[str]:
        """The namespaces of the cells that wait for a restart."""
        return {namespace for namespace, cell in self._cells.items() if cell.flow is RESTART}

    async def run(self, stage: Stage) -> None:
        """Run all cells. Those that restart the operator run last, and all at once."""
        restarting = self.restarting
        await asyncio.gather(*(self._live(each, stage) for each in self._cells if each not in restarting))
        await asyncio.gather(*(self._live(each, stage) for each in restarting))

    async def _live(self, namespace: str, stage: Stage) -> None:
        cell = self._cells[namespace]
        future = self.lives[str(cell)]
        try:
            async with self._free:
                future.set_result(await live(cell, namespace, stage))
        except Exception as error:  # noqa: BLE001 # it is that cell's, and raised where the cell is looked at
            future.set_exception(error)


@asynccontextmanager
async def living(plane: ControlPlane, cells: Sequence[Cell]) -> AsyncIterator[Matrix]:
    """Start these cells. All end with the block."""
    installation = await asyncio.to_thread(install, plane)
    service = Service(installation)
    matrix = Matrix(cells, service)
    async with AsyncExitStack() as stack:
        kubernetes = await stack.enter_async_context(connect(plane.kubeconfig))
        places = await _places(stack)
        stack.push_async_callback(service.stop)
        await service.start()
        stage = Stage(kubernetes, places, Barrier(matrix.restarting, service.restart), service.log)
        task = asyncio.create_task(matrix.run(stage))
        try:
            yield matrix
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _places(stack: AsyncExitStack) -> dict[str, str]:
    """URLs without a reachable NetBird, by the problem."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(TLS / "certificate.pem", TLS / "key.pem")
    server = SimulatedNetBird()
    untrusted = await server.start(tls=tls)
    stack.push_async_callback(server.stop)
    taken = stack.enter_context(socket.socket())
    taken.bind(("127.0.0.1", 0))  # in use, without a listener
    return {
        "unresolved": "https://netbird.invalid",
        "untrusted": untrusted,
        "refused": f"http://127.0.0.1:{taken.getsockname()[1]}",
    }
