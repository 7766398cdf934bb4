"""Lines for users, equal data for programs, and no terminal control characters."""

import argparse
import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
import yaml

from netbird_streaming.cli.commands import Invocation
from netbird_streaming.cli.output import Finding, Output, State, add_output_argument
from netbird_streaming.reasons import Reason


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def output(form: str = "text", err: io.StringIO | None = None) -> tuple[Output, io.StringIO, io.StringIO]:
    parser = argparse.ArgumentParser()
    add_output_argument(parser)
    out, err = io.StringIO(), err or io.StringIO()
    return Output(Invocation(parser.parse_args([f"-o={form}"]), {}, out, err)), out, err


@dataclass(frozen=True, slots=True)
class Found:
    started_at: datetime
    findings: tuple[Finding, ...]


GOOD = Finding("Kubernetes", State.OK, "1.36 answers")
BAD = Finding("Secret a/b", State.PROBLEM, "does not exist", "Create it.", Reason.SECRET_NOT_FOUND)
FOUND = Found(datetime(2026, 1, 2, tzinfo=UTC), (GOOD, BAD))
DATA = {
    "startedAt": "2026-01-02T00:00:00Z",
    "findings": [
        {"subject": "Kubernetes", "state": "OK", "message": "1.36 answers"},
        {
            "subject": "Secret a/b",
            "state": "Problem",
            "message": "does not exist",
            "remedy": "Create it.",
            "reason": "SecretNotFound",
        },
    ],
}


def test_finding_is_one_line_with_its_fix() -> None:
    shown, out, _ = output()
    shown.findings([GOOD, BAD])
    shown.document(FOUND)
    assert out.getvalue() == "✔ Kubernetes: 1.36 answers\n✘ Secret a/b: does not exist → Create it.\n"


@pytest.mark.parametrize(("form", "load"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_programs_get_the_same_data_and_nothing_else(form: str, load: object) -> None:
    shown, out, _ = output(form)
    shown.findings([GOOD, BAD])
    shown.document(FOUND)
    assert callable(load)
    assert load(out.getvalue()) == DATA


@pytest.mark.parametrize("form", ["text", "json", "yaml"])
def test_every_text_is_filtered(form: str) -> None:
    shown, out, err = output(form, Screen())
    shown.secrets.add("hunter2-hunter2")
    bad = Finding("hunter2-hunter2", State.PROBLEM, "hunter2-hunter2")
    shown.findings([bad])
    shown.document(bad)
    shown.raw("hunter2-hunter2")
    shown.warn("hunter2-hunter2")
    shown.progress("hunter2-hunter2")
    assert "hunter2" not in out.getvalue() + err.getvalue()


def test_progress_is_shown_on_a_terminal_only_and_removed() -> None:
    shown, _, err = output(err=Screen())
    shown.progress("listing")
    shown.line("found")
    assert err.getvalue().startswith("listing …")
    assert err.getvalue().endswith("\r\x1b[K")
    shown, _, err = output()
    shown.progress("listing")
    assert err.getvalue() == ""


def test_text_has_no_terminal_control_characters() -> None:
    shown, out, _ = output()
    shown.findings([Finding("a\x1b[2J", State.NOTE, "b\r\x9b")])
    assert out.getvalue() == "• a [2J: b  \n"
