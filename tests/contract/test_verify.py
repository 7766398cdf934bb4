"""The command `verify` against every behaviour of the simulated NetBird: each is reported."""

import asyncio
import io
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from netbird_streaming.cli import verify
from netbird_streaming.cli.commands import Invocation, parser
from netbird_streaming.cli.observations import Verdict
from tests.doubles.netbird.behaviour import (
    Behaviour,
    Form,
    HeaderMask,
    PathFamily,
    StrangerTenant,
    TimeForm,
    UnknownPath,
    UpdateForm,
)
from tests.doubles.netbird.faults import Fault, Hang, Moment, Reset
from tests.doubles.netbird.process import RunningNetBird, running_netbird
from tests.doubles.netbird.records import Draft
from tests.doubles.netbird.tenancy import Account, Token
from tests.doubles.netbird.wire import Operation
from tests.harness.end_to_end import eventually

TOKEN = Token("robot", "nbp_CANARY0123456789abcdef", "acc-1")
LIST_SECONDS = 1.0
SECRET = re.compile(r"verify-[0-9a-f]{24}")
"""The secret that a run draws for its integrations."""
HABITS: dict[str, dict[str, Any]] = {
    "path_family": {"path_family": PathFamily.PLAIN},
    "both paths": {"path_family": PathFamily.BOTH},
    "unknown_path": {"unknown_path": UnknownPath.HTML},
    "licensed": {"licensed": False},
    "post_ignores_enabled": {"post_ignores_enabled": False},
    "update_form": {"update_form": UpdateForm.REPLACE},
    "put_answers_before": {"put_answers_before": False},
    "thin_get": {"thin_get": False},
    "null_when_empty": {"null_when_empty": False},
    "mask_headers": {"mask_headers": HeaderMask.VALUES},
    "no mask": {"mask_headers": HeaderMask.NONE},
    "time_form": {"time_form": TimeForm.UTC},
    "fraction_digits": {"fraction_digits": 9},
    "offset_minutes": {"offset_minutes": -90},
    "normalise_urls": {"normalise_urls": True},
    "one_per_platform": {"one_per_platform": True},
    "stranger_tenant": {"stranger_tenant": StrangerTenant.REFUSE},
    "date_header": {"date_header": False},
    "added_config": {"added_config": (("extra_key", "v"),)},
    "added_fields": {"added_fields": (("extra_field", "v"),)},
    "burst": {"burst": 9, "requests_per_minute": 300.0},
    "retry_after": {"burst": 9, "requests_per_minute": 300.0, "retry_after": 1},
    "clock_skew": {"clock_skew": 3600.0},
    "list_lag": {"list_lag": 30.0},
    "blank": {"blank": True},
    "get_lag": {"list_lag": 30.0, "get_lag": True},
    "reuse_ids": {"reuse_ids": True},
    "immutable": {"immutable": ("url",)},
    "stamps": {"stamps": True},
    "unstamped": {"unstamped": True},
    "form": {"form": Form.STRIPPED},
    "encoded": {"form": Form.ENCODED},
    "added header": {"form": Form.ADDED_HEADER, "mask_headers": HeaderMask.NONE},
    "masked path": {"form": Form.MASKED_PATH},
    "unrelated": {"form": Form.UNRELATED},
    "list_limit": {"list_limit": 0},
    "strange_items": {"strange_items": True},
    "database_skew": {"database_skew": 600.0},
    "users": {"users": False},
    "hanging_hosts": {"hanging_hosts": frozenset({urlsplit(verify.RESERVED).hostname}), "hang_seconds": 0.1},
}
"""Each behaviour, by the name of its setting if that is the only one."""
NOT_SEEN = {
    "rejected_secrets": "test_refused_create_is_reported_without_the_quoted_secret refuses",
    "rejection_status": "the same",
    "echo_rejected": "the same, with and without a quote",
    "hang_seconds": "with hanging_hosts",
    "latency": "it would take minutes",
    "requests_per_minute": "with burst",
}


@pytest.fixture(scope="module")
def netbird() -> Iterator[RunningNetBird]:
    with running_netbird() as running:
        running.control.add_account(Account("acc-1"))
        yield running


