"""Flux's own controllers apply the example repository and judge what they applied."""

from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.doubles.netbird.faults import Fault, Reply
from tests.harness.end_to_end import eventually
from tests.harness.fake_rollout import rolling_out
from tests.harness.gitops.example import NAMES, Example, example, webhook
from tests.harness.gitops.flux_controllers import Flux
from tests.harness.manifests import to_yaml
from tests.harness.operator import NAMESPACE as OPERATOR_NAMESPACE

KUSTOMIZATION: Final = "netbird"
DOWN: Final = Fault(Reply(503), times=None)


class Site:
    """The example, applied by Flux."""

    def __init__(self, site: Example, flux: Flux) -> None:
        self.example: Final = site
        self.flux: Final = flux

    def commit(self, **changes: str | None) -> str:
        """Commit, and let Flux fetch it; don't wait until it is applied."""
        revision = self.example.commit(**changes)
        self.flux.reconcile_source("clusters")
        return revision

    def condition(self) -> dict[str, Any]:
        """The Kustomization's Ready condition for the last commit."""
        return self.flux.condition_at(KUSTOMIZATION, self.example.revision)

    def restore(self, **changes: str | None) -> None:
        """Commit, and wait until everything is Ready."""
        self.flux.ready(KUSTOMIZATION, self.commit(**changes))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The example as it is: everything at once, the Secrets after it."""
    with example(tmp_path_factory.mktemp("repositories")) as site, Flux(site.plane) as flux:
        with rolling_out(site.plane, OPERATOR_NAMESPACE):
            site.plane.kubectl("apply", f"--kustomize={site.write_tool_files('flux')}")
            flux.ready("netbird-streaming-operator")
            site.start_operator()
            site.deliver_secrets()
            flux.ready(KUSTOMIZATION, site.revision)
        yield Site(site, flux)


def test_example_is_applied_and_every_resource_is_ready(site: Site) -> None:
    site.example.ready()
    assert sorted(each.platform for each in site.example.held()) == ["datadog", "firehose", "generic_http", "s3"]


def test_reconcile_without_a_commit_changes_nothing(site: Site) -> None:
    before, requests = site.example.versions(), site.example.requests()
    site.flux.reconcile(KUSTOMIZATION)
    assert site.example.versions() == before
    assert site.example.writes(requests) == []


def test_commit_is_applied_and_removed_resources_are_deleted_in_netbird(site: Site) -> None:
    site.restore(extra=to_yaml(webhook("extra")))
    assert len(site.example.held()) == len(NAMES) + 1
    site.restore(extra=None)
    eventually(lambda: site.example.find("extra") is None, "the resource is gone")
    assert len(site.example.held()) == len(NAMES)


def test_users_edit_is_reverted_in_netbird_too(site: Site) -> None:
    declared = site.example.config("datadog")
    site.example.kubectl(
        "patch", "esi", "datadog", "--type=merge", '--patch={"spec":{"datadog":{"site":"us5.datadoghq.com"}}}'
    )
    eventually(lambda: site.example.config("datadog") != declared, "the edit is in NetBird")
    site.flux.reconcile(KUSTOMIZATION)
    site.example.ready("datadog")
    assert site.example.config("datadog") == declared


def test_resource_that_needs_an_edit_fails_the_kustomization_at_once(site: Site) -> None:
    site.commit(
        copy=to_yaml(
            webhook("copy", genericHTTP={"url": "https://siem.example.com/copy"}),
            webhook("other", genericHTTP={"url": "https://siem.example.com/copy"}),
        )
    )
    eventually(lambda: site.condition().get("reason") == "HealthCheckFailed", "the Kustomization has failed")
    message = site.condition()["message"]
    assert "EventStreamingIntegration/team-a/" in message
    assert "status: 'Failed'" in message
    site.restore(copy=None)


def test_suspended_resource_without_an_integration_counts_as_reconciled(site: Site) -> None:
    site.restore(paused=to_yaml(webhook("paused", suspend=True)))
    assert site.example.reason("paused") == "Suspended"
    assert len(site.example.held()) == len(NAMES)
    site.restore(paused=None)


def test_sync_waits_and_succeeds_after_an_outage_of_netbird(site: Site) -> None:
    fault = site.example.netbird.add_fault(DOWN)
    revision = site.commit(late=to_yaml(webhook("late")))
    eventually(lambda: site.example.reason("late") == "Unavailable", "the resource says why it waits")
    assert site.flux.condition(KUSTOMIZATION, type_="Reconciling")["status"] == "True"
    site.example.netbird.remove_fault(fault)
    site.example.ready("late")
    site.flux.ready(KUSTOMIZATION, revision)
    site.restore(late=None)


def test_sync_waits_and_succeeds_after_an_outage_of_the_operator(site: Site) -> None:
    site.example.stop_operator()
    revision = site.commit(late=to_yaml(webhook("late")))
    eventually(lambda: site.example.find("late"), "the resource is applied")
    assert site.flux.condition(KUSTOMIZATION, type_="Reconciling")["status"] == "True"
    site.example.start_operator()
    site.flux.ready(KUSTOMIZATION, revision)
    site.example.stop_operator()
    site.commit(late=None)
    eventually(lambda: (site.example.find("late") or {}).get("metadata", {}).get("deletionTimestamp"), "it is deleted")
    assert len(site.example.held()) == len(NAMES) + 1
    site.example.start_operator()
    eventually(lambda: len(site.example.held()) == len(NAMES), "the integration is deleted")
    site.flux.ready(KUSTOMIZATION, site.example.revision)


def test_sync_succeeds_after_an_outage_of_the_api_server(site: Site) -> None:
    site.example.commit(late=to_yaml(webhook("late")))
    site.flux.request("clusters", "gitrepository")
    site.example.plane.restart_apiserver(down_seconds=3.0)
    site.flux.reconcile_source("clusters")
    site.flux.ready(KUSTOMIZATION, site.example.revision)
    assert len(site.example.held()) == len(NAMES) + 1
    site.restore(late=None)
    site.example.ready()
