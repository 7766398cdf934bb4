"""The pages against the code that they describe. tests/controlplane/test_docs.py runs their commands."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from netbird_streaming.api.types import Platform
from netbird_streaming.core.status.events import TRANSIENT, EventReason
from netbird_streaming.reasons import Reason
from tests.harness import pages
from tests.harness.docs_reader import PROGRAMS
from tests.harness.mistakes import NOT_WRONG, Mistake, mistakes_of, takes_credentials, verifying
from tests.harness.pages import COMMANDS, ROOT, Block
from tests.proof.answers import faults_page as faults
from tests.proof.answers.cells import CELLS
from tools.reason_docs import BEGIN, END, SIGNALS, STATUSES, reasons_table, rows_of, with_table

PAGES = pages.pages()
BLOCKS = [block for page in PAGES for block in pages.blocks(page)]
MISTAKES = [mistake for page in PAGES for mistake in mistakes_of(page)]
OF_THE_SHELL = {"bash", "cat", "date", "echo", "grep", "printf", "rm", "sleep", "test", "true", "umask", "xargs"}
SHOWN = {"json", "mermaid", "text"}
"""Languages of blocks that a reader only looks at."""
UNMARKED = "neither to be run nor marked: above it goes <!-- not run: why --> or <!-- run in: page -->"
README = (ROOT / "README.md").read_text()


def place(block: Block) -> str:
    return block.place


def test_table_of_reasons_is_the_closed_list() -> None:
    page = STATUSES.read_text()
    assert with_table(page, reasons_table()) == page, "run `make docs`"


def test_every_reason_has_a_row_with_its_remedy() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (.+) \|$", STATUSES.read_text().partition(BEGIN)[2].partition(END)[0], re.MULTILINE
    )
    assert rows == [(reason.value, reason.remedy) for reason in Reason]


def test_events_page_has_exactly_the_existing_events() -> None:
    assert [row[0] for row in rows_of(SIGNALS, "Normal")] == [f"`{each}`" for each in EventReason]
    (passing,) = re.findall(r"These are none,\nbecause no action is needed: ([^.]+)\.", SIGNALS.read_text())
    assert re.findall(r"`(\w+)`", passing) == [each for each in Reason if each in TRANSIENT]


def test_faults_page_has_every_cell_as_the_proof_writes_it() -> None:
    page = faults.PAGE.read_text()
    known = faults.read(page)
    assert [str(cell) for cell in CELLS if cell not in known] == [], "run `python -m tests.proof.answers`"
    assert faults.with_tables(page, {cell: known[cell] for cell in CELLS}) == page


def test_no_remedy_breaks_the_table() -> None:
    assert [reason for reason in Reason if set("|\n") & set(reason.remedy)] == []


def test_readme_names_only_existing_reasons() -> None:
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", README, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"\w+", row)}
    assert len(named) > 5
    assert named - set(Reason) == set()


def test_each_platform_has_an_example() -> None:
    declared = [document for _, document in pages.manifests("docs/platforms.md")]
    platforms = {each["spec"]["platform"] for each in declared if each["kind"] == "EventStreamingIntegration"}
    assert platforms == set(Platform)


@pytest.mark.parametrize("page", PAGES)
def test_every_named_make_target_exists(page: str) -> None:
    named = set(re.findall(r"(?:^\s*|`)make ([a-z0-9-]+)", (ROOT / page).read_text(), re.MULTILINE))
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert named - targets == set()


@pytest.mark.parametrize("page", PAGES)
def test_every_link_has_a_target(page: str) -> None:
    wrong = []
    for link in pages.links(page):
        path, anchor = link.destination
        if not path.exists() or (anchor and anchor not in pages.anchors(str(path.relative_to(ROOT)))):
            wrong.append(link.target)
    assert wrong == []


@pytest.mark.parametrize("page", PAGES)
def test_every_named_folder_of_tests_exists(page: str) -> None:
    named = re.findall(r"\b(tests/[\w./]*\w)", (ROOT / page).read_text())
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_index_links_every_page() -> None:
    listed = {str(link.destination[0].relative_to(ROOT)) for link in pages.links("docs/README.md")}
    with_an_index = ("docs/runbooks/", "docs/decisions/", "docs/reference/")
    beside = {page for page in PAGES if page.startswith("docs/") and not page.startswith(with_an_index)}
    assert beside - listed == {"docs/README.md"}


def test_index_of_decisions_links_every_decision() -> None:
    index = "docs/decisions/README.md"
    listed = {str(link.destination[0].relative_to(ROOT)) for link in pages.links(index)}
    assert {page for page in PAGES if page.startswith("docs/decisions/")} - listed == {index}


def test_operations_links_every_runbook() -> None:
    listed = {str(link.destination[0].relative_to(ROOT)) for link in pages.links("docs/operations.md")}
    runbooks = {page for page in PAGES if page.startswith("docs/runbooks/")}
    assert runbooks
    assert runbooks - listed == set()


@pytest.mark.parametrize("page", PAGES)
def test_example_can_be_applied_or_says_why_not(page: str) -> None:
    parts = [block.place for block, each in pages.manifests(page) if not {"apiVersion", "kind"} <= set(each)]
    assert parts == [], UNMARKED


@pytest.mark.parametrize("block", [each for each in BLOCKS if each.runs and each.language in COMMANDS], ids=place)
def test_command_can_be_run_or_says_why_not(block: Block) -> None:
    assert block.script.strip(), "no line begins with $"
    assert pages.programs(block.script) - PROGRAMS - OF_THE_SHELL == set(), UNMARKED


@pytest.mark.parametrize("block", [each for each in BLOCKS if each.language in COMMANDS], ids=place)
def test_command_is_posix_shell(block: Block) -> None:
    done = subprocess.run(["dash", "-n"], input=block.script, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("block", [each for each in BLOCKS if each.run_in is not None], ids=place)
def test_block_that_is_run_on_another_page_is_equal_there(block: Block) -> None:
    assert block.run_in in PAGES
    assert block.text in [each.text for each in pages.blocks(block.run_in) if each.runs]


@pytest.mark.parametrize("page", PAGES)
def test_every_block_of_code_is_run_or_can_be_no_command(page: str) -> None:
    found = list(pages.code_blocks(page))
    assert {language for language, _ in found} <= {*COMMANDS, pages.MANIFESTS, *SHOWN}
    typed = re.compile(rf"^ *(\$ +)?({'|'.join(PROGRAMS | {'make', 'docker'})}) ", re.MULTILINE)
    assert [text for language, text in found if language in SHOWN and typed.search(text)] == []


@pytest.mark.parametrize("page", PAGES)
def test_verifying_block_is_also_run_after_a_mistake(page: str) -> None:
    seen = [each.verifies for each in mistakes_of(page)]
    unseen = [block.place for block in verifying(page) if not any(text in block.text for text in seen)]
    assert (unseen == []) is (page not in NOT_WRONG), unseen


@pytest.mark.parametrize("block", [each for each in BLOCKS if each.runs and takes_credentials(each)], ids=place)
def test_wrong_credential_is_shown_by_a_later_block(block: Block) -> None:
    assert [mistake for mistake in mistakes_of(block.page) if mistake.begins == block.text]


@pytest.mark.parametrize("mistake", MISTAKES, ids=[f"{number} {each.page}" for number, each in enumerate(MISTAKES)])
def test_mistake_is_made_in_one_block_and_found_in_one(mistake: Mistake) -> None:
    blocks = [block for block in pages.blocks(mistake.page) if block.runs]
    begins = [block for block in blocks if mistake.begins_at(block)]
    seen = [block for block in blocks if mistake.verifies in block.text]
    assert len(seen) == 1
    assert begins
    assert begins[0].line <= seen[0].line
    typed = "".join(mistake.typed(block).text for block in blocks if begins[0].line <= block.line <= seen[0].line)
    assert all(wrong in typed for wrong in mistake.instead.values())


def test_most_blocks_are_run(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        sys.stdout.write(f"\n{pages.figures()}\n")
    assert sum(block.runs for block in BLOCKS) > len(BLOCKS) / 2


@pytest.mark.parametrize(
    ("script", "named"),
    [
        ("kubectl get esi -A   # don't run `make`\nmake all\n", {"kubectl", "make"}),
        ('printf %s "$TOKEN" |\n  kubectl apply -f - > made.txt 2>&1', {"printf", "kubectl"}),
        ("for each in a b; do\n  helm get $each\ndone\nX=1 git log && true", {"helm", "git", "true"}),
        ("kubectl create --from-file=a=<(printf %s b) \\\n  --dry-run=client", {"kubectl", "printf"}),
        ("kubectl apply -f - <<'END' | cat\nkind: Secret\nname: x\nEND\ndate\n", {"kubectl", "cat", "date"}),
    ],
)
def test_programs_of_a_script_are_found(script: str, named: set[str]) -> None:
    assert pages.programs(script) == named


@pytest.mark.parametrize("page", ["no markers", f"{END}{BEGIN}", f"{BEGIN}{BEGIN}{END}", f"{BEGIN}{END}{END}"])
def test_page_without_its_markers_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="once each, in this order"):
        with_table(page, "")


def test_writing_the_table_twice_changes_nothing_more() -> None:
    once = with_table(f"before\n{BEGIN}old\n{END}after\n", "new\n")
    assert once == f"before\n{BEGIN}\nnew\n\n{END}after\n"
    assert with_table(once, "new\n") == once


@pytest.mark.parametrize("page", PAGES)
def test_page_names_no_path_of_one_machine(page: str) -> None:
    text = (ROOT / page).read_text()
    assert str(Path.home()) not in text
    assert str(ROOT) not in text
