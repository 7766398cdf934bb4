"""YAML text of manifests, with comments in front of each document."""

from collections.abc import Iterable

import yaml

from netbird_streaming.cli.manifests import Manifest

_DUMPER: type[yaml.SafeDumper] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def text_of(manifest: Manifest) -> str:
    """Return one document."""
    lines = "".join(f"# {_one_line(each)}\n" for each in manifest.comments)
    body = yaml.dump(dict(manifest.document), Dumper=_DUMPER, sort_keys=False, allow_unicode=True, width=120)
    return lines + str(body)


def comment(lines: Iterable[str]) -> str:
    """Return lines as a comment."""
    return "".join(f"# {_one_line(each)}\n" for each in lines)


def _one_line(text: str) -> str:
    """Return the text without characters that could end the comment."""
    return "".join(each if each.isprintable() else " " for each in text)
