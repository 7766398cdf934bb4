"""The chart's resource requests are what a pod uses."""

import json
import os
import time
from collections.abc import Iterator
from typing import Final

import pytest

from tests.e2e.conftest import Figure
from tests.e2e.release import Site, installed
from tests.harness import manifests

REST_SECONDS: Final = 20.0
# With their deletion they fit into a new leader's estimate of the token's remaining budget.
RESOURCES: Final = 50
MIB: Final = 2**20
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@pytest.fixture(scope="module")
def release(site: Site) -> Iterator[Site]:
    with installed(site) as release:
        yield release


def test_leader_stays_within_the_charts_requests(release: Site, figure: Figure) -> None:
    leader = release.leader()
    cpu, memory = _requests(release, leader)
    names = [f"hook-{number}" for number in range(RESOURCES)]
    hooks = [manifests.integration("generic_http", each, genericHTTP={"url": _url(each)}) for each in names]
    process = release.process(leader)
    with release.cleared():
        began, before = time.monotonic(), _cpu_seconds(release, process)
        release.apply(*hooks)
        release.ready(*names)
        took, burst = time.monotonic() - began, _cpu_seconds(release, process) - before
        time.sleep(REST_SECONDS)
        rest = _cpu_seconds(release, process) - before - burst
        group = _working_set(release, leader)
        peak = _peak(release, process)
    assert max(group, peak) <= memory
    assert 1000 * burst / took <= cpu
    assert 1000 * rest / REST_SECONDS <= cpu
    figure(
        f"{RESOURCES} resources created in {took:.1f} s with {burst:.2f} s of CPU; at rest "
        f"{1000 * rest / REST_SECONDS:.1f} m; memory {group / MIB:.0f} MiB, peak of the process {peak / MIB:.0f} MiB "
        f"(requested: {cpu} m, {memory / MIB:.0f} MiB)"
    )


def _url(name: str) -> str:
    return f"https://siem.example.com/{name}"


def _cpu_seconds(release: Site, process: int) -> float:
    """Return the CPU of the container's only process since its start."""
    fields = release.cluster.inside("cat", f"/proc/{process}/stat").rpartition(")")[2].split()
    user, system = int(fields[11]), int(fields[12])
    return (user + system) / _TICKS


def _peak(release: Site, process: int) -> int:
    """Return the maximum memory of the process, in bytes."""
    status = release.cluster.inside("cat", f"/proc/{process}/status")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def _working_set(release: Site, pod: str) -> int:
    """Return the memory that counts against the container's limit, in bytes, from the kubelet."""
    node = release.read("pod", pod)["spec"]["nodeName"]
    answer = release.cluster.kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/stats/summary")
    (found,) = (each for each in json.loads(answer)["pods"] if each["podRef"]["name"] == pod)
    used: int = found["containers"][0]["memory"]["workingSetBytes"]
    return used


def _requests(release: Site, pod: str) -> tuple[int, int]:
    """Return millicores and bytes."""
    requests = release.read("pod", pod)["spec"]["containers"][0]["resources"]["requests"]
    assert requests["cpu"].endswith("m")
    assert requests["memory"].endswith("Mi")
    return int(requests["cpu"][:-1]), int(requests["memory"][:-2]) * MIB
