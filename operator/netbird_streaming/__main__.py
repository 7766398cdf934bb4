"""The program: parses its arguments, and calls one command."""

import os
import sys
from collections.abc import Sequence

from netbird_streaming.cli.commands import COMMANDS, Invocation, load, parser
from netbird_streaming.cli.exit_codes import ExitCode
from netbird_streaming.config.options import SettingsError
from netbird_streaming.errors import OperatorError
from netbird_streaming.version import PROGRAM


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the process's exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    command = next((each for each in given if each in COMMANDS), None)
    parsed = parser([] if command is None else [command]).parse_args(given)
    try:
        return load(parsed.command).execute(Invocation(parsed, os.environ, sys.stdout, sys.stderr))
    except SettingsError as error:
        problem, code = str(error), ExitCode.USAGE
    except OperatorError as error:
        problem, code = error.message, ExitCode.PROBLEM
    except KeyboardInterrupt:
        problem, code = "interrupted", ExitCode.INTERRUPTED
    except BrokenPipeError:
        # `| head` has read enough. Closing the stream again at exit would fail too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.PROBLEM
    sys.stderr.write(f"{PROGRAM} {parsed.command}: {problem}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
