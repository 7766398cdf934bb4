"""The requests of `verify`, with what NetBird answered to each, as far as it may be reported."""

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from netbird_streaming.netbird.responses import Call, NoResponse, Operation, Response


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer of the API: `body` is its JSON, or None if it is none; `text` is the beginning of what is no JSON."""

    step: str
    operation: Operation
    path: str
    status: int | None
    body: Any = None
    is_json: bool = False
    text: str = ""
    date: str | None = None
    retry_after: str | None = None
    failure: str | None = None
    seconds: float = 0.0
    at: datetime | None = None


@dataclass(slots=True)
class Journal:
    """All answers, in their order. `step` names what the command is doing."""

    step: str = ""
    answers: list[Answer] = field(default_factory=list)
    _since: float = field(default_factory=time.monotonic)

    def begin(self, step: str) -> None:
        """Begin a step."""
        self.step, self._since = step, time.monotonic()

    def inspect(self, call: Call, path: str, outcome: Response | NoResponse) -> None:
        """Keep an answer."""
        now = time.monotonic()
        seconds, self._since, at = now - self._since, now, datetime.now(UTC)
        if isinstance(outcome, NoResponse):
            self.answers.append(
                Answer(self.step, call.operation, path, None, failure=outcome.failure.words, seconds=seconds)
            )
            return
        content = bytes(outcome.body)
        try:
            body, is_json = json.loads(content), True
        except (ValueError, RecursionError):
            body, is_json = None, False
        text = "" if is_json else content[:100].decode(errors="replace")
        answer = Answer(
            self.step,
            call.operation,
            path,
            outcome.status,
            body,
            is_json=is_json,
            text=text,
            date=outcome.date,
            retry_after=outcome.retry_after,
            seconds=seconds,
            at=at,
        )
        self.answers.append(answer)

    def of(self, step: str) -> list[Answer]:
        """Return the answers of a step."""
        return [each for each in self.answers if each.step == step]

    def last(self, step: str) -> Answer | None:
        """Return the last answer of a step."""
        return next(iter(self.of(step)[::-1]), None)

    def body(self, step: str) -> dict[str, Any]:
        """Return the JSON object of the last answer of a step; empty if there is none."""
        answer = self.last(step)
        return answer.body if answer is not None and isinstance(answer.body, dict) else {}

    def listed(self, step: str, integration_id: int | None) -> dict[str, Any]:
        """Return an integration as the last list of a step shows it; empty if it is not there."""
        answer = self.last(step)
        items = answer.body if answer is not None and isinstance(answer.body, list) else []
        return next((item for item in items if isinstance(item, dict) and item.get("id") == integration_id), {})
