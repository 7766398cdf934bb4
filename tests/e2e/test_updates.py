"""An upgrade and a rollback while users keep working."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from threading import Event, Thread

import pytest

from tests.doubles.netbird.request_log import Entry
from tests.e2e.conftest import Figure
from tests.e2e.release import FIRST, REPOSITORY, SECOND, Site, installed
from tests.harness import manifests
from tests.harness.end_to_end import Json

RELEASE = "netbird-streaming-operator"
EDIT_SECONDS = 0.4
EDITS_BETWEEN_CREATIONS = 3
LONGEST_PAUSE = 10.0


@pytest.fixture(scope="module")
def release(site: Site) -> Iterator[Site]:
    with installed(site) as release:
        yield release


class Users:
    """Users who create and change resources, one step after the other, until they are stopped."""

    def __init__(self, release: Site) -> None:
        self.urls: dict[str, str] = {}
        """Return the current spec of each resource."""
        self.edits = 0
        self.failure: Exception | None = None
        self._release = release
        self._enough = Event()
        self._thread = Thread(target=self._work, name="users")

    @contextmanager
    def working(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._enough.set()
            self._thread.join()
        assert self.failure is None

    def _work(self) -> None:
        try:
            while not self._enough.wait(EDIT_SECONDS):
                self._step()
        except Exception as error:  # noqa: BLE001 — a thread can't fail the test, who waits for it does
            self.failure = error

    def _step(self) -> None:
        number = len(self.urls)
        new = self.edits % EDITS_BETWEEN_CREATIONS == 0
        name = f"hook-{number if new else self.edits % number}"
        url = f"https://siem.example.com/{name}/{self.edits}"
        self._release.apply(manifests.integration("generic_http", name, genericHTTP={"url": url}))
        self.urls[name] = url
        self.edits += 1


@pytest.mark.timeout(300)
def test_upgrade_and_rollback_during_edits_lose_and_duplicate_nothing(release: Site, figure: Figure) -> None:
    users, control = Users(release), release.netbird.control
    since = control.figures().requests
    with release.cleared():
        with users.working():
            _wait_for_edits(release, users, 5)
            upgrade = _timed(release, SECOND, lambda: release.install(tag=SECOND))
            _wait_for_edits(release, users, 5)
            rollback = _timed(release, FIRST, lambda: release.helm("rollback", RELEASE, "--wait", "--timeout=120s"))
            _wait_for_edits(release, users, 5)
        release.ready(*users.urls)
        held = control.integrations(release.account)
        assert sorted(each.config["url"] for each in held) == sorted(users.urls.values())
        ids = {name: release.integration(name)["status"]["id"] for name in users.urls}
        assert sorted(ids.values()) == sorted(each.id for each in held)
        entries = [each for each in control.journal(since) if each.method != "GET"]
        assert {each.status for each in entries} == {200}
        assert Counter(each.method for each in entries)["POST"] == len(users.urls)
        assert not _twice(entries)
    pause = _longest_pause(entries)
    assert pause < LONGEST_PAUSE
    figure(
        f"upgrade {upgrade:.1f} s and rollback {rollback:.1f} s under {users.edits} edits of {len(users.urls)} "
        f"resources: {len(entries)} writes to NetBird, the longest pause between two {pause:.1f} s"
    )


def _wait_for_edits(release: Site, users: Users, more: int) -> None:
    target = users.edits + more
    release.until(lambda: users.edits >= target or users.failure, f"{more} more edits")


def _timed(release: Site, tag: str, act: Callable[[], str]) -> float:
    """Change the version, check that every pod has it, and return the seconds of Helm."""
    began = time.monotonic()
    act()
    took = time.monotonic() - began
    release.settled()
    assert {_image(each) for each in release.pods()} == {f"{REPOSITORY}:{tag}"}
    return took


def _image(pod: Json) -> str:
    image: str = pod["spec"]["containers"][0]["image"]
    return image


def _twice(entries: list[Entry]) -> list[str]:
    """Return the bodies that were sent more than once. Each edit is different."""
    sent = Counter(json.loads(each.body)["config"]["url"] for each in entries)
    return [url for url, times in sent.items() if times > 1]


def _longest_pause(entries: list[Entry]) -> float:
    times = [each.received_at.timestamp() for each in entries]
    return max(after - before for before, after in pairwise(times))
