"""Write the annotations of Chart.yaml that Artifact Hub shows: `make docs`.

The definitions, one example of each kind, and, once its version has a section in CHANGELOG.md, the changes.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

from tests.harness import pages
from tools.chart import CHART, ROOT
from tools.crds.definitions import DEFINITIONS, CrdDefinition

PATH: Final = CHART / "Chart.yaml"
CHANGELOG: Final = ROOT / "CHANGELOG.md"
EXAMPLES: Final = "docs/connections.md"
"""The page that has an example of each kind."""
_BEGIN: Final = "annotations:\n"
_KINDS: Final = {"Added": "added", "Changed": "changed", "Fixed": "fixed", "Removed": "removed", "Security": "security"}


def written(chart: str, changelog: str) -> str:
    """Return Chart.yaml with its annotations, which are its last field."""
    head = chart.partition(_BEGIN)[0]
    version = yaml.safe_load(head)["version"]
    found: dict[str, str] = {
        "artifacthub.io/category": "monitoring-logging",
        "artifacthub.io/crds": _block([_shown(each) for each in DEFINITIONS]),
        "artifacthub.io/crdsExamples": _block([_example(each) for each in DEFINITIONS]),
        "artifacthub.io/operator": "true",
        "artifacthub.io/prerelease": str(version.startswith("0.")).lower(),
    }
    changes = list(_changes(changelog, version))
    if changes:
        found["artifacthub.io/changes"] = _block(changes)
    return head + _BEGIN + "".join(_annotation(name, found[name]) for name in sorted(found))


def _annotation(name: str, value: str) -> str:
    if "\n" not in value:
        return f'  {name}: "{value}"\n'
    return f"  {name}: |\n" + "".join(f"    {line}\n" for line in value.splitlines())


def _shown(definition: CrdDefinition) -> dict[str, str]:
    document = definition.to_object()
    version = document["spec"]["versions"][0]
    words = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", definition.model.__name__)
    return {
        "kind": definition.model.__name__,
        "version": version["name"],
        "name": document["metadata"]["name"],
        "displayName": words.replace("Net Bird", "NetBird"),
        "description": version["schema"]["openAPIV3Schema"]["description"].split("\n")[0],
    }


def _example(definition: CrdDefinition) -> Any:
    declared = (document for _, document in pages.manifests(EXAMPLES))
    return next(each for each in declared if each["kind"] == definition.model.__name__)


def _changes(changelog: str, version: str) -> Iterator[dict[str, str]]:
    section = re.search(rf"^## \[{re.escape(version)}\].*?(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    for kind, items in re.findall(
        r"^### (\w+)\n(.*?)(?=^### |\Z)", section[0] if section else "", re.MULTILINE | re.DOTALL
    ):
        for item in re.findall(r"^- (.*(?:\n  .*)*)", items, re.MULTILINE):
            yield {"kind": _KINDS[kind], "description": " ".join(item.split())}


def _block(value: Any) -> str:
    text: str = yaml.safe_dump(value, sort_keys=False, width=110, allow_unicode=True)
    return text


def main() -> None:
    """Rewrite Chart.yaml in place."""
    PATH.write_text(written(PATH.read_text(), CHANGELOG.read_text()))


if __name__ == "__main__":
    main()
