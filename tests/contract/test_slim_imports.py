"""The imports of the program's start, which determine most of its memory at rest."""

import platform
import subprocess
import sys
from typing import Final

import pytest

from netbird_streaming.cli.commands import COMMANDS

SYNCHRONOUS_CLIENT: Final = ("kubernetes.dynamic", "requests", "urllib3", "oauthlib", "websocket")


@pytest.fixture(scope="module")
def imported() -> frozenset[str]:
    """Return the modules of a process that is ready to start."""
    program = "import sys, netbird_streaming.__main__, netbird_streaming.cli.run; print(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return frozenset(answer.stdout.split())


@pytest.mark.parametrize("module", SYNCHRONOUS_CLIENT)
def test_synchronous_kubernetes_client_is_not_imported(imported: frozenset[str], module: str) -> None:
    assert module not in imported


def test_used_parts_are_imported(imported: frozenset[str]) -> None:
    assert {"kubernetes.aio.client.rest", "kubernetes.aio.config.kube_config", "kopf"} <= imported


HEAP: Final = """
import os
from netbird_streaming.telemetry import memory

def resident():
    with open("/proc/self/statm") as numbers:
        return int(numbers.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

memory.tune()
pieces = [bytes(10_000) for _ in range(2_000)]
last = bytes(10_000)
del pieces
before = resident()
memory.trim_heap()
print(before - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no such function")
def test_free_memory_is_returned_to_the_kernel() -> None:
    answer = subprocess.run([sys.executable, "-c", HEAP], capture_output=True, text=True, check=True)
    assert int(answer.stdout) > 15_000_000


def test_command_is_imported_only_when_it_is_called(imported: frozenset[str]) -> None:
    commands = {each for each in imported if each.startswith("netbird_streaming.cli.")}
    assert commands == {f"netbird_streaming.cli.{each}" for each in ("commands", "exit_codes", "run")}


@pytest.mark.parametrize("command", [each for each in COMMANDS if each != "run"])
def test_command_starts_no_operator(command: str) -> None:
    program = f"import sys, netbird_streaming.__main__, netbird_streaming.cli.{command}; print(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(answer.stdout.split())
    assert loaded & {"kopf", "prometheus_client", "netbird_streaming.app", *SYNCHRONOUS_CLIENT} == set()
