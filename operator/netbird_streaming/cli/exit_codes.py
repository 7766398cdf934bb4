"""The exit codes of all commands."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the program. `docs/commands/README.md` lists them for users."""

    OK = 0
    """Nothing is wrong, nothing would change, or a signal ended `run`."""
    PROBLEM = 1
    """A finding is wrong, or the command itself failed."""
    CHANGES = 2
    """`plan`: something would change, and nothing is refused."""
    USAGE = 64
    """The arguments are wrong (`EX_USAGE` of `sysexits.h`)."""
    INTERRUPTED = 130
    """Ctrl-C ended the command."""
