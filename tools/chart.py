"""The rendered Helm chart, and its copies of definitions and runbooks: `python -m tools.chart` writes them."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

Manifest = dict[str, Any]

ROOT: Final = Path(__file__).parents[1]
CHART: Final = ROOT / "deploy" / "chart" / "netbird-streaming-operator"
DEFINITIONS: Final = ROOT / "crds"
COPIES: Final = CHART / "files" / "crds"
RUNBOOKS: Final = ROOT / "docs" / "runbooks"
RUNBOOK_COPIES: Final = CHART / "files" / "monitoring" / "runbooks"
RELEASE: Final = "netbird-streaming-operator"


class ChartError(Exception):
    """Helm failed. The message is its output."""


def render(
    helm: Path,
    namespace: str,
    values: Mapping[str, Any] | None = None,
    *,
    api_versions: Sequence[str] = (),
    release: str = RELEASE,
) -> list[Manifest]:
    """Render the chart as an install would.

    Args:
        helm: the program.
        namespace: the release's.
        values: the changes of values.yaml.
        api_versions: the APIs of the cluster, such as `integrations.netbird.io/v1alpha1`.
        release: its name.

    Raises:
        ChartError: the values are refused.
    """
    command = [str(helm), "template", release, str(CHART), f"--namespace={namespace}", "--values=-"]
    command += [f"--api-versions={each}" for each in api_versions]
    done = subprocess.run(command, input=json.dumps(values or {}), check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise ChartError(done.stderr.strip())
    return [each for each in yaml.safe_load_all(done.stdout) if each is not None]


def of_kind(manifests: Sequence[Manifest], *kinds: str) -> list[Manifest]:
    """Select the manifests of some kinds, in their order."""
    return [each for each in manifests if each["kind"] in kinds]


def write_copies() -> None:
    """Write the chart's copies of the definitions and of the runbooks, and nothing else.

    They are files of the chart and not templates, because descriptions speak of Go templates, which Helm would execute.
    The copies of runbooks are no pages: links between pages don't work there.
    """
    for source, copies, ending in ((DEFINITIONS, COPIES, ".yaml"), (RUNBOOKS, RUNBOOK_COPIES, ".txt")):
        copies.mkdir(parents=True, exist_ok=True)
        for old in copies.iterdir():
            old.unlink()
        for path in sorted(source.iterdir()):
            (copies / path.name).with_suffix(ending).write_bytes(path.read_bytes())


if __name__ == "__main__":
    write_copies()
