"""The command that the image offers to `kubectl exec`, which has no shell and does not use the entry point."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import netbird_streaming
from netbird_streaming.cli.commands import COMMANDS
from tests.harness.pages import ROOT


def finish() -> ModuleType:
    spec = importlib.util.spec_from_file_location("finish", ROOT / "deploy" / "image" / "finish.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_command_of_the_image_is_the_program(tmp_path: Path) -> None:
    script = tmp_path / "netbird-streaming-operator"
    script.write_text(finish().SCRIPT.format(python=sys.executable))
    script.chmod(0o755)
    environment = {"PYTHONPATH": str(Path(netbird_streaming.__path__[0]).parent), "PATH": os.defpath}
    done = subprocess.run([script, "--help"], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert [name for name in COMMANDS if name not in done.stdout] == []


def test_every_command_is_imported_while_the_image_is_built(tmp_path: Path) -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import finish; finish._import_program(); print(*sys.modules)"
    )
    arguments = [sys.executable, "-c", f"{program}; print(*sys.modules)", str(ROOT / "deploy" / "image")]
    loaded = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.split()
    assert {f"netbird_streaming.cli.{name}" for name in COMMANDS} <= set(loaded)
