"""Checks of the built site: each page has the structure that CommonMark gives it, and needs no other host."""

import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt

STRUCTURE: Final = frozenset({"h1", "h2", "h3", "h4", "li", "ol", "pre", "table", "tr", "ul"})
_ARTICLE: Final = re.compile(r"<article.*?</article>", re.DOTALL)
_LOADED: Final = re.compile(r'<(?:script|img|link rel="stylesheet")[^>]*? (?:src|href)="https?://[^"]*"')


class _Counter(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self.found[tag] += tag in STRUCTURE


def differences(page: str, html: str) -> dict[str, tuple[int, int]]:
    """Return the elements whose number in the article differs from that of the page, with both numbers."""
    article = _ARTICLE.search(html)
    wanted = _Counter(MarkdownIt("commonmark").enable("table").render(page)).found
    built = _Counter("" if article is None else article[0]).found
    return {tag: (wanted[tag], built[tag]) for tag in sorted(STRUCTURE) if wanted[tag] != built[tag]}


def problems(pages: Path, site: Path) -> Iterator[str]:
    """Yield what is wrong with the site of these pages."""
    for page in sorted(pages.rglob("*.md")):
        path = page.relative_to(pages)
        folder = path.parent if path.name == "README.md" else path.with_suffix("")
        html = (site / folder / "index.html").read_text()
        for tag, (wanted, built) in differences(page.read_text(), html).items():
            yield f"{path}: {built} elements {tag} instead of {wanted}"
        for loaded in _LOADED.findall(html):
            yield f"{path}: loads from another host: {loaded}"
