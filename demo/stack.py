"""The processes of the demonstration: an API server, a NetBird and the operator."""

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

import yaml

from demo.terminal import MANIFESTS, ROOT, Kubectl, Terminal
from tests.doubles.netbird.process import running_netbird
from tests.doubles.netbird.tenancy import Account, Token
from tests.harness.controlplane import ControlPlane
from tests.harness.operator import Operator, install

_ACCOUNT: Final = "demo-account"
_FIRST_ID: Final = 4711


@dataclass(frozen=True, slots=True)
class Stage:
    """All processes, and access to them."""

    kubectl: Kubectl
    netbird_url: str
    operator: Operator


def start(terminal: Terminal, stack: ExitStack) -> Stage:
    """Start everything, and print what and why. It ends with the stack.

    Raises:
        BuildError: a program of the API server is missing and can't be built.
        ControlPlaneError: the API server does not start.
        ChartError: the operator's chart can't be rendered.
        KubectlError: the rendered manifests are refused.
        OperatorError: the operator does not start.
        NetBirdError: the simulated NetBird does not start.
        DemoError: a displayed command failed.
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
    return Stage(kubectl, _start_netbird(terminal, stack), _start_operator(terminal, stack, plane, kubectl))


def _start_netbird(terminal: Terminal, stack: ExitStack) -> str:
    """Start a NetBird with one account and the token of the demonstration's Secret; return its URL."""
    terminal.step(
        "Start a NetBird",
        "A simulated one, as its own process. It answers as NetBird's API does, and can be looked into.",
    )
    netbird = stack.enter_context(running_netbird((f"--first-id={_FIRST_ID}",)))
    netbird.control.add_account(Account(_ACCOUNT))
    netbird.control.add_token(Token("demo", _token(), _ACCOUNT))
    terminal.say(f"  It listens at {netbird.url} and has one account, without any integration.")
    return netbird.url


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
    """Return the made-up token that NetBird has to know."""
    for document in yaml.safe_load_all((ROOT / MANIFESTS / "secrets.yaml").read_text()):
        if document["metadata"]["name"] == "netbird":
            return str(document["stringData"]["token"])
    message = "secrets.yaml holds no Secret netbird"
    raise LookupError(message)
