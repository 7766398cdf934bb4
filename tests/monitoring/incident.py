"""An incident under a Prometheus with accelerated rules: the alert fires, no other does, and all clear."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from tests.harness.end_to_end import PATIENCE, eventually
from tests.harness.prometheus import ActiveAlert, Prometheus

PREFIX: Final = "NetBirdStreaming"
Key = tuple[str, str]
"""An alert's name without the prefix, and its cause if it has one."""


class Incident:
    """The alerts that have fired since the beginning. Made by `incident`."""

    def __init__(self, prometheus: Prometheus, factor: float) -> None:
        """Begin now, with rules accelerated by `factor`."""
        self._prometheus: Final = prometheus
        self._factor: Final = factor
        self._began: Final = time.monotonic()
        self.expected: Final[set[Key]] = set()
        self._possible: Final[set[Key]] = set()

    def may_fire(self, name: str) -> None:
        """Allow an alert whose `for` is longer than the recovery, and shorter once it is accelerated."""
        self._possible.add((name, ""))

    def fires(self, name: str, *texts: str, within: float, cause: str = "") -> ActiveAlert:
        """Wait for an alert and return it.

        Args:
            name: without the prefix.
            texts: parts of its annotations.
            within: the maximum minutes, by the chart's rules.
            cause: its label.
        """
        self.expected.add((name, cause))
        seconds = PATIENCE + within * 60 / self._factor
        found = eventually(lambda: self._firing((name, cause)), f"{name} {cause} fires", seconds)
        missing = [text for text in texts if text not in found.text]
        assert not missing, f"{missing} are not in: {found.text}"
        return found

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire now."""
        return {_key(each.labels)[0] for each in self._prometheus.active() if each.fires}

    def clears(self) -> None:
        """Wait until no alert is active, and check that no other has fired."""
        eventually(lambda: not self._prometheus.active(), "every alert clears", PATIENCE * 2)
        fired = {_key(each) for each in self._prometheus.fired(time.monotonic() - self._began)} - self._possible
        assert fired == self.expected, f"fired: {sorted(fired)}, expected: {sorted(self.expected)}"

    def _firing(self, key: Key) -> ActiveAlert | None:
        return next((each for each in self._prometheus.active() if each.fires and _key(each.labels) == key), None)


@contextmanager
def incident(prometheus: Prometheus, factor: float) -> Iterator[Incident]:
    """Begin while no alert is active; at the end of the block every alert must clear."""
    eventually(lambda: not prometheus.active(), "no alert is active before it begins", PATIENCE * 2)
    begun = Incident(prometheus, factor)
    yield begun
    begun.clears()


def check_log(text: str) -> None:
    """Check that each line can be parsed, and that none is an error: no incident is a bug in the operator."""
    lines = [json.loads(each) for each in text.splitlines()]
    assert lines
    assert [each for each in lines if each["level"] == "error"] == []


def _key(labels: Mapping[str, str]) -> Key:
    return labels["alertname"].removeprefix(PREFIX), labels.get("cause", "")
