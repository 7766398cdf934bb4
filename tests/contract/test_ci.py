"""CI's files under actionlint and against the repository. `make lint` checks the rest of them."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.harness.controlplane import Binaries, versions
from tools.chart import CHART, ROOT

FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS: dict[str, dict[str, Any]] = {path.stem: yaml.safe_load(path.read_text()) for path in FOLDER.glob("*.yaml")}
STEPS = [step for workflow in WORKFLOWS.values() for job in workflow["jobs"].values() for step in job["steps"]]
SCRIPTS = [step["run"] for step in STEPS if "run" in step]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def actionlint() -> Path:
    return Binaries().find("actionlint")


def run(actionlint: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # It finds shellcheck, for the scripts of steps, on PATH.
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = [str(actionlint), "-no-color", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)


def test_actionlint_finds_nothing(actionlint: Path) -> None:
    done = run(actionlint)
    assert (done.returncode, done.stdout) == (0, "")


def test_actionlint_finds_an_error_in_a_script(actionlint: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text((FOLDER / "ci.yaml").read_text().replace('"$CHART" --values', "$CHART --values"))
    assert "SC2086" in run(actionlint, str(wrong)).stdout


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_jobs_have_only_named_permissions(workflow: str) -> None:
    assert WORKFLOWS[workflow]["permissions"] == {}
    assert all(job["permissions"]["contents"] in {"read", "write"} for job in WORKFLOWS[workflow]["jobs"].values())


def test_jobs_with_write_permission_run_no_code_of_the_repository() -> None:
    jobs = [job for workflow in WORKFLOWS.values() for job in workflow["jobs"].values()]
    writing = [job for job in jobs if job["permissions"]["contents"] == "write"]
    assert len(writing) == 2
    scripts = "".join(step.get("run", "") for job in writing for step in job["steps"])
    assert re.findall(r"make|python|\./", scripts) == []


def test_release_uses_no_cache() -> None:
    (release,) = (path.read_text() for path in FOLDER.glob("release.yaml"))
    assert "actions/cache" not in release


def test_every_called_make_target_exists() -> None:
    called = {target for script in SCRIPTS for target in re.findall(r"\bmake ([a-z0-9-]+)", script)}
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"test", "image", "monitoring", "e2e", "lock"} <= called
    assert called - targets == set()


def test_oldest_python_and_the_images_are_tested() -> None:
    tried = WORKFLOWS["ci"]["jobs"]["test"]["strategy"]["matrix"]["python"]
    (oldest,) = re.findall(r">=(\S+)", PROJECT["requires-python"])
    (image,) = re.findall(r"^ARG BUILD_IMAGE=\S+/python:(\d+\.\d+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert set(tried) == {oldest, image}


def test_every_other_kubernetes_minor_is_tested() -> None:
    tried = WORKFLOWS["scheduled"]["jobs"]["kubernetes"]["strategy"]["matrix"]["minor"]
    assert tried == [minor for minor in versions.pinned_minors() if minor != versions.DEFAULT_MINOR]


def test_dependabot_covers_every_folder_of_go_modules_and_the_image() -> None:
    bot = yaml.safe_load((ROOT / ".github" / "dependabot.yaml").read_text())
    watched = {each["package-ecosystem"]: each for each in bot["updates"]}
    assert set(watched) == {"docker", "github-actions", "gomod", "npm"}
    assert watched["gomod"]["directories"] == [f"/{versions.MODULES.relative_to(ROOT)}/*"]
    assert {path.parent.parent for path in ROOT.glob("tests/**/go.mod")} == {versions.MODULES}


def test_updates_wait_until_a_release_is_a_week_old() -> None:
    bot = yaml.safe_load((ROOT / ".github" / "dependabot.yaml").read_text())
    assert [each["cooldown"] for each in bot["updates"]] == [{"default-days": 7}] * 4
    (renewal,) = (step for step in STEPS if "make lock" in step.get("run", ""))
    assert renewal["env"] == {"UV_EXCLUDE_NEWER": "7 days"}


@pytest.mark.parametrize(("tag", "accepted"), [(PROJECT["version"], True), ("99.0.0", False)])
def test_release_needs_a_tag_that_matches_all_files(tmp_path: Path, tag: str, *, accepted: bool) -> None:
    (script,) = (step["run"] for step in WORKFLOWS["release"]["jobs"]["version"]["steps"] if "run" in step)
    chart = CHART.relative_to(ROOT) / "Chart.yaml"
    (tmp_path / chart).parent.mkdir(parents=True)
    for name in ("pyproject.toml", chart):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n## [{tag}] - 2026-01-01\n")
    output = tmp_path / "output"
    environment = {"PATH": os.environ["PATH"], "GITHUB_REF_NAME": f"v{tag}", "GITHUB_OUTPUT": str(output)}
    done = subprocess.run(["bash", "-eo", "pipefail", "-c", script], cwd=tmp_path, env=environment, check=False)
    assert (done.returncode == 0) == accepted
    assert (output.exists() and output.read_text() == f"version={tag}\n") == accepted


def test_release_notes_are_the_section_of_the_version(tmp_path: Path) -> None:
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## [0.2.0]\n\nSecond.\n\n## [0.1.0]\n\nFirst.\n")
    (script,) = (each for each in SCRIPTS if "notes.md" in each and "CHANGELOG.md" in each)
    environment = {"PATH": os.environ["PATH"], "VERSION": "0.2.0"}
    subprocess.run(["bash", "-euc", script], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "notes.md").read_text().split() == ["##", "[0.2.0]", "Second."]


def test_release_is_built_from_digests_of_the_base_images(tmp_path: Path) -> None:
    steps = {step.get("id"): step for step in WORKFLOWS["release"]["jobs"]["image"]["steps"]}
    asked, output = tmp_path / "asked", tmp_path / "output"
    docker = tmp_path / "docker"
    docker.write_text(f'#!/bin/sh\necho "$4" >> {asked}\necho sha256:{"a" * 64}\n')
    docker.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "GITHUB_OUTPUT": str(output)}
    script = steps["bases"]["run"]
    subprocess.run(["bash", "-e", "-o", "pipefail", "-c", script], cwd=ROOT, env=environment, check=True)
    tags = re.findall(r"^ARG \w+_IMAGE=(\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert asked.read_text().split() == tags
    pinned = [line.partition("=")[2] for line in output.read_text().splitlines()]
    assert pinned == [f"{tag.rpartition(':')[0]}@sha256:{'a' * 64}" for tag in tags]
    for base in ("BUILD_IMAGE", "RUNTIME_IMAGE"):
        assert steps["build"]["env"][base] == f"${{{{ steps.bases.outputs.{base} }}}}"
        assert f'--build-arg "{base}=${base}"' in steps["build"]["run"]
