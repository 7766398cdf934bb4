"""The documentation as data: its pages, their blocks of commands and manifests, their links and anchors."""

import re
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT: Final = Path(__file__).parents[2]
COMMANDS: Final = frozenset({"sh", "console"})
"""Languages of blocks that a reader types. `console` shows the output too, and its commands begin with `$ `."""
MANIFESTS: Final = "yaml"
"""Languages that a reader applies, if all of their documents have a kind."""

_MARKER: Final = re.compile(r"<!-- (not run|run in): (.+?) -->\s*")
_SEPARATORS: Final = frozenset("();<>|&")
_KEYWORDS: Final = frozenset({"do", "done", "for", "while", "until", "if", "then", "else", "fi", "!", "{", "}"})
_COMMENT: Final = re.compile(r"(^|[ \t])#.*", re.MULTILINE)
_ASSIGNMENT: Final = re.compile(r"\w+=")
_HERE_DOCUMENT: Final = re.compile(r"<<'(\w+)'(.*\n)(?:.*\n)*?\1\n")


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code of a page, and whether it is run."""

    page: str
    """The page's path from the root of the repository."""
    line: int
    language: str
    text: str
    not_run: str | None
    """The reason why no test runs it, as the page says directly above it."""
    run_in: str | None
    """The page on which the same block is run."""

    @property
    def place(self) -> str:
        """The location in the form of editors."""
        return f"{self.page}:{self.line}"

    @property
    def runs(self) -> bool:
        """Return whether it is run on its own page."""
        return self.not_run is None and self.run_in is None

    @property
    def script(self) -> str:
        """Return the commands that a reader would type."""
        if self.language != "console":
            return self.text
        typed = re.findall(r"^\$ (.*(?:\\\n.*)*)$", self.text, re.MULTILINE)
        return "".join(f"{each}\n" for each in typed)


@dataclass(frozen=True, slots=True)
class Link:
    """A link of a page to a file of the repository."""

    page: str
    target: str

    @property
    def destination(self) -> tuple[Path, str]:
        """The file and the anchor of the link; `""` without an anchor."""
        name, _, anchor = self.target.partition("#")
        return ((ROOT / self.page).parent / name).resolve() if name else ROOT / self.page, anchor


def pages() -> list[str]:
    """Return every page of the repository, by its path from the root."""
    found = (path.relative_to(ROOT) for path in ROOT.rglob("*.md"))
    return sorted(str(path) for path in found if not any(_is_made_by_a_tool(part) for part in path.parts))


def _is_made_by_a_tool(folder: str) -> bool:
    return folder.startswith(".") and folder != ".github"


def blocks(page: str) -> list[Block]:
    """Yield the blocks that can be run, in order: commands, and whole manifests or parts of them."""
    found: list[Block] = []
    marker: re.Match[str] | None = None
    for token in _tokens(page):
        if token.type == "fence" and (token.info in COMMANDS or token.info == MANIFESTS):
            line = (token.map or [0])[0] + 1
            said: dict[str, str] = {} if marker is None else {marker[1]: marker[2]}
            found.append(Block(page, line, token.info, token.content, said.get("not run"), said.get("run in")))
        marker = _MARKER.fullmatch(token.content) if token.type == "html_block" else None
    return found


def manifests(page: str) -> Iterator[tuple[Block, Any]]:
    """Yield the documents that a reader of the page applies, each with its block."""
    for block in blocks(page):
        if block.language == MANIFESTS and block.runs:
            yield from ((block, each) for each in yaml.safe_load_all(block.text))


def programs(script: str) -> set[str]:
    """Return the programs that a script names as commands, shell built-ins included."""
    plain = _COMMENT.sub("", _HERE_DOCUMENT.sub(r"\2", script).replace("\\\n", " "))
    # A line's end separates commands, so it becomes a separator of the splitter.
    words = shlex.shlex(plain.replace("\n", " ; "), posix=True, punctuation_chars=True)
    found = set()
    first = True
    for word in words:
        if set(word) <= _SEPARATORS:
            # A redirection's target is a file, and the text after a substitution continues the command around it.
            first = bool(set(word) & set("|;(")) or word in {"&", "&&"}
        elif first and word in _KEYWORDS:
            first = word not in {"for", "done", "fi"}
        elif first and not _ASSIGNMENT.match(word):
            found.add(word)
            first = False
    return found


def figures() -> str:
    """Return the numbers of blocks that are run and not run, as a line for the test report."""
    found = [block for page in pages() for block in blocks(page)]
    run = sum(block.runs for block in found)
    repeated = sum(block.run_in is not None for block in found)
    return f"documentation: {run} blocks are run, {repeated} repeat one of these, {len(found) - run - repeated} are not"


def links(page: str) -> Iterator[Link]:
    """Yield every link and image of a page that leads to a file of the repository."""
    for token in _tokens(page):
        for child in token.children or ():
            target = child.attrGet("href") or child.attrGet("src")
            if isinstance(target, str) and not re.match(r"[a-z]+:", target):
                yield Link(page, target)


def code(page: str) -> Iterator[str]:
    """Return what a page writes as code within its text."""
    for token in _tokens(page):
        yield from (child.content for child in token.children or () if child.type == "code_inline")


def code_blocks(page: str) -> Iterator[tuple[str, str]]:
    """Return the language and the text of each block of code of a page; the language is empty if none is named."""
    yield from ((token.info, token.content) for token in _tokens(page) if token.type in {"fence", "code_block"})


def tables(page: str) -> list[list[list[str]]]:
    """Return the tables of a page as rows of cells; the first row is the head."""
    found: list[list[list[str]]] = []
    for token, following in pairwise(_tokens(page)):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type in {"th_open", "td_open"}:
            found[-1][-1].append(following.content)
    return found


def column(page: str, head: re.Pattern[str]) -> Iterator[str]:
    """Return the cells of each column of a page's tables whose head matches."""
    for title, *rows in tables(page):
        for place, name in enumerate(title):
            if head.fullmatch(name):
                yield from (row[place] for row in rows)


def anchors(page: str) -> set[str]:
    """Return the anchors of a page's headings, as forges make them."""
    seen: Counter[str] = Counter()
    found = set()
    for opening, text in pairwise(_tokens(page)):
        if opening.type == "heading_open":
            plain = "".join(child.content for child in text.children or ())
            slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
            found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
            seen[slug] += 1
    return found


def _tokens(page: str) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse((ROOT / page).read_text())
