"""Failures of pods: deleted, killed, frozen; and the requests to NetBird meanwhile."""

import time
from collections.abc import Iterator

import pytest

from tests.doubles.netbird.faults import Fault, Moment, Slow
from tests.doubles.netbird.wire import Operation
from tests.e2e.conftest import Figure
from tests.e2e.release import Site, installed
from tests.harness import manifests
from tests.harness.end_to_end import Json

GRACE_SECONDS = 8
LATE_COMMIT_SECONDS = 4
POST_SECONDS = 3.0
FINALIZER = "example.com/look"
VALUES: Json = {
    "livenessProbe": {"periodSeconds": 1, "timeoutSeconds": 1, "failureThreshold": 3},
    "terminationGracePeriodSeconds": GRACE_SECONDS,
    "extraArgs": [f"--shutdown-grace={GRACE_SECONDS - 2}s", f"--late-commit-window={LATE_COMMIT_SECONDS}s"],
}


@pytest.fixture(scope="module")
def release(site: Site) -> Iterator[Site]:
    with installed(site, **VALUES) as release:
        yield release


@pytest.fixture
def under_way(release: Site) -> Iterator[int]:
    """Delay the response of an applied POST; yield the number of the first request that counts."""
    release.settled()
    with release.cleared():
        control = release.netbird.control
        since = control.figures().requests
        control.add_fault(Fault(Slow(header=POST_SECONDS), Moment.AFTER, Operation.CREATE))
        release.apply(manifests.integration())
        release.until(lambda: release.posts(since), "a POST is under way")
        yield since
        control.clear_faults()


def _replaced(release: Site, former: str) -> float:
    """Wait until another process leads, and return the seconds from now."""
    began = time.monotonic()
    release.until(lambda: release.holder() not in {"", former}, "another process leads")
    return time.monotonic() - began


def _one(release: Site, since: int) -> None:
    """Check that the integration was created once, and its resource has the id."""
    release.ready("events")
    (held,) = release.netbird.control.integrations(release.account)
    assert release.integration("events")["status"]["id"] == held.id
    assert release.posts(since) == 1


def test_deleted_leader_finishes_its_post_and_the_other_takes_over(
    release: Site, under_way: int, figure: Figure
) -> None:
    leader, holder = release.leader(), release.holder()
    # Keeps the pod readable after its end.
    release.kubectl("patch", "pod", leader, "--type=merge", f'--patch={{"metadata":{{"finalizers":["{FINALIZER}"]}}}}')
    began = time.monotonic()
    release.kubectl("delete", "pod", leader, "--wait=false")
    without = _replaced(release, holder)

    def ended() -> Json | None:
        state: Json = release.read("pod", leader)["status"]["containerStatuses"][0]["state"]
        return state.get("terminated")

    end = release.until(ended, "the container has ended")
    took = time.monotonic() - began
    release.kubectl("patch", "pod", leader, "--type=merge", '--patch={"metadata":{"finalizers":null}}')
    assert (end["exitCode"], end["reason"]) == (0, "Completed")
    assert took < GRACE_SECONDS
    _one(release, under_way)
    figure(
        f"leader's pod deleted in the middle of a POST of {POST_SECONDS:g} s: ended in {took:.1f} s, "
        f"the other led after {without:.1f} s"
    )


def test_killed_process_is_replaced_and_its_post_is_found(release: Site, under_way: int, figure: Figure) -> None:
    leader, holder = release.leader(), release.holder()
    restarts = _restarts(release, leader)
    release.signal(leader, "KILL")
    without = _replaced(release, holder)
    _one(release, under_way)
    release.until(lambda: _restarts(release, leader) == restarts + 1, "the container was started again")
    release.settled()
    figure(f"process killed in the middle of a POST: another led after {without:.1f} s")


def test_frozen_process_fails_its_liveness_probe_and_is_restarted(release: Site, figure: Figure) -> None:
    release.settled()
    leader, holder = release.leader(), release.holder()
    restarts = _restarts(release, leader)
    began = time.monotonic()
    release.signal(leader, "STOP")
    without = _replaced(release, holder)
    release.until(lambda: _restarts(release, leader) == restarts + 1, "the kubelet restarted the container")
    took = time.monotonic() - began
    said = release.kubectl("get", "events", f"--field-selector=involvedObject.name={leader}", "--output=wide")
    assert "Liveness probe failed" in said
    with release.cleared():
        release.apply(manifests.integration())
        release.ready("events")
    release.settled()
    figure(f"process frozen: another led after {without:.1f} s, the kubelet had restarted it after {took:.1f} s")


def _restarts(release: Site, pod: str) -> int:
    """Return how often a pod's container was restarted, once it runs."""
    (status,) = release.read("pod", pod)["status"]["containerStatuses"]
    count: int = status["restartCount"]
    return count
