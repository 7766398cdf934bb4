"""PodMonitor and PrometheusRule on an API server with the Prometheus operator's definitions."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.harness.controlplane import ControlPlane, KubectlError, gobuild, versions
from tests.harness.operator import apply
from tools.chart import CHART, Manifest, of_kind, render

MODULE: Final = "github.com/prometheus-operator/prometheus-operator"
KINDS: Final = {"PodMonitor": "podmonitors", "PrometheusRule": "prometheusrules"}
VALUES: Final[list[Any]] = [
    {"metrics": {"podMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}}},
    yaml.safe_load((CHART / "ci" / "everything-values.yaml").read_text()),
]


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    sources = gobuild.sources(versions.prometheus_operator(), MODULE) / "example" / "prometheus-operator-crd"
    paths = [sources / f"monitoring.coreos.com_{plural}.yaml" for plural in KINDS.values()]
    with ControlPlane.start() as started:
        apply(started, *(yaml.safe_load(path.read_text()) for path in paths))
        names = [f"crd/{plural}.monitoring.coreos.com" for plural in KINDS.values()]
        started.wait_until_established(*names)
        started.kubectl("create", "namespace", "netbird-system")
        yield started


def rendered(helm: Path, values: Any) -> list[Manifest]:
    return of_kind(render(helm, "netbird-system", values), *KINDS)


def try_to_apply(plane: ControlPlane, document: Manifest) -> str:
    text = yaml.safe_dump(document)
    return plane.kubectl("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-", input=text)


@pytest.mark.parametrize("values", VALUES, ids=["plain", "everything"])
@pytest.mark.parametrize("kind", KINDS)
def test_object_is_accepted_with_all_fields_known(plane: ControlPlane, kind: str, values: Any) -> None:
    (document,) = of_kind(rendered(plane.binaries.find("helm"), values), kind)
    assert "serverside-applied" in try_to_apply(plane, document)


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_field_is_found(plane: ControlPlane, kind: str) -> None:
    (document,) = of_kind(rendered(plane.binaries.find("helm"), VALUES[0]), kind)
    document["spec"]["misspelt"] = "x"
    with pytest.raises(KubectlError, match="misspelt"):
        try_to_apply(plane, document)
