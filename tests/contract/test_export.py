"""The command `export` on a simulated NetBird, without a cluster."""

import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from netbird_streaming.cli import export
from netbird_streaming.cli.commands import Invocation, parser
from netbird_streaming.config.options import SettingsError
from netbird_streaming.errors import WaitError
from tests.doubles.netbird.behaviour import HeaderMask
from tests.doubles.netbird.process import RunningNetBird, running_netbird
from tests.doubles.netbird.records import Draft
from tests.doubles.netbird.tenancy import Account, Token

CANARY = "CANARY-0123456789abcdef"
TOKEN = Token("robot", f"nbp_{CANARY}", "acc-1", tenants=frozenset({"Tenant.1", "empty"}))
HEADERS = f'{{"X-Key":"{CANARY}"}}'
DRAFTS = (
    Draft("datadog", {"api_url": "https://http-intake.logs.datadoghq.eu/api/v2/logs", "api_key": CANARY}),
    Draft("s3", {"bucket_name": "b", "region": "eu-west-1", "access_key": CANARY, "secret_key": CANARY}, enabled=False),
    Draft(
        "generic_http",
        {"url": f"https://x.example/{CANARY}", "headers": f'{{"X-Key":"{CANARY}"}}', "body_template": ""},
    ),
)


@pytest.fixture
def netbird() -> Iterator[RunningNetBird]:
    with running_netbird() as running:
        for account in ("acc-1", "Tenant.1", "empty"):
            running.control.add_account(Account(account))
        running.control.add_token(TOKEN)
        running.control.change_behaviour(mask_headers=HeaderMask.NONE, burst=10**6)
        yield running


def run(netbird: RunningNetBird, folder: Path, *more: str) -> tuple[int, str, str]:
    """Run the command; return its exit code and what it wrote on its two streams."""
    token = folder / "token"
    token.write_text(f"{TOKEN.value}\n")
    given = ["export", f"--url={netbird.url}", f"--token-file={token}", *more]
    out, err = io.StringIO(), io.StringIO()
    code = export.execute(Invocation(parser(["export"]).parse_args(given), {}, out, err))
    for text in (out.getvalue(), err.getvalue(), *(path.read_text() for path in folder.rglob("*.yaml"))):
        assert CANARY not in text
    return code, out.getvalue(), err.getvalue()


def kinds(text: str) -> Counter[str]:
    return Counter(each["kind"] for each in yaml.load_all(text, yaml.CSafeLoader))


@pytest.mark.parametrize("count", [0, 1, 100, 5000])
def test_any_number_is_exported_by_one_list_and_no_write(netbird: RunningNetBird, tmp_path: Path, count: int) -> None:
    netbird.control.create("acc-1", [DRAFTS[number % 3] for number in range(count)])
    code, text, said = run(netbird, tmp_path)
    assert (code, said) == (0, f"{count} exported\n")
    assert kinds(text)["EventStreamingIntegration"] == count
    assert [(each.method, each.status) for each in netbird.control.journal()] == [("GET", 200)]


def test_directory_has_a_file_for_each_and_a_kustomization_that_lists_them(
    netbird: RunningNetBird, tmp_path: Path
) -> None:
    netbird.control.create("acc-1", DRAFTS)
    netbird.control.create("Tenant.1", DRAFTS[:1])
    folder = tmp_path / "out"
    code, text, _ = run(netbird, tmp_path, "--all-tenants", f"--directory={folder}")
    assert (code, text) == (0, "")
    listed = {str(path.relative_to(folder)) for path in folder.rglob("*.yaml")}
    seen = {"kustomization.yaml"}
    for path in ("", "tenants/tenant-1/", "tenants/empty/"):
        content: Any = yaml.safe_load((folder / path / "kustomization.yaml").read_text())
        seen |= {
            f"{path}{each}" + ("" if each.endswith(".yaml") else "/kustomization.yaml") for each in content["resources"]
        }
    assert listed == seen
    assert len(listed) == 3 + 2 * 4
    for file in (folder / "tenants/tenant-1").glob("datadog*.yaml"):
        assert yaml.safe_load(file.read_text())["metadata"]["namespace"] == "tenant-1"
    with pytest.raises(SettingsError, match="is not empty"):
        run(netbird, tmp_path, f"--directory={folder}")


def test_tenant_that_falls_back_to_the_own_account_is_not_exported_twice(
    netbird: RunningNetBird, tmp_path: Path
) -> None:
    netbird.control.add_token(replace(TOKEN, tenants=frozenset({"gone"})))
    netbird.control.create("acc-1", DRAFTS[:1])
    code, text, _ = run(netbird, tmp_path, "--all-tenants")
    assert (code, kinds(text)["EventStreamingIntegration"]) == (0, 1)


def test_unreadable_integrations_are_named(netbird: RunningNetBird, tmp_path: Path) -> None:
    netbird.control.change_behaviour(strange_items=True)
    netbird.control.create("acc-1", DRAFTS[:1])
    code, text, said = run(netbird, tmp_path)
    assert (code, kinds(text)["EventStreamingIntegration"]) == (1, 1)
    assert said.count("not exported: ") == text.count("# Not exported: ") == 4


@pytest.mark.parametrize(
    ("content", "expected"), [("", "is empty"), ("two words", "space"), ("Bearer nbp_x", "name of a scheme")]
)
def test_unusable_token_is_named_by_its_flag(
    netbird: RunningNetBird, tmp_path: Path, content: str, expected: str
) -> None:
    token = tmp_path / "token"
    token.write_text(content)
    given = ["export", f"--url={netbird.url}", f"--token-file={token}"]
    with pytest.raises((SettingsError, WaitError), match=expected):
        export.execute(Invocation(parser(["export"]).parse_args(given), {}, io.StringIO(), io.StringIO()))


@pytest.mark.parametrize(
    "flags", [["--url=https://a.example"], ["--token-file=x"], ["--url=http://a", "--token-file=x"]]
)
def test_incomplete_arguments_are_refused(flags: list[str]) -> None:
    with pytest.raises(SettingsError):
        export.execute(Invocation(parser(["export"]).parse_args(["export", *flags]), {}, io.StringIO(), io.StringIO()))
