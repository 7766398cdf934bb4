"""Build the site of the documentation: `make docs-site`. It runs with the tools of `.venv-docs` only.

`python -m tools.site` writes the site to .local/site/html. `python -m tools.site add FOLDER VERSION` copies that into a
folder that is served, next to other versions.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tools.site.check import problems

ROOT: Final = Path(__file__).parents[2]
CONFIGURATION: Final = Path(__file__).parent
TARGET: Final = ROOT / ".local" / "site"
ENVIRONMENT: Final = ROOT / ".venv-docs"
DIAGRAMS: Final = ENVIRONMENT / "node_modules" / "@mermaid-js" / "tiny" / "dist" / "mermaid.tiny.js"
"""The script that draws diagrams. The site has it, so that a browser asks no other host for it."""
_REDIRECT: Final = '<!doctype html><meta http-equiv="refresh" content="0; url={version}/"><title>{version}</title>\n'


def copied_files() -> list[Path]:
    """Return the pages and pictures of the repository, except those that git ignores."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md", "docs/images/"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    return [Path(each) for each in listed if (ROOT / each).is_file()]


def stage(target: Path) -> None:
    """Write the input of the build: the pages at their paths, and the configuration."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(CONFIGURATION, target, ignore=shutil.ignore_patterns("*.py", "__pycache__", "package*.json"))
    pages = target / "pages"
    for each in copied_files():
        (pages / each.parent).mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / each, pages / each)
    shutil.copy(CONFIGURATION / "site.css", pages)
    shutil.copy(DIAGRAMS, pages)


def add(site: Path, served: Path, version: str) -> None:
    """Add a version to a served folder, or replace it. The folder's own page leads to it."""
    shutil.rmtree(served / version, ignore_errors=True)
    shutil.copytree(site, served / version)
    index = served / "versions.json"
    known = json.loads(index.read_text()) if index.exists() else []
    others = [each for each in known if each["version"] != version]
    index.write_text(json.dumps([{"version": version, "title": version, "aliases": []}, *others], indent=2) + "\n")
    (served / "index.html").write_text(_REDIRECT.format(version=version))


def main(arguments: list[str]) -> int:
    """Build, or add what was built."""
    if arguments:
        _, served, version = arguments
        add(TARGET / "html", Path(served), version)
        return 0
    stage(TARGET)
    command = [str(ENVIRONMENT / "bin" / "zensical"), "build", "--strict", "--clean"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}  # for the extension of this folder
    subprocess.run(command, cwd=TARGET, env=environment, check=True)
    found = list(problems(TARGET / "pages", TARGET / "html"))
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
