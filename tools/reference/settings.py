"""The page of the program's settings, written from the table that `run --help` is written from."""

from dataclasses import fields
from typing import Final

from netbird_streaming.config.options import Group, describe
from netbird_streaming.config.settings import Settings

_HEAD: Final = """# Settings

Written by `make docs`; `netbird-streaming-operator run --help` prints the same. A flag takes precedence over its
environment variable. The chart sets what it needs, and `extraArgs` adds flags.
"""


def settings_page() -> str:
    """Return the page: each flag with what it does and accepts, its default and its environment variable."""
    parts = [_HEAD]
    settings = [describe(each) for each in fields(Settings)]
    for group in Group:
        parts.append(f"## {group.value[0].upper()}{group.value[1:]}\n")
        parts += [
            f"### `{each.flag}`\n\n{each.option.description}\n\n"
            f"- accepts: {each.option.accepts}\n- default: {each.default}\n- environment: `{each.variable}`\n"
            for each in settings
            if each.option.group is group
        ]
    return "\n".join(parts)
