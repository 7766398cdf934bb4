"""The objects that `helm uninstall` leaves, completely, and their reuse."""

from tests.e2e.conftest import Figure
from tests.e2e.release import TEAM, Site
from tests.harness import manifests
from tests.harness.operator import LEASE, NAMESPACE

DEFINITIONS = ("clusternetbirdconnections", "eventstreamingintegrations", "netbirdconnections")
LEFT_BEHIND = {
    *(f"CustomResourceDefinition/<none>/{each}.integrations.netbird.io" for each in DEFINITIONS),
    "ClusterNetBirdConnection/<none>/default",
    f"Lease/{NAMESPACE}/{LEASE}",
    f"Secret/{NAMESPACE}/{LEASE}-fingerprint-key",
}
THEIRS = f"EventStreamingIntegration/{TEAM}/events"


def test_remaining_objects_are_known_and_reused_by_a_new_release(site: Site, figure: Figure) -> None:
    site.install()
    site.settled()
    site.apply(manifests.integration())
    site.ready("events")
    held = site.netbird.control.integrations(site.account)
    said = site.uninstall()
    assert "kept due to the resource policy" in said
    assert site.objects() - site.before == LEFT_BEHIND | {THEIRS}
    assert site.netbird.control.integrations(site.account) == held

    # No process cleans up in NetBird, so the resource waits for the next one.
    site.kubectl("delete", "esi", "events", "--wait=false", namespace=TEAM)
    since = site.netbird.control.figures().requests
    site.install()
    site.kubectl("wait", "--for=delete", "esi/events", "--timeout=60s", namespace=TEAM)
    writes = [each.method for each in site.netbird.control.journal(since) if each.method != "GET"]
    assert writes == ["DELETE"]
    assert site.netbird.control.integrations(site.account) == []
    site.uninstall()
    assert site.objects() - site.before == LEFT_BEHIND
    # Its holder had no right to release it, and other tests need not wait until it expires.
    site.kubectl("delete", "lease", LEASE)
    figure(f"left behind by helm uninstall: {', '.join(sorted(LEFT_BEHIND))}")
