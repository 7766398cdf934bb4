"""Checks that each name of the pages exists: metrics, flags, reasons, fields, chart values, files and code.

A name is what a page writes as code. The pages' commands are run, so they need no check here.
"""

import argparse
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from netbird_streaming.config.settings import add_flags
from netbird_streaming.reasons import Reason
from netbird_streaming.telemetry.metrics.definitions import ALL
from tests.harness import pages
from tests.harness.pages import ROOT

PACKAGE: Final = ROOT / "operator" / "netbird_streaming"
VALUES: Final = ROOT / "deploy/chart/netbird-streaming-operator/values.yaml"
HISTORY: Final = {"CHANGELOG.md"}
"""Pages about the past, which name removed things."""
FOREIGN: Final = {
    "AWS": {"firehose:PutRecord", "firehose:PutRecordBatch", "s3:PutObject", "s3:PutObjectAcl"},
    "Argo CD": {"configs.cm", "spec.source.helm.kubeVersion", "clusterResourceWhitelist"},
    "Datadog": {"service:netbird"},
    "Elastic": {"create_doc"},
    "Flux": {"HelmRelease", "kubeseal"},
    "Grafana Alloy": {"/loki/api/v1/raw"},
    "Helm": {
        "--api-versions",
        "--kube-version",
        "--reuse-values",
        "--take-ownership",
        "apiVersions:",
        "helmCharts",
        "icon",
        "maintainers",
    },
    "Kubernetes": {"OOMKilled", "leases.coordination.k8s.io", "CustomObjectsApi"},
    "NetBird": {"expires_in"},
    "OpenTelemetry": {"required_header"},
    "Prometheus": {"absent()"},
    "PyPI": {"LICENSE", "license"},
    "Sumo Logic": {"_sourceCategory=netbird/events"},
    "examples": {"*.example.com", "*ConfigMapRef.name", "10.1.2.3", "-_.~%+", "customer-a"},
}
"""Names of other programs, by their owner."""
REMOVED: Final = {"Correction.values", "_reports_only", "verify_at"}
"""Names of docs/why-not-simpler.md that it lists as removed or rejected."""
TOP: Final = re.compile(r"(\.ci|\.github|benchmarks|crds|demo|deploy|docs|examples|operator|requirements|tests|tools)/")
INNER: Final = re.compile(r"(api|cli|cluster|config|core|netbird|reconciler|telemetry|watch)/[\w/]*(\.py)?")
PLACEHOLDER: Final = re.compile(r"\b(KIND|NAME)\b(?=\\?\.)")
PAGES: Final = [page for page in pages.pages() if page not in HISTORY]


def names(page: str) -> set[str]:
    """Return the single words that a page writes as code, and the options of its longer ones."""
    found: set[str] = set()
    for text in pages.code(page):
        found.update([text] if re.fullmatch(r"\S+", text) else re.findall(r"(?<=\s)--[a-z-]+", text))
    return {name for name in found if "…" not in name}


@cache
def code() -> str:
    """Return the text and the name of every file of the repository except pages and this file."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    files = [ROOT / name for name in tracked.splitlines() if not name.endswith((".md", Path(__file__).name))]
    texts = [path.read_bytes().decode(errors="ignore") for path in files if path.is_file()]
    return "\n".join([*texts, tracked])


@cache
def words() -> frozenset[str]:
    return frozenset(re.findall(r"\w+", code()))


@cache
def documents() -> tuple[Any, ...]:
    """Return the roots of a dotted path: the chart's values, and the schema of each kind."""
    kinds = [yaml.safe_load(path.read_text()) for path in (ROOT / "crds").glob("*.yaml")]
    schemas = [each["spec"]["versions"][0]["schema"]["openAPIV3Schema"] for each in kinds]
    parts = [each["properties"][part] for each in schemas for part in ("spec", "status")]
    # Pages also name a field by its path below the block of its platform, and below `auth` in it.
    blocks = [each for part in parts for each in part["properties"].values() if "properties" in each]
    inner = [each for block in blocks for each in block["properties"].values() if "properties" in each]
    return (yaml.safe_load(VALUES.read_text()), *schemas, *parts, *blocks, *inner)


