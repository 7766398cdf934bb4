"""A fork server for operators: a process with the loaded code forks one on request, which saves the imports.

`python -m tests.proof.crashes.fork_server` reads one order a line, as JSON, and answers with the process id of the
fork. All of them are killed when its standard input ends.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, NoReturn

_ROOT: Final = Path(__file__).parents[3]


class ForkServer:
    """The client of that process. Made by `running_fork_server`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Store the running process."""
        self._process = process
        self._turn = asyncio.Lock()

    async def start(self, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> int:
        """Start an operator with these arguments and variables, which appends to the log; return its process id."""
        order = {"arguments": list(arguments), "environment": dict(environment), "log": str(log)}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        async with self._turn:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            return int(await self._process.stdout.readline())


@asynccontextmanager
async def running_fork_server() -> AsyncIterator[ForkServer]:
    """Run the process until the block ends."""
    command = (sys.executable, "-m", "tests.proof.crashes.fork_server")
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=_ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield ForkServer(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


def is_alive(pid: int) -> bool:
    """Return whether that operator runs. The fork server reaps its children at once."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def kill(pid: int) -> None:
    """Kill it at once, as a lost node does."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _become(order: Mapping[str, object]) -> NoReturn:
    """Run an operator, in a forked process."""
    from tests.harness.verbose_operator import main  # noqa: PLC0415 # loaded before the fork

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(str(order["log"]), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(log, stream.fileno())
    os.dup2(os.open(os.devnull, os.O_RDONLY), sys.stdin.fileno())
    environment, arguments = order["environment"], order["arguments"]
    assert isinstance(environment, dict)
    assert isinstance(arguments, list)
    os.environ.clear()
    os.environ.update(environment)
    code = 1
    try:
        code = main(arguments)
    finally:
        sys.stderr.flush()
        os._exit(code)


def _serve() -> None:
    import tests.harness.verbose_operator  # noqa: F401, PLC0415 # what all of them share

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _become(json.loads(line))
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    _serve()
