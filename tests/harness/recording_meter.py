"""A metrics recorder in memory, for tests without a scraper."""

from collections import Counter

from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.ports import Outcome


class Tally:
    """The reconciler's `MetricsRecorder`, in memory."""

    def __init__(self) -> None:
        self.outcomes: Counter[tuple[str, Outcome]] = Counter()
        self.put_backs: Counter[tuple[str, Reason]] = Counter()
        self.found = 0
        self.corrected = 0

    def reconciled(self, kind: str, outcome: Outcome, seconds: float) -> None:
        assert seconds >= 0
        self.outcomes[kind, outcome] += 1

    def requeued(self, kind: str, reason: Reason) -> None:
        self.put_backs[kind, reason] += 1

    def drift_found(self) -> None:
        self.found += 1

    def drift_corrected(self) -> None:
        self.corrected += 1
