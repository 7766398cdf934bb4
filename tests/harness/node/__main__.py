"""The command line: `python -m tests.harness.node setup` prepares a machine for `make e2e` and prints each step."""

import shutil
import sys

from tests.harness.controlplane import Binaries
from tests.harness.controlplane.gobuild import BuildError
from tests.harness.controlplane.progress import say
from tests.harness.node import requirements
from tests.harness.node.node import PROGRAMS


def main() -> int:
    """Install Debian's packages, build the node's programs, and return the exit code."""
    if shutil.which("kind"):
        say("kind is there and will be used; nothing is missing")
        return 0
    code = requirements.install()
    if code == 0:
        try:
            for tool in (*PROGRAMS, "crane"):
                Binaries().find(tool)
        except BuildError as error:
            say(str(error))
            return 1
    return code


if __name__ == "__main__":
    if sys.argv[1:] != ["setup"]:
        sys.exit(__doc__)
    sys.exit(main())
