"""The site of the documentation. `make docs-site` builds it and checks its links."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.site import __main__ as site
from tools.site.check import differences


def navigated(nav: list[Any]) -> Iterator[str]:
    """Yield the pages of a part of the navigation."""
    for each in nav:
        if isinstance(each, str):
            yield each
        else:
            for target in each.values():
                yield from navigated(target if isinstance(target, list) else [target])


def test_navigation_has_each_page_once() -> None:
    nav = tomllib.loads((site.CONFIGURATION / "zensical.toml").read_text())["project"]["nav"]
    pages = [str(each) for each in site.copied_files() if each.suffix == ".md"]
    assert sorted(navigated(nav)) == sorted(pages)


def test_added_version_is_first_and_replaces_its_former_build(tmp_path: Path) -> None:
    built, served = tmp_path / "html", tmp_path / "served"
    served.mkdir()
    built.mkdir()
    for version in ("0.1.0", "0.2.0", "0.1.0", "0.2.0"):
        (built / "index.html").write_text(version)
        site.add(built, served, version)
    assert [each["version"] for each in json.loads((served / "versions.json").read_text())] == ["0.2.0", "0.1.0"]
    assert (served / "0.1.0" / "index.html").read_text() == "0.1.0"
    assert "0; url=0.2.0/" in (served / "index.html").read_text()


def test_page_that_lost_a_nested_list_is_reported() -> None:
    page = "# A\n\n- b\n  - c\n"
    assert differences(page, "<article><h1>A</h1><ul><li>b</li><li>c</li></ul></article>") == {"ul": (2, 1)}
    assert differences(page, "<article><h1>A</h1><ul><li>b<ul><li>c</li></ul></li></ul></article>") == {}
