"""Names whose servers never answer: they delay neither other names nor the end of the process."""

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from netbird_streaming.lookups import LookupThreads

HANGING = 100
"""More than asyncio's own executor has threads."""
OPERATOR = """
import socket, sys, time
from netbird_streaming.__main__ import main

def getaddrinfo(host, *rest, system=socket.getaddrinfo, **more):
    if not host.endswith(".example"):
        return system(host, *rest, **more)
    print("lookup", flush=True)
    time.sleep(3600)

socket.getaddrinfo = getaddrinfo
sys.exit(main())
"""
KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: only
contexts: [{name: only, context: {cluster: only, user: only}}]
clusters: [{name: only, cluster: {server: "https://kubernetes.example"}}]
users: [{name: only, user: {token: token}}]
"""


class Names:
    """A resolver. It holds each lookup of a host that begins with `hangs` until `answer` is set."""

    def __init__(self) -> None:
        self.answer = threading.Event()
        self.calls = 0

    def look_up(self, host: str) -> str:
        self.calls += 1
        if host.startswith("hangs"):
            self.answer.wait()
        if host.startswith("unknown"):
            raise OSError(host)
        return f"address of {host}"


@pytest.fixture
def names() -> Iterator[Names]:
    names = Names()
    yield names
    names.answer.set()


async def looked_up(names: Names, host: str) -> str:
    return await asyncio.get_running_loop().run_in_executor(None, names.look_up, host)


@pytest.fixture
async def lookups(names: Names) -> None:
    asyncio.get_running_loop().set_default_executor(LookupThreads(names.look_up))


@pytest.mark.usefixtures("lookups")
async def test_names_that_hang_do_not_delay_another_name(names: Names) -> None:
    hanging = [asyncio.create_task(looked_up(names, f"hangs-{n}")) for n in range(HANGING)]
    assert await looked_up(names, "answers") == "address of answers"
    names.answer.set()
    assert await asyncio.gather(*hanging) == [f"address of hangs-{n}" for n in range(HANGING)]


@pytest.mark.usefixtures("lookups")
async def test_name_is_looked_up_once_at_a_time(names: Names) -> None:
    waiting = [asyncio.create_task(looked_up(names, "hangs")) for _ in range(HANGING)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    names.answer.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert outcomes[1:] == ["address of hangs"] * (HANGING - 1)
    assert names.calls == 1
    await looked_up(names, "hangs")
    assert names.calls == 2


@pytest.mark.usefixtures("lookups")
async def test_failed_lookup_is_raised_to_each_caller(names: Names) -> None:
    outcomes = await asyncio.gather(*(looked_up(names, "unknown") for _ in range(3)), return_exceptions=True)
    assert [str(each) for each in outcomes] == ["unknown"] * 3


async def test_lookups_beyond_the_limit_wait_unless_they_are_cancelled(names: Names) -> None:
    asyncio.get_running_loop().set_default_executor(LookupThreads(names.look_up, limit=2))
    tasks = [asyncio.create_task(looked_up(names, f"hangs-{n}")) for n in range(5)]
    tasks.append(asyncio.create_task(looked_up(names, "answers")))
    await asyncio.sleep(0)
    tasks[3].cancel()
    await asyncio.sleep(0)
    assert not tasks[-1].done()
    names.answer.set()
    assert (await asyncio.gather(*tasks, return_exceptions=True))[-1] == "address of answers"
    assert names.calls == len(tasks) - 1


def test_operator_ends_while_a_lookup_hangs(tmp_path: Path) -> None:
    (config := tmp_path / "kubeconfig").write_text(KUBECONFIG)
    arguments = ["run", "--health-port=0", "--metrics=false"]
    environment = {"KUBECONFIG": str(config), "PATH": ""}
    with subprocess.Popen(
        [sys.executable, "-c", OPERATOR, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "lookup\n"
            process.send_signal(signal.SIGTERM)
            _, log = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (process.returncode, log.count("stopped")) == (0, 1), log