@pytest.fixture(scope="module")
def usual(netbird: RunningNetBird, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run(netbird, tmp_path_factory.mktemp("usual"))[1]


def run(netbird: RunningNetBird, folder: Path, number: int = 0, **habits: Any) -> tuple[int, dict[str, Any]]:
    """Run the command with its own token; return its exit code and its report."""
    netbird.control.change_behaviour(**{**_USUAL, **habits})
    token = replace(TOKEN, id=f"robot-{folder.name}-{number}", value=f"{TOKEN.value}{folder.name}".replace("_", "x"))
    netbird.control.add_token(token)
    (folder / "token").write_text(token.value)
    flags = ["--yes", f"--list-seconds={LIST_SECONDS}", "--output=json"]
    given = ["verify", f"--url={netbird.url}", f"--token-file={folder / 'token'}", *flags]
    out, err = io.StringIO(), io.StringIO()
    code = verify.execute(Invocation(parser(["verify"]).parse_args(given), {}, out, err))
    printed = out.getvalue() + err.getvalue()
    assert token.value not in printed
    assert SECRET.search(printed) is None
    return code, json.loads(out.getvalue())


_DEFAULT = Behaviour(burst=100_000)
_USUAL = {each.name: getattr(_DEFAULT, each.name) for each in fields(Behaviour)}


def observed(report: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {row["assumption"]: (row["verdict"], row["observation"]) for row in report["rows"]}


def test_nothing_deviates_on_the_server_of_the_reference(usual: dict[str, Any]) -> None:
    assert {row["verdict"] for row in usual["rows"]} <= {Verdict.AS_EXPECTED, Verdict.NOT_OBSERVED}
    assert [row["assumption"] for row in usual["rows"] if row["verdict"] == Verdict.NOT_OBSERVED] == [
        "A refusal quotes no value"
    ]


def test_each_switch_of_the_simulated_server_has_its_case() -> None:
    assert {each.name for each in fields(Behaviour)} - set(HABITS) - set(NOT_SEEN) == set()


@pytest.mark.parametrize("habit", HABITS)
def test_each_deviation_is_reported_and_nothing_is_left(
    netbird: RunningNetBird, usual: dict[str, Any], tmp_path: Path, habit: str
) -> None:
    code, report = run(netbird, tmp_path, **HABITS[habit])
    before, after = observed(usual), observed(report)
    changed = {name: seen for name, seen in after.items() if seen[1] != before[name][1]}
    assert any(verdict in {Verdict.SUPPORTED, Verdict.BROKEN} for verdict, _ in changed.values()), changed
    assert code == (1 if Verdict.BROKEN in {verdict for verdict, _ in after.values()} or report["notDeleted"] else 0)
    assert all(row["consequence"] for row in report["rows"] if row["verdict"] in {Verdict.SUPPORTED, Verdict.BROKEN})
    netbird.control.change_behaviour(**_USUAL)
    left = [each.id for each in netbird.control.integrations("acc-1")]
    assert left == report["notDeleted"]
    assert left == [] or habit in {"burst", "retry_after", "blank"}
    for each in left:
        netbird.control.delete(each)


@pytest.mark.parametrize("status", [412, 422])
@pytest.mark.parametrize(
    ("quotes", "seen"),
    [
        (True, (Verdict.SUPPORTED, "it quotes the secret")),
        (False, (Verdict.AS_EXPECTED, "it quotes no value")),
    ],
)
def test_refused_create_is_reported_without_the_quoted_secret(
    netbird: RunningNetBird, tmp_path: Path, status: int, seen: tuple[Verdict, str], *, quotes: bool
) -> None:
    since = netbird.control.figures().requests
    refusing: dict[str, Any] = {
        "rejected_secrets": frozenset({"verify-"}),
        "rejection_status": status,
        "echo_rejected": quotes,
    }
    code, report = run(netbird, tmp_path, **refusing)
    netbird.control.change_behaviour(**_USUAL)
    (sent,) = netbird.control.journal(since, Operation.CREATE)
    assert SECRET.search(sent.body) is not None
    assert code == 1
    rows = observed(report)
    assert rows["A disabled integration to a host that does not exist is accepted"] == (
        Verdict.BROKEN,
        f"status {status}",
    )
    assert rows["A refusal quotes no value"] == seen
    assert netbird.control.integrations("acc-1") == []


def test_unanswered_create_is_reported_and_found_again(netbird: RunningNetBird, tmp_path: Path) -> None:
    netbird.control.add_fault(Fault(Reset(), Moment.AFTER, Operation.CREATE))
    code, report = run(netbird, tmp_path)
    netbird.control.clear_faults()
    assert code == 1
    name = "A disabled integration to a host that does not exist is accepted"
    assert observed(report)[name][0] == Verdict.BROKEN
    assert netbird.control.integrations("acc-1") == []


def test_integrations_of_others_are_not_touched(netbird: RunningNetBird, tmp_path: Path) -> None:
    netbird.control.change_behaviour(**_USUAL)
    config = {"url": f"{verify.RESERVED}/other", "headers": "{}", "body_template": ""}
    (other,) = netbird.control.create("acc-1", [Draft("generic_http", config)])
    run(netbird, tmp_path)
    assert [each.id for each in netbird.control.integrations("acc-1")] == [other]
    netbird.control.delete(other)


@pytest.mark.parametrize("signals", [(signal.SIGINT,), (signal.SIGTERM,), (signal.SIGINT, signal.SIGINT)])
async def test_signal_deletes_what_was_created(
    netbird: RunningNetBird, tmp_path: Path, signals: tuple[signal.Signals, ...]
) -> None:
    netbird.control.change_behaviour(**_USUAL)
    netbird.control.add_token(replace(TOKEN, id="ctrl-c", value="nbp_ctrlc0123456789abc"))
    netbird.control.add_fault(Fault(Hang(), Moment.BEFORE, Operation.UPDATE))
    (tmp_path / "token").write_text("nbp_ctrlc0123456789abc")
    given = [f"--url={netbird.url}", f"--token-file={tmp_path / 'token'}", "--yes"]
    since = netbird.control.figures().requests
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "netbird_streaming", "verify", *given)
    await asyncio.to_thread(eventually, lambda: netbird.control.journal(since, Operation.UPDATE), "the PUT is sent")
    assert len(netbird.control.integrations("acc-1")) == 1
    for number in signals:
        process.send_signal(number)
    assert await process.wait() == 130
    netbird.control.clear_faults()
    assert netbird.control.integrations("acc-1") == []


@pytest.mark.parametrize("answer", ["", "no\n", "y\n"])
def test_nothing_is_sent_before_the_question_is_answered_with_yes(
    netbird: RunningNetBird, tmp_path: Path, answer: str
) -> None:
    netbird.control.clear_journal()
    (tmp_path / "token").write_text(TOKEN.value)
    given = [f"--url={netbird.url}", f"--token-file={tmp_path / 'token'}"]
    command = [sys.executable, "-m", "netbird_streaming", "verify", *given]
    done = subprocess.run(command, check=False, input=answer, capture_output=True, text=True)
    assert done.returncode == 64
    assert "This creates disabled integrations" in done.stderr
    assert netbird.control.journal() == []
