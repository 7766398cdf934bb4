"""`completion`: prints a script that completes the commands and flags of the program in a shell."""

import argparse
from collections.abc import Mapping
from typing import Final

from netbird_streaming.cli.commands import COMMANDS, Invocation, parser
from netbird_streaming.cli.exit_codes import ExitCode
from netbird_streaming.version import PROGRAM

DESCRIPTION: Final = "Print a script for a shell that completes the commands and flags of this program."
EXAMPLES: Final = ("completion bash > ~/.local/share/bash-completion/completions/netbird-streaming-operator",)

_BASH: Final = """\
_netbird_streaming_operator() {{
  local command
  command="${{COMP_WORDS[1]}}"
  case "$COMP_CWORD:$command" in
    1:*) COMPREPLY=($(compgen -W "{commands}" -- "${{COMP_WORDS[COMP_CWORD]}}")) ;;
{cases}
  esac
}}
complete -o default -F _netbird_streaming_operator {program}
"""
_BASH_CASE: Final = '    *:{command}) COMPREPLY=($(compgen -W "{flags}" -- "${{COMP_WORDS[COMP_CWORD]}}")) ;;'
_FISH_COMMAND: Final = "complete -c {program} -n __fish_use_subcommand -f -a {command} -d '{summary}'"
_FISH_FLAG: Final = "complete -c {program} -n '__fish_seen_subcommand_from {command}' -l {flag}"


def add_arguments(arguments: argparse.ArgumentParser) -> None:
    """Add the command's argument."""
    arguments.add_argument("shell", choices=sorted(_SCRIPTS), help="The shell.")


def execute(invocation: Invocation) -> int:
    """Print the script."""
    program = parser(list(COMMANDS))
    invocation.out.write(_SCRIPTS[invocation.arguments.shell](flags_of(program)))
    return ExitCode.OK


def flags_of(program: argparse.ArgumentParser) -> dict[str, tuple[str, ...]]:
    """Return the long flags of each command."""
    (commands,) = (each.choices for each in program._actions if isinstance(each.choices, Mapping))  # noqa: SLF001
    return {name: _flags(command) for name, command in commands.items()}


def _flags(command: argparse.ArgumentParser) -> tuple[str, ...]:
    strings = (flag for action in command._actions for flag in action.option_strings)  # noqa: SLF001
    return tuple(flag for flag in strings if flag.startswith("--"))


def _bash(flags: Mapping[str, tuple[str, ...]]) -> str:
    cases = "\n".join(_BASH_CASE.format(command=name, flags=" ".join(given)) for name, given in flags.items())
    return _BASH.format(commands=" ".join(flags), cases=cases, program=PROGRAM)


def _zsh(flags: Mapping[str, tuple[str, ...]]) -> str:
    return f"autoload -U +X bashcompinit && bashcompinit\n{_bash(flags)}"


def _fish(flags: Mapping[str, tuple[str, ...]]) -> str:
    lines = [
        _FISH_COMMAND.format(program=PROGRAM, command=name, summary=COMMANDS[name].replace("'", "\\'"))
        for name in flags
    ]
    for name, given in flags.items():
        lines += [_FISH_FLAG.format(program=PROGRAM, command=name, flag=flag.removeprefix("--")) for flag in given]
    return "\n".join(lines) + "\n"


_SCRIPTS: Final = {"bash": _bash, "fish": _fish, "zsh": _zsh}
