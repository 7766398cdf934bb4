"""The program's arguments: the selected command, and its exit code."""

import pytest

from netbird_streaming.__main__ import main
from netbird_streaming.cli.commands import COMMANDS, load
from netbird_streaming.cli.exit_codes import ExitCode


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        main([name, "--help"])
    shown = capsys.readouterr().out
    assert exited.value.code == ExitCode.OK
    assert load(name).EXAMPLES
    for example in load(name).EXAMPLES:
        assert example.split()[0] == name
        assert f"\n  netbird-streaming-operator {example}\n" in shown


def test_programs_help_lists_each_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        main(["--help"])
    assert exited.value.code == ExitCode.OK
    shown = capsys.readouterr().out
    assert [name for name in COMMANDS if f"\n    {name}" not in shown] == []


@pytest.mark.parametrize("arguments", [[], ["no-such-command"], ["run", "--no-such-flag"], ["run", "extra"]])
def test_wrong_arguments_have_their_own_exit_code(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        main(arguments)
    assert exited.value.code == ExitCode.USAGE
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("usage: netbird-streaming-operator")


def test_invalid_value_of_a_setting_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--workers=0"]) == ExitCode.USAGE
    assert "--workers: takes a whole number from 1 to 64" in capsys.readouterr().err
