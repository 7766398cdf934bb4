"""Write `crds/` from the models: `make crds`."""

from pathlib import Path
from typing import Any, Final

import yaml

from tools.crds.definitions import DEFINITIONS, CrdDefinition

FOLDER: Final = Path(__file__).parents[2] / "crds"
_NOTE: Final = "# Generated from the models in operator/netbird_streaming/core by `make crds`; changes here are lost.\n"


class _Dumper(yaml.SafeDumper):
    """A dumper that writes equal parts in full, because not every tool that reads manifests supports YAML's anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  # named as the base class does
        return True


def render(definition: CrdDefinition) -> str:
    """Return the text of a definition's file."""
    text: str = yaml.dump(definition.to_object(), Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
    return _NOTE + text


def write(folder: Path) -> None:
    """Write a file for each definition, and nothing else."""
    folder.mkdir(exist_ok=True)
    for each in DEFINITIONS:
        (folder / each.file_name).write_text(render(each), encoding="utf-8")


if __name__ == "__main__":
    write(FOLDER)
