"""`make demo`: start everything, run the walkthrough, stop everything."""

import os
import signal
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from types import FrameType
from typing import Final

from demo.stack import Stage, start
from demo.terminal import DemoError, Terminal
from demo.walkthrough import Story
from tests.doubles.netbird.control import NetBirdControl
from tests.doubles.netbird.process import NetBirdError
from tests.harness.controlplane import ControlPlaneError, KubectlError
from tests.harness.controlplane.gobuild import BuildError
from tests.harness.controlplane.versions import UnknownVersionError
from tests.harness.operator import OperatorError
from tools.chart import ChartError

KEEP_VARIABLE: Final = "KEEP"
_LOG_LINES: Final = 40
_FAILED: Final = 1
_KNOWN_FAILURES: Final = (
    BuildError,
    ChartError,
    ControlPlaneError,
    DemoError,
    KubectlError,
    NetBirdError,
    OperatorError,
    UnknownVersionError,
)
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(environment: Mapping[str, str]) -> int:
    """Run the demonstration and return the exit code: 0, 1 if a step failed, 128 and the signal's number for one."""
    terminal = Terminal()
    caught = _stop_on_signals()
    try:
        with ExitStack() as stack:
            _play(terminal, stack, keep=environment.get(KEEP_VARIABLE, "") not in {"", "0"})
    except KeyboardInterrupt:
        terminal.say("Stopped: no process is left.")
        return 128 + caught[0]
    except _KNOWN_FAILURES as error:
        print(f"\nThe demonstration failed: {error}", file=sys.stderr)
        return _FAILED
    terminal.say("\nAll of it is stopped again, and nothing of it is left on this machine but the programs' cache.")
    return 0


def _play(terminal: Terminal, stack: ExitStack, *, keep: bool) -> None:
    """Start everything and run the walkthrough. All processes end with the stack."""
    stage = start(terminal, stack)
    try:
        Story(terminal, stage.kubectl, NetBirdControl(stage.netbird_url)).tell(stage.netbird_url)
    except DemoError:
        print(f"\nThe end of the operator's log:\n{stage.operator.log_tail(_LOG_LINES)}", file=sys.stderr)
        raise
    if keep:
        _stay(terminal, stage)


def _stay(terminal: Terminal, stage: Stage) -> None:
    """Leave everything running until Ctrl-C."""
    kubectl = stage.kubectl
    terminal.say(
        f"\nKEEP is set, so everything stays up. In another terminal:\n\n"
        f"  export KUBECONFIG={kubectl.kubeconfig}\n"
        f"  export PATH={kubectl.program.parent}:$PATH\n"
        f"  kubectl get esi -A\n\n"
        f"NetBird is simulated on {stage.netbird_url}, the operator's log is {stage.operator.log}.\n"
        "Ctrl-C here stops all of it."
    )
    try:
        while True:
            signal.pause()
    except KeyboardInterrupt:
        terminal.say("Stopping …")


def _stop_on_signals() -> list[int]:
    """Let the first signal end the demonstration, and ignore later ones. Return the signal."""
    caught: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        if not caught:
            caught.append(number)
            raise KeyboardInterrupt

    for number in _SIGNALS:
        signal.signal(number, stop)
    return caught


if __name__ == "__main__":
    sys.exit(main(os.environ))
