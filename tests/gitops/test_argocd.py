"""Argo CD's own controllers apply the example repository and the operator's chart, and judge what they applied."""

from collections.abc import Iterator
from typing import Final

import pytest

from netbird_streaming.api.types import RECONCILE_ANNOTATION
from tests.doubles.netbird.faults import Fault, Reply
from tests.harness.end_to_end import Json, eventually
from tests.harness.fake_rollout import rolling_out
from tests.harness.gitops import argocd
from tests.harness.gitops.argocd_controllers import ArgoCD
from tests.harness.gitops.example import NAMES, Example, example, webhook
from tests.harness.manifests import to_yaml
from tests.harness.operator import NAMESPACE as OPERATOR_NAMESPACE

APPLICATION: Final = "netbird"
OPERATOR: Final = "netbird-streaming-operator"
INTEGRATION: Final = "EventStreamingIntegration"
DOWN: Final = Fault(Reply(503), times=None)


class Site:
    """The example, applied by Argo CD."""

    def __init__(self, site: Example, tool: ArgoCD) -> None:
        self.example: Final = site
        self.argocd: Final = tool

    def commit(self, **changes: str | None) -> str:
        """Commit, and let Argo CD compare; don't wait until it is applied."""
        revision = self.example.commit(**changes)
        self.argocd.refresh(APPLICATION)
        return revision

    def restore(self, **changes: str | None) -> None:
        """Commit, and wait until everything is Synced and Healthy."""
        self.argocd.synced(APPLICATION, revision=self.commit(**changes))

    def health(self, name: str) -> Json:
        """Return the health that Argo CD shows for an integration; empty while it shows none."""
        found: Json = self.argocd.resources(APPLICATION).get((INTEGRATION, name), {}).get("health", {})
        return found

    def integration(self, name: str) -> Json:
        found = self.example.find(name)
        assert found is not None
        return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The example as it is: both Applications at once, the Secrets after them."""
    with example(tmp_path_factory.mktemp("repositories")) as site, ArgoCD(site.plane, argocd.scripts()) as tool:
        with rolling_out(site.plane, OPERATOR_NAMESPACE):
            site.plane.kubectl("apply", f"--filename={site.write_tool_files('argocd')}")
            tool.synced(OPERATOR)
            site.start_operator()
            site.deliver_secrets()
            tool.synced(APPLICATION, revision=site.revision)
        yield Site(site, tool)


def test_the_example_is_applied_and_everything_is_healthy(site: Site) -> None:
    site.example.ready()
    assert sorted(each.platform for each in site.example.held()) == ["datadog", "firehose", "generic_http", "s3"]
    assert {name: site.health(name)["status"] for name in NAMES} == dict.fromkeys(NAMES, "Healthy")


def test_what_the_operator_writes_is_no_difference(site: Site) -> None:
    before, requests = site.example.versions(), site.example.requests()
    finished = site.argocd.status(APPLICATION)["operationState"]["finishedAt"]
    for application in (OPERATOR, APPLICATION):
        site.argocd.refresh(application)
        assert site.argocd.is_synced(application)
    assert site.argocd.status(APPLICATION)["operationState"]["finishedAt"] == finished
    assert site.example.versions() == before
    assert site.example.writes(requests) == []


def test_a_commit_is_applied_and_what_it_removes_goes_in_netbird_too(site: Site) -> None:
    site.restore(extra=to_yaml(webhook("extra")))
    assert len(site.example.held()) == len(NAMES) + 1
    site.restore(extra=None)
    assert site.example.find("extra") is None
    assert len(site.example.held()) == len(NAMES)


def test_a_users_edit_is_reverted_in_netbird_too(site: Site) -> None:
    declared, requests = site.example.config("datadog"), site.example.requests()
    site.example.kubectl(
        "patch", "esi", "datadog", "--type=merge", '--patch={"spec":{"datadog":{"site":"us5.datadoghq.com"}}}'
    )
    eventually(lambda: site.integration("datadog")["spec"]["datadog"]["site"] == "datadoghq.eu", "the edit is reverted")
    site.example.ready("datadog")
    site.argocd.synced(APPLICATION)
    assert site.example.config("datadog") == declared
    assert len(site.example.writes(requests)) in {0, 2}


def test_a_resource_that_needs_an_edit_is_degraded_and_so_is_the_application(site: Site) -> None:
    destination = {"genericHTTP": {"url": "https://siem.example.com/equal"}}
    site.restore(first=to_yaml(webhook("first", **destination)))
    site.argocd.synced(APPLICATION, "Degraded", site.commit(second=to_yaml(webhook("second", **destination))))
    health = site.health("second")
    assert health["status"] == "Degraded"
    assert health["message"].startswith("OwnershipConflict: ")
    site.restore(first=None, second=None)


def test_a_suspended_resource_is_suspended_and_so_is_the_application(site: Site) -> None:
    site.argocd.synced(APPLICATION, "Suspended", site.commit(paused=to_yaml(webhook("paused", suspend=True))))
    assert site.health("paused")["status"] == "Suspended"
    site.restore(paused=None)


def test_a_sync_while_netbird_is_down_waits_and_ends_by_itself(site: Site) -> None:
    fault = site.example.netbird.add_fault(DOWN)
    revision = site.commit(late=to_yaml(webhook("late")))
    eventually(lambda: site.health("late").get("message", "").startswith("Unavailable: "), "it says why it waits")
    assert site.health("late")["status"] == "Progressing"
    site.example.netbird.remove_fault(fault)
    site.argocd.synced(APPLICATION, revision=revision)
    site.restore(late=None)


def test_a_sync_while_the_operator_is_down_waits_and_ends_by_itself(site: Site) -> None:
    site.example.stop_operator()
    revision = site.commit(late=to_yaml(webhook("late")))
    eventually(lambda: site.health("late").get("status") == "Progressing", "the resource is applied and waits")
    site.example.start_operator()
    site.argocd.synced(APPLICATION, revision=revision)
    site.example.stop_operator()
    site.commit(late=None)
    eventually(lambda: site.integration("late")["metadata"].get("deletionTimestamp"), "the resource is pruned")
    assert len(site.example.held()) == len(NAMES) + 1
    site.example.start_operator()
    eventually(lambda: len(site.example.held()) == len(NAMES), "the integration is deleted")
    site.argocd.synced(APPLICATION, revision=site.example.revision)


def test_a_sync_while_the_api_server_is_down_ends_by_itself(site: Site) -> None:
    site.example.commit(late=to_yaml(webhook("late")))
    site.argocd.request_refresh(APPLICATION)
    site.example.plane.restart_apiserver(down_seconds=3.0)
    site.argocd.refresh(APPLICATION)
    site.argocd.synced(APPLICATION, revision=site.example.revision)
    assert len(site.example.held()) == len(NAMES) + 1
    site.restore(late=None)


def test_the_actions_do_what_they_are_called(site: Site) -> None:
    site.restore(acted=to_yaml(webhook("acted")))
    tool, found = site.argocd, site.integration("acted")
    # Argo CD would undo what the actions change.
    automated = tool.automate(APPLICATION, None)
    assert tool.actions(APPLICATION, found) == {"reconcile": True, "suspend": True, "resume": False}
    tool.act(APPLICATION, found, "reconcile")
    asked = site.integration("acted")["metadata"]["annotations"][RECONCILE_ANNOTATION]
    eventually(lambda: site.integration("acted")["status"].get("lastHandledReconcileAt") == asked, "it is reconciled")
    tool.act(APPLICATION, found, "suspend")
    eventually(lambda: site.health("acted").get("status") == "Suspended", "it is suspended")
    assert tool.actions(APPLICATION, site.integration("acted")) == {"reconcile": True, "suspend": False, "resume": True}
    tool.act(APPLICATION, found, "resume")
    eventually(lambda: site.health("acted").get("status") == "Healthy", "it is resumed")
    tool.automate(APPLICATION, automated)
    site.restore(acted=None)
