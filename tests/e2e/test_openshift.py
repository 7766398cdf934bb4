"""The chart's values for OpenShift, with the ids that its security context constraint adds to each pod."""

from typing import Final

from tests.e2e.release import Site, installed
from tests.harness import manifests
from tools.chart import CHART

VALUES: Final = CHART / "ci" / "openshift-values.yaml"
UID: Final = 1000680000
"""An id of a namespace's range. The image has no user with it, and the constraint sets no group."""
IDS: Final = f"--set=podSecurityContext.runAsUser={UID},podSecurityContext.fsGroup={UID}"


def test_pod_with_an_unknown_user_id_creates_an_integration(site: Site) -> None:
    with installed(site, f"--values={VALUES}", IDS) as release:
        status = release.cluster.inside("cat", f"/proc/{release.process(release.leader())}/status")
        lines = dict(line.split(":", 1) for line in status.splitlines())
        assert lines["Uid"].split() == [str(UID)] * 4
        assert lines["Gid"].split() == ["0"] * 4
        assert lines["Groups"].split() == ["0", str(UID)]
        with release.cleared():
            release.apply(manifests.integration())
            release.ready("events")
