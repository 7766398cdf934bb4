"""The judgement of Argo CD, Flux and kstatus about recorded resources with every reason."""

import re
from typing import Final

import pytest
import yaml
from lupa import lua51

from netbird_streaming.reasons import Reason
from tests.harness.gitops import argocd, customizations, flux, kstatus
from tests.harness.gitops.argocd import Health
from tests.harness.gitops.judgements import JUDGED, WAITS, Seen, documented, ready
from tests.harness.gitops.kstatus import Result
from tests.harness.gitops.recordings import UNSEEN, expected, read, situations
from tools.chart import ROOT
from tools.crds.definitions import DEFINITIONS

INTEGRATION: Final = "EventStreamingIntegration"
KINDS: Final = tuple(each.model.__name__ for each in DEFINITIONS)
RECORDED: Final = {kind: read(kind) for kind in KINDS}
EVERY: Final = [(kind, name) for kind, found in RECORDED.items() for name in found]
CHECKS: Final = flux.expressions()
SCRIPTS: Final = argocd.scripts()


OF_A_CONNECTION: Final = {
    Reason.PENDING,
    Reason.SYNCED,
    Reason.PROGRESSING,
    Reason.DELETING,
    Reason.CONNECTION_INVALID,
    Reason.SECRET_NOT_FOUND,
    Reason.SECRET_KEY_NOT_FOUND,
    Reason.SECRET_VALUE_INVALID,
    Reason.CA_BUNDLE_INVALID,
    Reason.TOO_MANY_CONNECTIONS,
    Reason.ACCOUNT_MISMATCH,
    Reason.INTEGRATIONS_VANISHED,
    Reason.TOKEN_REJECTED,
    Reason.PERMISSION_DENIED,
    Reason.NOT_LICENSED,
    Reason.RATE_LIMITED,
    Reason.UNAVAILABLE,
    Reason.UNEXPECTED_ANSWER,
    Reason.KUBERNETES_REFUSED,
}
SHOWN: Final = {
    # A deletion shows its obstacle; an Event reports its progress. The status of a resource that another installation
    # manages is that installation's.
    INTEGRATION: set(Reason) - {Reason.DELETING, Reason.OTHER_INSTALLATION},
    "NetBirdConnection": OF_A_CONNECTION,
    "ClusterNetBirdConnection": OF_A_CONNECTION,
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_reason_of_the_kind_is_recorded(kind: str) -> None:
    shown = {ready(each)["reason"] for each in RECORDED[kind].values()}
    assert shown == SHOWN[kind], "add a situation, then run `make recordings`"


@pytest.mark.parametrize("kind", KINDS)
def test_each_recording_matches_the_shipped_code(kind: str) -> None:
    assert RECORDED[kind].keys() == {UNSEEN, *situations(kind)}, "run `make recordings`"
    for name, situation in situations(kind).items():
        raw = RECORDED[kind][name]
        assert raw["status"] == expected(situation, raw), f"{name}: run `make recordings`"


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_argo_cd_flux_and_kstatus_agree(kind: str, name: str) -> None:
    resource = RECORDED[kind][name]
    judgement = argocd.compute(resource, SCRIPTS[argocd.key(kind)])
    seen = Seen(judgement.health, kstatus.compute(resource), flux.compute(resource, CHECKS))
    assert seen == documented(name, resource)


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_argo_cd_shows_the_reason_and_the_remedy(kind: str, name: str) -> None:
    resource, condition = RECORDED[kind][name], ready(RECORDED[kind][name])
    said = argocd.compute(resource, SCRIPTS[argocd.key(kind)]).message
    whole = f"{condition['reason']}: {condition['message']}"
    assert said == (whole if kstatus.is_observed(resource) else "Waiting for the operator to see the last change")


@pytest.mark.parametrize("kind", KINDS)
def test_resource_without_a_status_waits(kind: str) -> None:
    unseen = RECORDED[kind][UNSEEN]
    script = SCRIPTS[argocd.key(kind)]
    assert argocd.compute({**unseen, "status": {"conditions": []}}, script).health is Health.PROGRESSING
    without = {name: value for name, value in unseen.items() if name != "status"}
    assert argocd.compute(without, script).health is Health.PROGRESSING
    # This is why the API server sets a default condition.
    assert kstatus.compute(without) is Result.CURRENT


def test_page_has_the_health_of_every_reason_of_an_integration() -> None:
    page = (ROOT / "docs" / "gitops.md").read_text()
    rows = re.findall(r"^\| (\w+) \| (\w+) \| (\w+) \|$", page, re.MULTILINE)
    reasons = dict(re.findall(r"^- \*\*(\w+)\*\*: ((?:`\w+`[,.]\s+)+)", page, re.MULTILINE))
    assert set(reasons) == {argo_cd for argo_cd, _, _ in rows}
    said = {
        reason: Seen(Health(argo_cd), Result(plain), Result(checked))
        for argo_cd, checked, plain in rows
        for reason in re.findall(r"`(\w+)`", reasons[argo_cd])
    }
    assert said == {reason.value: JUDGED.get(reason, WAITS) for reason in SHOWN[INTEGRATION]}


def test_argo_cd_has_the_scripts_for_each_kind_and_nothing_else() -> None:
    assert argocd.CONFIG_MAP.read_text() == argocd.config_map(), "run `make manifests`"
    scripts = {argocd.key(kind): argocd.SCRIPT.read_text() for kind in KINDS}
    assert {name: SCRIPTS[name] for name in scripts} == scripts
    assert SCRIPTS.keys() == {*scripts, *(argocd.actions_key(kind) for kind in KINDS)}
    component = yaml.safe_load((argocd.FOLDER / "kustomization.yaml").read_text())
    assert [each["path"] for each in component["patches"]] == [argocd.CONFIG_MAP.name]


def test_folders_for_argo_cds_repository_match_the_scripts() -> None:
    assert customizations.written() == customizations.files(), "run `make manifests`"


def test_script_uses_only_argo_cds_lua() -> None:
    resource = RECORDED[INTEGRATION]["synced"]
    with pytest.raises(lua51.LuaError, match="nil value"):
        argocd.compute(resource, "return {status = string.upper('x')}")


def test_flux_has_expressions_for_each_kind() -> None:
    assert [each["kind"] for each in CHECKS] == sorted(KINDS, key=KINDS.index)
    assert {each["apiVersion"] for each in CHECKS} == {"integrations.netbird.io/v1alpha1"}
