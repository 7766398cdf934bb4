"""No task fails silently: each is in a task group, started by `background.start`, or its result is always read."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import netbird_streaming

SOURCES: Final = Path(netbird_streaming.__file__).parent
STARTING: Final = frozenset({"create_task", "ensure_future", "run_coroutine_threadsafe", "Task"})
RESULT_READ: Final = {
    "background.start": "the helper itself",
    "background.heeding_cancellation": "awaited where it is started",
    "run_operator": "both are waited for, and the operator's exception is read",
    "_lead": "the leader's exception is read after it has ended",
    "_run_kopf": "awaited where it is started",
    "tracking_task_factory": "the task factory: what it makes belongs to its caller",
}


def starts(path: Path) -> Iterator[str]:
    """Yield each function that starts a task outside of a task group, by name."""
    for function in ast.walk(ast.parse(path.read_text())):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for node in ast.walk(function):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            owner = node.func.value
            if node.func.attr in STARTING and not (isinstance(owner, ast.Name) and owner.id == "group"):
                top = path.parent == SOURCES
                yield f"{path.stem}.{function.name}" if top else function.name


def test_every_task_is_started_where_its_failure_is_handled() -> None:
    found = {each for path in SOURCES.rglob("*.py") for each in starts(path)}
    assert found == set(RESULT_READ)
