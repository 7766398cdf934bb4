"""Completion scripts: each command and each of its flags is completed."""

import subprocess

import pytest

from netbird_streaming.__main__ import main
from netbird_streaming.cli.commands import COMMANDS, parser
from netbird_streaming.cli.completion import flags_of

COMPLETE = 'source /dev/stdin; COMP_WORDS=({words}); COMP_CWORD={place}; {function}; echo "${{COMPREPLY[@]}}"'


def script(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["completion", shell]) == 0
    return capsys.readouterr().out


def completed(text: str, *words: str) -> list[str]:
    command = COMPLETE.format(words=" ".join(words), place=len(words) - 1, function="_netbird_streaming_operator")
    done = subprocess.run(["bash", "-c", command], input=text, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_bash_completes_commands_and_flags(capsys: pytest.CaptureFixture[str]) -> None:
    text = script("bash", capsys)
    assert completed(text, "netbird-streaming-operator", "''") == list(COMMANDS)
    assert completed(text, "netbird-streaming-operator", "pl") == ["plan"]
    assert completed(text, "netbird-streaming-operator", "check", "--ou") == ["--output"]
    assert "--log-level" in completed(text, "netbird-streaming-operator", "run", "--log")


@pytest.mark.parametrize("shell", ["bash", "fish", "zsh"])
def test_every_flag_of_every_command_is_completed(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = script(shell, capsys)
    known = flags_of(parser(list(COMMANDS)))
    assert set(known) == set(COMMANDS)
    assert [flag for flags in known.values() for flag in flags if flag.removeprefix("--") not in text] == []
