"""Any response of NetBird at any time: no promise is broken, a user reads what docs/faults.md says, and it recovers."""

from collections import Counter

import pytest

from tests.proof.answers import faults_page
from tests.proof.answers.cells import CELLS, Cell
from tests.proof.answers.matrix import Matrix
from tests.proof.api_user import CANARIES
from tests.proof.promises import MOST_MEMORY

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(900)]


@pytest.mark.parametrize("cell", CELLS, ids=str)
async def test_wrong_response_breaks_no_promise_and_recovers(matrix: Matrix, cell: Cell) -> None:
    life = await matrix.lives[str(cell)]
    assert life.breaches == []
    assert life.seen == faults_page.read(faults_page.PAGE.read_text()).get(cell), "run `python -m tests.proof.answers`"


async def test_operator_of_all_cells_keeps_to_its_memory_limit(matrix: Matrix) -> None:
    for each in matrix.lives.values():
        await each
    assert 0 < matrix.service.peak_memory() <= MOST_MEMORY


async def test_operator_shows_no_secret(matrix: Matrix, capsys: pytest.CaptureFixture[str]) -> None:
    lives = [await each for each in matrix.lives.values()]
    log = matrix.service.logged()
    assert '"level": "debug"' in log
    assert CANARIES.search({"log": log, **matrix.service.survey()}) == []
    requests = Counter(life.requests for life in lives)
    with capsys.disabled():
        print(f"\n{len(lives)} cells; requests until healed: {sorted(requests.items())}")  # noqa: T201 # what was covered
