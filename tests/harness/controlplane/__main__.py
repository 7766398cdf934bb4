"""The command line: `python -m tests.harness.controlplane start | stop | env | binaries | which TOOL | pin VERSION`."""

import argparse
import shutil
import sys
from collections.abc import Callable
from typing import Final

from tests.harness.controlplane import local, pin, versions
from tests.harness.controlplane.binaries import CONTROL_PLANE, GITOPS, HELM, Binaries
from tests.harness.controlplane.controlplane import ControlPlaneError
from tests.harness.controlplane.gobuild import PROMETHEUS, BuildError
from tests.harness.controlplane.progress import say

INTERRUPTED: Final = 130


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.harness.controlplane", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add(commands, "start", _start, "start one and leave it running; print its KUBECONFIG for a shell")
    _add(commands, "stop", _stop, "end the one that runs")
    _add(commands, "env", _env, "print the KUBECONFIG of the one that runs, for eval in a shell")
    _add(commands, "binaries", _binaries, "download or build what is missing, and print where each program is")
    _add(commands, "hold", _hold, "run one in the foreground until a signal")
    _add(commands, "which", _which, "print where a tool is: on PATH, else ours").add_argument("tool")
    _add(commands, "pin", _pin, "write go.mod and go.sum for a Kubernetes version").add_argument("version")
    arguments = parser.parse_args()
    try:
        result: int = arguments.run(arguments)
    except (BuildError, ControlPlaneError, versions.UnknownVersionError, local.LocalError) as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return result


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: Callable[[argparse.Namespace], int],
    text: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(run=run)
    return parser


def _start(_arguments: argparse.Namespace) -> int:
    binaries = Binaries()
    # In the foreground, where the user sees the progress.
    for tool in CONTROL_PLANE:
        binaries.find(tool)
    found = local.start()
    say(f"running at {found.url}; it ends with: make controlplane-stop")
    print(f"export KUBECONFIG={found.kubeconfig}")
    return 0


def _stop(_arguments: argparse.Namespace) -> int:
    say("stopped" if local.stop() else "none is running")
    return 0


def _env(_arguments: argparse.Namespace) -> int:
    found = local.running()
    if found is None:
        say("none is running; start one with: make controlplane")
        return 1
    print(f"export KUBECONFIG={found.kubeconfig}")
    return 0


def _binaries(_arguments: argparse.Namespace) -> int:
    binaries = Binaries()
    for tool in (*CONTROL_PLANE, HELM, *versions.LINTERS, *PROMETHEUS, *GITOPS):
        print(f"{tool}: {binaries.find(tool)}")
    return 0


def _hold(_arguments: argparse.Namespace) -> int:
    local.hold()
    return 0


def _which(arguments: argparse.Namespace) -> int:
    print(shutil.which(arguments.tool) or Binaries().find(arguments.tool))
    return 0


def _pin(arguments: argparse.Namespace) -> int:
    print(pin.pin(arguments.version))
    return 0


if __name__ == "__main__":
    sys.exit(main())
