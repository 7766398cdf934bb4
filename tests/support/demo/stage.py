"""What the demonstration runs on: an API server, a NetBird and the operator, each a process of its own."""

import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from tests.support.controlplane import ControlPlane, KeptProcess
from tests.support.demo.terminal import MANIFESTS, ROOT, DemoError, Kubectl, Terminal
from tests.support.netbird.control import NetBirdControl
from tests.support.netbird.tenancy import Account, Token
from tests.support.operator import Operator, install

_ACCOUNT: Final = "demo-account"
_FIRST_ID: Final = 4711
_START_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that runs, and the ways to look at it."""

    kubectl: Kubectl
    netbird_url: str
    operator: Operator


def start(terminal: Terminal, stack: ExitStack) -> Stage:
    """Start everything, saying what and why; it ends with the stack.

    Raises:
        BuildError: a program of the API server is neither there nor can be built.
        ControlPlaneError: the API server does not come up.
        ChartError: the operator's chart can't be rendered.
        KubectlError: what it renders is refused.
        OperatorError: the operator does not come up.
        DemoError: a command that was shown failed.
    """
    terminal.say(
        "NetBird streams its events to where an integration says. Here such integrations are declared as Kubernetes "
        "resources, and an operator makes NetBird hold just these. Everything runs on this machine, on loopback and in "
        "folders that are thrown away; no NetBird account is used. Ctrl-C stops it at any moment."
    )
    terminal.step(
        "Start a Kubernetes API server",
        "A real one, with etcd and the controllers that delete namespaces. Its programs are fetched or built once, "
        "which can take some minutes.",
    )
    plane = stack.enter_context(ControlPlane.start())
    terminal.say(f"  Kubernetes {plane.binaries.minor} runs at {plane.url}")
    kubectl = Kubectl(plane.binaries.find("kubectl"), plane.kubeconfig, plane.folder / "kubectl-cache", terminal)
    return Stage(
        kubectl, _start_netbird(terminal, stack, plane.folder), _start_operator(terminal, stack, plane, kubectl)
    )


def _start_netbird(terminal: Terminal, stack: ExitStack, folder: Path) -> str:
    """Start a NetBird with one account and one token, the one in the demonstration's Secret; answer its URL."""
    terminal.step(
        "Start a NetBird",
        "A simulated one, as its own process. It answers as NetBird's API does, and can be looked into.",
    )
    command = [sys.executable, "-m", "tests.support.netbird", f"--first-id={_FIRST_ID}"]
    # Kept, so that Ctrl-C reaches only this process, which ends it, and that it ends too where this process is killed.
    process = KeptProcess(command, folder / "netbird.log")
    stack.callback(process.kill)
    url = _first_line(process)
    control = NetBirdControl(url)
    control.add_account(Account(_ACCOUNT))
    control.add_token(Token("demo", _token(), _ACCOUNT))
    terminal.say(f"  It listens at {url} and has one account, without any integration.")
    return url


def _first_line(process: KeptProcess) -> str:
    """Wait for the first line that a process prints, and answer it.

    Raises:
        DemoError: it ended before, or takes too long.
    """
    deadline = time.monotonic() + _START_SECONDS
    while "\n" not in (printed := process.log.read_text()):
        if not process.alive or time.monotonic() > deadline:
            message = f"the simulated NetBird did not start:\n{printed}"
            raise DemoError(message)
        time.sleep(_POLL_SECONDS)
    return printed.partition("\n")[0]


def _start_operator(terminal: Terminal, stack: ExitStack, plane: ControlPlane, kubectl: Kubectl) -> Operator:
    """Install the definitions, and run the operator with the rights of its chart."""
    terminal.step(
        "Install the operator",
        "The resource definitions teach the API server the new kinds. The operator runs as its own process, as the "
        "ServiceAccount and with the rights that its Helm chart renders, and no others.",
    )
    kubectl("apply --server-side -f crds/")
    operator = stack.enter_context(Operator(install(plane), "--log-format=human")).leading()
    terminal.say("  It runs, and holds the Lease that says that it may act.")
    return operator


def _token() -> str:
    """The made-up token that NetBird is to know."""
    for document in yaml.safe_load_all((ROOT / MANIFESTS / "secrets.yaml").read_text()):
        if document["metadata"]["name"] == "netbird":
            return str(document["stringData"]["token"])
    message = "secrets.yaml holds no Secret netbird"
    raise LookupError(message)
