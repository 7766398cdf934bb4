"""Flux applies the example in the reversed order, and deletes all of it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.harness.end_to_end import eventually
from tests.harness.fake_rollout import rolling_out
from tests.harness.gitops.example import NAMES, RECOVERY_SECONDS, Example, example
from tests.harness.gitops.flux_controllers import NAMESPACE, Flux
from tests.harness.operator import NAMESPACE as OPERATOR_NAMESPACE

KUSTOMIZATION = "netbird"
OPERATOR = "netbird-streaming-operator"
NEW_COMMITS_AT_ONCE = "--feature-gates=CancelHealthCheckOnNewRevision=true"
"""By default, a commit is applied only when the health check of the one before it has ended."""
CONNECTION = "gitops/netbird/connection.yaml"


@pytest.mark.timeout(300)
def test_in_the_reversed_order_all_is_ready_at_last_and_a_deletion_leaves_nothing(tmp_path: Path) -> None:
    with example(tmp_path) as site, Flux(site.plane, NEW_COMMITS_AT_ONCE) as flux:
        connection = site.files[CONNECTION]
        site.commit(connection=None)
        folder = site.write_tool_files("flux")
        _before_the_definitions(site, flux, folder)
        with rolling_out(site.plane, OPERATOR_NAMESPACE):
            site.plane.kubectl("apply", f"--filename={folder / 'operator.yaml'}")
            flux.ready(OPERATOR)
        flux.request(KUSTOMIZATION)
        site.start_operator()
        eventually(lambda: site.reason("datadog") == "ConnectionNotFound", "the resource waits for the connection")
        site.commit(connection=connection)
        flux.reconcile_source("clusters")
        eventually(lambda: site.reason("datadog") == "SecretNotFound", "the resource waits for the Secrets")
        site.deliver_secrets()
        site.ready()
        flux.ready(KUSTOMIZATION, site.revision)
        assert len(site.held()) == len(NAMES)
        site.plane.kubectl("delete", "kustomization", KUSTOMIZATION, f"--namespace={NAMESPACE}", "--wait=false")
        eventually(lambda: site.held() == [], "NetBird holds nothing", RECOVERY_SECONDS)
        left = "--ignore-not-found", "--output=name"
        eventually(
            lambda: not site.plane.kubectl("get", "kustomization", KUSTOMIZATION, f"--namespace={NAMESPACE}", *left),
            "the Kustomization is gone",
            RECOVERY_SECONDS,
        )
        assert site.objects.ours("clusternetbirdconnections", "default") is None


def _before_the_definitions(site: Example, flux: Flux, folder: Path) -> None:
    """Apply the resources without the operator's Kustomization, and see that Flux reports a failure."""
    wanted: dict[str, Any] = yaml.safe_load((folder / "netbird.yaml").read_text())
    del wanted["spec"]["dependsOn"]
    (folder / "netbird.yaml").write_text(yaml.safe_dump(wanted))
    site.plane.kubectl("apply", f"--filename={folder / 'source.yaml'}", f"--filename={folder / 'netbird.yaml'}")
    eventually(
        lambda: flux.condition(KUSTOMIZATION).get("reason") == "ReconciliationFailed",
        "Flux reports that it can't apply the resources",
    )
