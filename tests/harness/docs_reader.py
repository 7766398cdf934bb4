"""A reader of the documentation that follows each page on a real API server: for tests/controlplane/test_docs.py."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import product, takewhile
from typing import Final

import yaml

from netbird_streaming.api.types import GROUP, VERSION
from tests.doubles.netbird.process import RunningNetBird
from tests.doubles.netbird.records import Draft
from tests.doubles.netbird.tenancy import Account, Token
from tests.harness import pages
from tests.harness.controlplane import ControlPlane
from tests.harness.end_to_end import QUICK_LEASE, Objects
from tests.harness.fake_rollout import rolling_out
from tests.harness.foreign_objects import NOT_OTHERS, OTHER_TEAM, ForeignObjects, changes, with_other_key
from tests.harness.kubectl_team import secret
from tests.harness.manifests import Manifest, integration
from tests.harness.mistakes import REJECTED, Mistake, mistakes_of
from tests.harness.operator import LEASE, NAMESPACE, Operator
from tests.harness.pages import Block
from tests.harness.release import Release

_FOUND: Final = ("helm", "kubectl")
_OWN: Final = ("netbird-streaming-operator", "kubectl-netbird_streaming")
"""The names of the program itself, the second as a plugin of kubectl."""
PROGRAMS: Final = frozenset({*_FOUND, *_OWN})
"""Programs that the pages' commands may use, besides the shell and what every system has."""
NETBIRDS: Final = ("https://api.netbird.io", "https://netbird.example.com")
"""The APIs that the pages name. The simulated one replaces them."""
TEAM: Final = "team-a"
POSIX: Final = ("dash", "-eu")
"""A shell without bash's extensions."""
FIRST_ID: Final = 4711
"""The id of an existing integration that the pages name."""

_WHAT_PAGES_DECLARE: Final = {
    f"apis/{GROUP}/{VERSION}": ("eventstreamingintegrations", "netbirdconnections"),
    "api/v1": ("secrets", "configmaps"),
}
_FOLDERS: Final = ("crds", "deploy", "examples")
_CHART: Final = "deploy/chart/netbird-streaming-operator"
_CERTIFICATE: Final = pages.ROOT / "tests" / "contract" / "netbird_tls" / "certificate.pem"
_BLOCK_SECONDS: Final = 60.0
_BEGIN_SECONDS: Final = 20
_SHOWN_SECONDS: Final = 20.0
_POLL_SECONDS: Final = 0.2
_LATENCY_SECONDS: Final = 1.0
"""Longer than kubectl takes to read a state that is out of date."""
_NOT_IN_BSD: Final = {
    "base64": "-w*|--wrap*",
    "date": "-d|-I*|--*",
    "grep": "-P|--perl*",
    "mktemp": "-p|--*",
    "readlink": "-f|-e",
    "sed": "-i|--*",
    "xargs": "-r|--*|-d",
}
"""Options of GNU's programs that those of macOS and the BSDs refuse, as patterns of `inputs`."""
_STUB: Final = """#!/bin/sh
for option in "$@"; do
  case "$option" in
    {options}) echo "illegal option -- $option" >&2; exit 64 ;;
  esac
done
exec {program} "$@"
"""
_VARIABLES: Final = {
    "NETBIRD_TOKEN": "nbp_company",
    "TEAM_NETBIRD_TOKEN": "nbp_team",
    "DATADOG_API_KEY": "made-up-datadog-key",
    "NEW_DATADOG_API_KEY": "made-up-datadog-key-after-its-rotation",
    "AWS_ACCESS_KEY_ID": "AKIAMADEUPMADEUPMADE",
    "AWS_SECRET_ACCESS_KEY": "made-up-aws-secret-key",
    "WEBHOOK_TOKEN": "made-up-webhook-token",
    "TEAM_KEY": "made-up-team-key",
    "DESTINATION_TOKEN": "made-up-destination-token",
}
"""Environment variables that the pages use."""


def given_to_a_team() -> list[Manifest]:
    """Objects that a page may use without creating them: the README's Secrets, and its first integration."""
    keys = {"access_key": _VARIABLES["AWS_ACCESS_KEY_ID"], "secret_key": _VARIABLES["AWS_SECRET_ACCESS_KEY"]}
    return [
        with_other_key(secret("datadog", api_key=_VARIABLES["DATADOG_API_KEY"])),
        with_other_key(secret("aws", **keys)),
        secret("webhook", token=_VARIABLES["WEBHOOK_TOKEN"], team_key=_VARIABLES["TEAM_KEY"]),
        # All fields that a page may change are written out, so that applying this reverts them.
        integration(
            "datadog",
            "datadog",
            connectionRef={"kind": "ClusterNetBirdConnection", "name": "default"},
            deletionPolicy="Delete",
            driftPolicy="Correct",
            suspend=False,
        ),
    ]


class ReaderError(Exception):
    """A page is wrong. The message has the place and the output."""