def leads_somewhere(path: str) -> bool:
    """Return whether a dotted path is a value of the chart or a field of a kind."""
    steps = [step.removesuffix("[]") for step in path.split("=", maxsplit=1)[0].split(".")]
    return any(_follow(document, steps) for document in documents())


def _follow(found: Any, steps: list[str]) -> bool:
    for step in steps:
        for inner in ("items", "properties"):
            found = found[inner] if isinstance(found, dict) and isinstance(found.get(inner), dict) else found
        if not isinstance(found, dict) or step not in found:
            return False
        found = found[step]
    return True


def is_code(name: str) -> bool:
    """Return whether a name occurs in the code, or is `owner.member` of one of its files."""
    if PLACEHOLDER.search(name):
        # The code writes the name of such a file as an f-string.
        return re.search(PLACEHOLDER.sub(r"\\{\\w+\\}", re.escape(name)), code()) is not None
    if name in words() or (name in code() and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", code())):
        return True
    parts = re.findall(r"\w+", name)
    return bool(re.fullmatch(r"\w+((\.|::)\w+)+", name)) and any(
        parts[0] in owners and set(parts[1:]) <= found for owners, found in modules()
    )


@cache
def modules() -> tuple[tuple[set[str], set[str]], ...]:
    """Return, of each module of the package and of the tests, the names with members, and all words."""
    paths = [path for folder in (PACKAGE, ROOT / "tests") for path in folder.rglob("*.py") if path != Path(__file__)]
    texts = [(path.stem, path.read_text()) for path in paths]
    return tuple(
        ({stem, *re.findall(r"^class (\w+)", text, re.MULTILINE)}, set(re.findall(r"\w+", text)))
        for stem, text in texts
    )


def is_file(name: str) -> bool:
    path, _, member = name.partition("::")
    if TOP.match(path):
        return (ROOT / path).exists() and set(re.findall(r"\w+", member)) <= words()
    return bool(INNER.fullmatch(path)) and (PACKAGE / path).exists()


@cache
def options() -> set[str]:
    parser = argparse.ArgumentParser()
    add_flags(parser)
    return {option for action in parser._actions for option in action.option_strings}  # has no other way


def variables() -> set[str]:
    return {"NETBIRD_STREAMING_" + flag.strip("-").upper().replace("-", "_") for flag in options()}


def unknown(found: set[str]) -> Iterator[str]:
    foreign = {name for each in FOREIGN.values() for name in each} | REMOVED
    for name in sorted(found - foreign):
        plain = re.sub(r"=.*", "", name).removesuffix("/status")
        if TOP.match(name) or INNER.fullmatch(name):
            right = is_file(name)
        elif plain.startswith(("--", "NETBIRD_STREAMING_")):
            right = plain in options() | variables() or is_code(plain)
        elif plain.startswith("netbird_streaming_"):
            right = re.sub(r"_(bucket|sum|count)$", "", plain) in {each.name for each in ALL} or plain.endswith("_")
        else:
            right = is_code(name) or is_code(plain) or leads_somewhere(name) or plain.strip("*._/") in words()
        if not right:
            yield name


@pytest.mark.parametrize("page", PAGES)
def test_each_name_exists(page: str) -> None:
    assert list(unknown(names(page))) == []


@pytest.mark.parametrize("page", PAGES)
def test_table_of_reasons_holds_only_reasons(page: str) -> None:
    named = {name for cell in pages.column(page, re.compile("reasons?")) for name in re.findall(r"`([A-Z]\w+)`", cell)}
    assert named - set(Reason) == set()


@pytest.mark.parametrize("page", PAGES)
def test_each_environment_variable_exists(page: str) -> None:
    text = (ROOT / page).read_text()
    assert set(re.findall(r"\bNETBIRD_STREAMING_[A-Z_]+\b", text)) - variables() == set()


@pytest.mark.parametrize(
    "name",
    [
        "netbird_streaming_budget_wait_seconds",
        "tests/unit/test_gone.py",
        "core/gone.py",
        "spec.budget",
        "metrics.podMonitor.gone",
        "drift.GONE_WINDOW",
        "GoneReason",
        "gone/NAME.log",
    ],
)
def test_missing_name_is_found(name: str) -> None:
    assert list(unknown({name})) == [name]
