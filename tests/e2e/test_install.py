"""The first day of a platform team."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.conftest import Figure
from tests.e2e.release import Site, installed
from tests.harness import manifests
from tests.harness.controlplane import KubectlError
from tests.harness.kubectl_team import secret

ROTATION_SECONDS = 20.0


@pytest.fixture(scope="module")
def release(site: Site) -> Iterator[Site]:
    with installed(site) as release:
        yield release


def test_two_pods_are_ready_under_the_restricted_standard(release: Site, figure: Figure) -> None:
    assert len(release.pods()) == 2
    figure(f"a container answers its probes {_startup_seconds(release, release.leader()):.1f} s after its start")
    with pytest.raises(KubectlError, match=r'violates PodSecurity "restricted'):
        release.kubectl("run", "loose", "--image=any", "--restart=Never")


def test_process_has_no_capabilities_and_its_image_no_shell(release: Site) -> None:
    pod = release.leader()
    status = release.cluster.inside("cat", f"/proc/{release.process(pod)}/status")
    lines = dict(line.split(":", 1) for line in status.splitlines())
    assert lines["Uid"].split() == ["65532"] * 4
    assert int(lines["CapEff"], 16) == 0
    assert (lines["NoNewPrivs"].strip(), lines["Seccomp"].strip()) == ("1", "2")
    for program in ("sh", "bash", "pip", "apt-get"):
        with pytest.raises(KubectlError, match="executable file not found"):
            release.kubectl("exec", pod, "--", program)


def test_commands_run_in_the_pod_as_the_operator(release: Site) -> None:
    release.kubectl("wait", "--for=condition=Ready", "clusternetbirdconnection/default", "--timeout=60s")
    text = release.kubectl("exec", release.leader(), "--", "netbird-streaming-operator", "check")
    for line in ("✔ Permissions: ", "✔ Lease ", "✔ ClusterNetBirdConnection default: "):
        assert f"\n{line}" in text
    assert "✘" not in text
    assert release.kubectl("exec", release.leader(), "--", "netbird-streaming-operator", "plan").endswith(".\n")


def test_connection_and_each_platform_become_ready_and_a_rotation_acts(release: Site, figure: Figure) -> None:
    names = [platform.replace("_", "-") for platform in manifests.BLOCKS]
    with release.cleared():
        release.kubectl("wait", "--for=condition=Ready", "clusternetbirdconnection/default", "--timeout=60s")
        release.apply(*(manifests.integration(each, each.replace("_", "-")) for each in manifests.BLOCKS))
        release.ready(*names)
        held = release.netbird.control.integrations(release.account)
        assert sorted(each.platform for each in held) == sorted(manifests.BLOCKS)
        before = release.netbird.control.figures().requests
        release.apply(secret("datadog", api_key="second-api-key"))

        def rotated() -> bool:
            now = release.netbird.control.integrations(release.account)
            return "second-api-key" in {each.config.get("api_key") for each in now}

        release.until(rotated, "the new key is in NetBird", ROTATION_SECONDS)
        release.ready(*names)
        writes = [each.method for each in release.netbird.control.journal(before) if each.method != "GET"]
        assert writes == ["PUT"]
    release.apply(secret("datadog", api_key="first-api-key"))


def _startup_seconds(release: Site, pod: str) -> float:
    """Return the seconds from the start of the process to the log line about its health endpoint."""
    place = f"/proc/{release.process(pod)}/stat"
    stat, uptime = release.cluster.inside("cat", place, "/proc/uptime").rpartition(")")[2].splitlines()
    age = float(uptime.split()[0]) - int(stat.split()[19]) / os.sysconf("SC_CLK_TCK")
    began = datetime.now(UTC) - timedelta(seconds=age)
    lines = [json.loads(line) for line in release.kubectl("logs", pod).splitlines()]
    (listening,) = (line["time"] for line in lines if line["message"] == "health endpoint")
    return (datetime.fromisoformat(listening) - began).total_seconds()
