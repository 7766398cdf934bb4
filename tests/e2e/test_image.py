"""The labels, the user and the size of the image."""

import json
import subprocess
import tomllib
from pathlib import Path

from tests.e2e.conftest import Figure
from tests.e2e.release import FIRST, REPOSITORY, SECOND
from tools.image import ROOT

MEGABYTE = 10**6
LARGEST = 130 * MEGABYTE
"""The base has about 50, and each additional library should be a decision."""
SAID = ("title", "description", "version", "revision", "created", "base.name")


def test_image_runs_as_nonroot_is_labelled_and_small(engine: str, archives: list[Path], figure: Figure) -> None:
    inspect = [engine, "image", "inspect", f"{REPOSITORY}:{FIRST}"]
    (found,) = json.loads(subprocess.run(inspect, check=True, capture_output=True).stdout)
    config = found["Config"]
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["python3", "-m", "netbird_streaming"]
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in config["Labels"].items()}
    assert {name for name in SAID if labels[name] in {"", "unknown"}} == set()
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert (labels["version"], labels["revision"]) == (version, FIRST)
    assert found["Size"] < LARGEST
    figure(f"image: {found['Size'] / MEGABYTE:.0f} MB on {labels['base.name']}")


def test_image_is_labelled_with_its_own_revision_after_another_build(engine: str, archives: list[Path]) -> None:
    assert len(archives) == 2
    label = '{{index .Config.Labels "org.opencontainers.image.revision"}}'
    for tag in (FIRST, SECOND):
        inspect = [engine, "image", "inspect", f"--format={label}", f"{REPOSITORY}:{tag}"]
        done = subprocess.run(inspect, check=True, capture_output=True, text=True)
        assert done.stdout.strip() == tag
