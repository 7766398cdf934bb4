"""The leak search finds a planted secret in each of the searched places."""

import itertools
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from tests.harness.leaks import Canaries, canary
from tests.harness.secret_sinks import audit_sink, objects_sink, process_sinks

SECRET: Final = canary("planted")
SEARCH: Final = Canaries({"planted": SECRET})
PROGRAM: Final = """
import ctypes, os, subprocess, sys, tempfile
where, secret = sys.argv[1], sys.argv[2][::-1]
folder = os.environ["TMPDIR"]
child = None
if where == "argument of a child":
    child = subprocess.Popen([sys.executable, "-c", "print(flush=True); input()", secret], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)
if where == "environment of a child":
    child = subprocess.Popen([sys.executable, "-c", "print(flush=True); input()"], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, env={**os.environ, "TOKEN": secret})
if child is not None:
    child.stdout.readline()
if where == "title":
    ctypes.CDLL(None).prctl(15, secret[:15].encode(), 0, 0, 0)
if where == "file that was left":
    open(os.path.join(folder, "left"), "w").write(secret)
if where == "name of a file":
    open(os.path.join(folder, secret.replace("/", "_")), "w")
if where == "file elsewhere":
    kept = open(os.path.join(os.path.dirname(folder), "elsewhere"), "w+")
    kept.write(secret)
    kept.flush()
if where == "deleted file":
    kept = tempfile.TemporaryFile()
    kept.write(secret.encode())
    kept.flush()
print(flush=True)
sys.stdin.read()
if child is not None:
    child.communicate()
"""
PROCESS_PLACES: Final = {
    "argument of a child": "cmdline",
    "environment of a child": "environ",
    "title": "comm",
    "file that was left": "file left",
    "name of a file": "name of",
    "file elsewhere": "open file",
    "deleted file": "open file",
}
USER: Final = "system:serviceaccount:operator:operator"
RESOURCE: Final[Mapping[str, Any]] = {
    "kind": "EventStreamingIntegration",
    "metadata": {"name": "events", "annotations": {}, "managedFields": [{"manager": "operator", "fieldsV1": {}}]},
    "spec": {"genericHTTP": {"url": "https://siem.example.com"}},
    "status": {"conditions": [{"type": "Ready", "message": ""}]},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "temporary").mkdir()
    return tmp_path / "temporary"


def places(folder: Path, where: str, *arguments: str, **environment: str) -> Mapping[str, bytes]:
    """Return what is visible of a process that stores the secret somewhere."""
    # Its own command line has the secret backwards, because it would be found there otherwise.
    command = [sys.executable, "-c", PROGRAM, where, SECRET[::-1], *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"TMPDIR": str(folder), **environment}
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"\n"
        seen = process_sinks(process.pid, folder)
        process.communicate()
    return seen


@pytest.mark.parametrize("where", PROCESS_PLACES)
def test_visible_state_of_a_process_is_searched(folder: Path, where: str) -> None:
    found = SEARCH.search(places(folder, where))
    assert found
    assert all(PROCESS_PLACES[where] in each.place for each in found)


def test_command_line_and_environment_of_a_process_are_searched(folder: Path) -> None:
    found = SEARCH.search(places(folder, "nowhere", f"--token={SECRET}", TOKEN=SECRET))
    assert {each.place.partition(" ")[0] for each in found} == {"cmdline", "environ"}


def test_process_that_keeps_its_secret_shows_none(folder: Path) -> None:
    assert SEARCH.search(places(folder, "nowhere")) == []


def test_ended_process_shows_nothing(folder: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
        assert process_sinks(process.pid, folder) == {}


@pytest.mark.parametrize(
    "path",
    [
        ("metadata", "name"),
        ("metadata", "labels", "label"),
        ("metadata", "annotations", "integrations.netbird.io/reconcile-requested-at"),
        ("metadata", "finalizers", 0),
        ("metadata", "managedFields", 0, "fieldsV1", f'k:{{"name":"{SECRET}"}}'),
        ("spec", "genericHTTP", "url"),
        ("status", "conditions", 0, "message"),
        ("status", "config", "url"),
        ("note",),
        ("message",),
    ],
    ids=lambda path: ".".join(str(each) for each in path[:3]),
)
def test_every_field_of_an_object_is_searched(path: tuple[str | int, ...]) -> None:
    planted = _with(json.loads(json.dumps(RESOURCE)), path)
    assert SEARCH.search({"objects": objects_sink([RESOURCE, planted])})
    assert bool(SEARCH.search({"objects": objects_sink([planted], own_words=False)})) is (path[0] != "spec")


def test_every_field_of_a_secret_but_its_values_is_searched() -> None:
    applied = {"kubectl.kubernetes.io/last-applied-configuration": SECRET}
    held = {"kind": "Secret", "metadata": {"name": "netbird", "annotations": applied}, "data": {"token": SECRET}}
    assert SEARCH.search({"objects": objects_sink([held])}) == []
    held["metadata"] = {"name": "netbird", "labels": {"token": SECRET}}
    assert SEARCH.search({"objects": objects_sink([held])})


@pytest.mark.parametrize(
    "entry", [{"requestURI": f"/api?token={SECRET}"}, {"requestObject": {"status": {"config": {"key": SECRET}}}}]
)
def test_only_the_operators_requests_in_the_audit_log_are_searched(tmp_path: Path, entry: dict[str, Any]) -> None:
    log = tmp_path / "audit.log"
    lines = [{"user": {"username": "admin"}, **entry}, {"user": {"username": USER}}]
    log.write_text("".join(f"{json.dumps(each)}\n" for each in lines))
    assert SEARCH.search({"requests": audit_sink(log, USER)}) == []
    position = log.stat().st_size
    with log.open("a") as end:
        end.write(f"{json.dumps({'user': {'username': USER}, **entry})}\n")
        end.write('{"user": {"user')
    assert SEARCH.search({"requests": audit_sink(log, USER, position)})


def _with(found: Any, path: tuple[Any, ...]) -> Any:
    place = found
    for step, following in itertools.pairwise(path):
        place = place[step] if isinstance(place, list) else place.setdefault(step, [] if following == 0 else {})
    if isinstance(place, list):
        place.append(SECRET)
    else:
        place[path[-1]] = SECRET
    return found
