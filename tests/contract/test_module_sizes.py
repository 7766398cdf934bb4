"""Sizes of the operator's modules: a new module has at most 300 lines, and no large one grows."""

from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).parents[2] / "operator/netbird_streaming"
MAX_LINES: Final = 300
LARGE: Final = {
    "api/status.py": 372,  # one declaration for each field of a status, with its description
    "app.py": 310,  # the only place that connects all parts
    "cli/observations.py": 330,  # one sentence for each observation of `verify`
    "config/settings.py": 357,  # one declaration for each setting, with its text for `run --help`
    "core/policies/create_outcome.py": 330,  # all ways in which an unanswered create is resolved
    "netbird/client.py": 332,  # one method for each operation of the API
    "netbird/rate_limiter.py": 312,  # one algorithm
    "netbird/responses.py": 330,  # the meaning of each status code and body
    "reconciler/connection/account.py": 377,  # one state machine: the shared list of an account
    "watch/secrets.py": 307,  # one list and watch
}
"""Modules above the limit, with their lines at most and the reason."""


def sizes() -> dict[str, int]:
    modules = PACKAGE.rglob("*.py")
    return {module.relative_to(PACKAGE).as_posix(): len(module.read_text().splitlines()) for module in modules}


def test_no_module_is_larger_than_its_limit() -> None:
    found = sizes()
    assert len(found) > 100
    assert {name: lines for name, lines in found.items() if lines > LARGE.get(name, MAX_LINES)} == {}


def test_each_exception_is_still_needed() -> None:
    found = sizes()
    assert [name for name in LARGE if found.get(name, 0) <= MAX_LINES] == []
