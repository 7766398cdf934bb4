"""Argo CD's own tests of its folders with health checks and actions, compiled with other folders in their place."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from tests.harness.controlplane import versions
from tests.harness.controlplane.gobuild import BuildError, sources

_FOLDERS: Final = "resource_customizations"
_PACKAGE: Final = "util/lua"
_TESTS: Final = "TestLuaHealthScript|TestLuaResourceActionsScript"


def run(folders: Path, workspace: Path) -> dict[str, bool]:
    """Run them on these folders, and return whether each case passes, by its name.

    Raises:
        BuildError: Go is missing, or the build failed.
    """
    source = _module(folders, workspace / "source")
    program = _compile(source, workspace)
    # They find the folders by a relative path, and don't follow a link there.
    place = workspace / "run"
    shutil.copytree(source / _FOLDERS, place / _FOLDERS)
    (place / _PACKAGE).mkdir(parents=True)
    command = [str(program), "-test.v", f"-test.run={_TESTS}"]
    done = subprocess.run(command, cwd=place / _PACKAGE, check=False, capture_output=True, text=True)
    found = re.findall(r"^ +--- (PASS|FAIL): (\S+)", done.stdout, re.MULTILINE)
    return {name: word == "PASS" for word, name in found}


def _module(folders: Path, target: Path) -> Path:
    """Make a copy of Argo CD's module with these folders. Go embeds no file that is a link."""
    original = sources(versions.argocd(), versions.ARGOCD)
    target.mkdir()
    for each in original.iterdir():
        if each.name != _FOLDERS:
            (target / each.name).symlink_to(each)
    shutil.copytree(folders, target / _FOLDERS)
    embedding = (original / _FOLDERS / "embed.go").read_text()
    (target / _FOLDERS / "embed.go").write_text(embedding)
    return target


def _compile(source: Path, workspace: Path) -> Path:
    module = versions.argocd().folder
    replaced = workspace / "go.mod"
    replaced.write_text(f"{(module / 'go.mod').read_text()}\nreplace {versions.ARGOCD} => {source}\n")
    shutil.copy(module / "go.sum", workspace / "go.sum")
    program = workspace / "lua.test"
    # Without debugging symbols, as the programs: the packages that both use are then compiled once.
    flags = ("-c", f"-modfile={replaced}", "-trimpath", "-ldflags=-s -w")
    done = subprocess.run(
        ["go", "test", *flags, f"-o={program}", f"{versions.ARGOCD}/{_PACKAGE}"],
        cwd=module,
        env={**os.environ, "GOWORK": "off"},
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise BuildError(done.stderr)
    return program