class Reader:
    """A user with a cluster, a NetBird account and a checkout. The operator runs between install and uninstall."""

    def __init__(self, plane: ControlPlane, netbird: RunningNetBird, stack: ExitStack) -> None:
        """Create what every page requires: the accounts in NetBird, and the user's files."""
        self._plane: Final = plane
        self._url: Final = netbird.url
        self._netbird: Final = netbird.control
        self._folder: Final = plane.folder / "checkout"
        self._stack: Final = stack
        self._objects: Final = Objects(plane)
        self._foreign: Final = ForeignObjects(plane, self._objects)
        stack.callback(self._objects.close)
        self._operator: Operator | None = None
        self._prepare(netbird)

    def read(self, page: str) -> int:
        """Follow a page from its beginning to its end, and return the number of its blocks.

        The reader makes each mistake of `mistakes_of` once, while NetBird answers slowly.

        Raises:
            ReaderError: a step of the page fails.
        """
        found = [block for block in pages.blocks(page) if block.runs]
        pending = mistakes_of(page)
        position = 0
        while position < len(found):
            mistake = next((each for each in pending if each.begins_at(found[position])), None)
            if mistake is None:
                self._do_beside_others(found[position])
                position += 1
            else:
                pending.remove(mistake)
                position += self._err(mistake, found[position:])
        return len(found)

    def _err(self, mistake: Mistake, blocks: list[Block]) -> int:
        """Make a mistake in these blocks, check that the last one shows it, and return the next position."""
        steps = list(takewhile(lambda each: mistake.verifies not in each.text, blocks))
        verifying = blocks[len(steps)]
        secrets = self._secrets()
        with self._slow_netbird():
            for block in steps:
                self._do_beside_others(mistake.typed(block))
            self._run(verifying, mistake.make)
            self._see(mistake, verifying)
        self._run(verifying, mistake.undo)
        again = mistake.again or not steps
        self._correct(mistake, secrets, again=again)
        return 0 if again else len(steps)

    def _secrets(self) -> dict[tuple[str, str], Manifest]:
        listed = self._objects.read("/api/v1/secrets") or {"items": []}
        return {(each["metadata"]["namespace"], each["metadata"]["name"]): each for each in listed["items"]}

    def _correct(self, mistake: Mistake, before: dict[tuple[str, str], Manifest], *, again: bool) -> None:
        """Put right values in the place of wrong ones, or delete what the reader creates again."""
        for (wrong, right), ((namespace, name), found) in product(mistake.replaced, self._secrets().items()):
            data = {key: b64decode(value).decode(errors="replace") for key, value in found.get("data", {}).items()}
            typed = _VARIABLES.get(wrong[1:], wrong)
            corrected = {key: value.replace(typed, _VARIABLES[right[1:]]) for key, value in data.items()}
            target = ("secret", name, f"--namespace={namespace}")
            if corrected != data and again and (namespace, name) not in before:
                self._plane.kubectl("delete", *target)
            elif corrected != data:
                patch = json.dumps({"stringData": corrected})
                self._plane.kubectl("patch", *target, "--type=merge", f"--patch={patch}")

    @contextmanager
    def _slow_netbird(self) -> Iterator[None]:
        """Delay each response of NetBird, so that a block passes only if it waits."""
        self._netbird.change_behaviour(latency=_LATENCY_SECONDS)
        try:
            yield
        finally:
            self._netbird.change_behaviour(latency=0.0)

    def _see(self, mistake: Mistake, block: Block) -> None:
        done = self._call(mistake.typed(block).script)
        deadline = time.monotonic() + _SHOWN_SECONDS
        while mistake.shows and not re.search(mistake.shows, done.stdout) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
            done = self._call(mistake.typed(block).script)
        right = re.search(mistake.shows, done.stdout) if mistake.shows else done.returncode != 0
        if not right:
            wanted = f"does not show {mistake.shows!r}" if mistake.shows else "does not fail"
            message = f"{block.place}: {wanted} after a mistake: {mistake}\n{done.stdout}{done.stderr}"
            raise ReaderError(message)

    def _do_beside_others(self, block: Block) -> None:
        before = self._foreign.snapshot()
        self._do(block)
        changed = changes(before, self._foreign.snapshot(), block.script)
        if changed:
            message = f"{block.place}: changes what belongs to others: {', '.join(changed)}"
            raise ReaderError(message)

    def create_namespaces(self, *namespaces: str) -> None:
        """Create namespaces with the objects of others, before the first page is read."""
        for namespace in namespaces:
            self._plane.kubectl("create", "namespace", namespace)
        self._foreign.create(*namespaces)

    def share_the_installation(self) -> None:
        """Let a second team use the connection from now on, and other programs the operator's namespace."""
        self._foreign.create(NAMESPACE)
        access = f"--set=connection.access.namespaces={{{TEAM},{OTHER_TEAM}}}"
        self._call(f"helm upgrade {LEASE} {_CHART} --namespace={NAMESPACE} --reset-then-reuse-values '{access}'")
        token = with_other_key(secret("netbird", token=_VARIABLES["NETBIRD_TOKEN"]))
        self._plane.kubectl("apply", f"--namespace={NAMESPACE}", "-f", "-", input=yaml.safe_dump(token))
        self._foreign.share(self._url)

    def begin(self, *given: Manifest) -> None:
        """Delete the integrations of former pages except these, and wait until these are Ready."""
        wanted = {f"{each['kind'].lower()}s/{each['metadata']['name']}" for each in given}
        # Integrations first: their deletion needs their connections and Secrets.
        for group, plurals in _WHAT_PAGES_DECLARE.items():
            left = {name for plural in plurals for name in self._names(group, plural)} - wanted
            if left:
                self._plane.kubectl("delete", f"--namespace={TEAM}", *left, f"--timeout={_BEGIN_SECONDS}s")
        if not given:
            return
        self._plane.kubectl("apply", f"--namespace={TEAM}", "-f", "-", input=self._here(yaml.safe_dump_all(given)))
        declared = [each for each in wanted if each.startswith("eventstreamingintegrations/")]
        self._plane.kubectl(
            "wait", "--for=condition=Ready", f"--namespace={TEAM}", f"--timeout={_BEGIN_SECONDS}s", *declared
        )

    def _names(self, group: str, plural: str) -> list[str]:
        listed = self._objects.read(f"/{group}/namespaces/{TEAM}/{plural}?{NOT_OTHERS}") or {"items": []}
        return [f"{plural}/{each['metadata']['name']}" for each in listed["items"]]

    def _do(self, block: Block) -> None:
        if block.language == pages.MANIFESTS:
            self._run(block, "kubectl apply -f -", block.text)
            self._run(block, "kubectl diff -f -", block.text)
            return
        if "helm install " not in block.script:
            self._run(block, block.script)
        else:
            # There is no node for its pod.
            with rolling_out(self._plane, NAMESPACE):
                self._run(block, block.script)
            self._operator = self._stack.enter_context(Operator(self._release().installation(), *QUICK_LEASE))
            self._operator.leading()
        if "helm uninstall " in block.script and self._operator is not None:
            self._operator.kill()

    def _run(self, block: Block, script: str, given: str = "") -> None:
        done = self._call(script, given)
        if done.returncode != 0:
            tail = "" if self._operator is None else f"\nthe operator's log ends:\n{self._operator.log_tail(8)}"
            message = f"{block.place}: {script}{done.stdout}{done.stderr}{tail}"
            raise ReaderError(message)

    def _call(self, script: str, given: str = "") -> subprocess.CompletedProcess[str]:
        environment = {
            "HOME": str(self._plane.folder),
            "KUBECONFIG": str(self._plane.kubeconfig),
            "PATH": f"{self._folder / 'bin'}:{os.defpath}",
            **_VARIABLES,
        }
        return subprocess.run(
            [*POSIX, "-c", self._here(script)],
            input=self._here(given),
            cwd=self._folder,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=_BLOCK_SECONDS,
        )

    def _here(self, text: str) -> str:
        for netbird in NETBIRDS:
            text = text.replace(netbird, self._url)
        return text

    def _release(self) -> Release:
        return Release(self._plane, NAMESPACE, LEASE)

    def _prepare(self, netbird: RunningNetBird) -> None:
        for account in ("company", "team", "tenant-a", "tenant-b"):
            netbird.control.add_account(Account(account))
        tenants = frozenset({"tenant-a", "tenant-b"})
        netbird.control.add_token(Token("company", _VARIABLES["NETBIRD_TOKEN"], "company", tenants=tenants))
        netbird.control.add_token(Token("team", _VARIABLES["TEAM_NETBIRD_TOKEN"], "team"))
        by_hand = {"stream_name": "made-by-hand", "region": "eu-central-1", "access_key": "old", "secret_key": "old"}
        netbird.control.create("company", [Draft("firehose", by_hand)])
        netbird.control.change_behaviour(rejected_secrets=frozenset({REJECTED}))
        for folder in _FOLDERS:
            if (pages.ROOT / folder).exists():
                shutil.copytree(pages.ROOT / folder, self._folder / folder)
        for path in self._folder.rglob("*.yaml"):
            path.write_text(self._here(path.read_text()))
        shutil.copy(_CERTIFICATE, self._folder / "ca.crt")
        (self._folder / "bin").mkdir()
        for program in _FOUND:
            (self._folder / "bin" / program).symlink_to(self._plane.binaries.find(program))
        for program in _OWN:
            own = self._folder / "bin" / program
            own.write_text(f'#!/bin/sh\nexec {sys.executable} -m netbird_streaming "$@"\n')
            own.chmod(0o755)
        for program, options in _NOT_IN_BSD.items():
            stub = self._folder / "bin" / program
            stub.write_text(_STUB.format(options=options, program=shutil.which(program, path=os.defpath)))
            stub.chmod(0o755)
