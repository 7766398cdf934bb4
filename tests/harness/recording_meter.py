"""A meter that remembers, for worlds in which nobody scrapes."""

from collections import Counter

from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.ports import Outcome


class Tally:
    """The reconciler's `MetricsRecorder`, in memory."""

    def __init__(self) -> None:
        """Begin at zero."""
        self.outcomes: Counter[tuple[str, Outcome]] = Counter()
        self.put_backs: Counter[tuple[str, Reason]] = Counter()
        self.found = 0
        self.corrected = 0

    def reconciled(self, kind: str, outcome: Outcome, seconds: float) -> None:
        """Count it."""
        assert seconds >= 0
        self.outcomes[kind, outcome] += 1

    def requeued(self, kind: str, reason: Reason) -> None:
        """Count it."""
        self.put_backs[kind, reason] += 1

    def drift_found(self) -> None:
        """Count it."""
        self.found += 1

    def drift_corrected(self) -> None:
        """Count it."""
        self.corrected += 1
