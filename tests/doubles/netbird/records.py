"""What the server keeps: integrations with their real values, and everything that ever happened to them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from tests.doubles.netbird.wire import Operation

DASHBOARD: Final = "dashboard"


@dataclass(frozen=True, slots=True)
class Draft:
    """What a writer asks for: a platform, its configuration with real values, and whether it is switched on."""

    platform: str
    config: Mapping[str, str] = field(repr=False)
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Integration:
    """An integration as the server keeps it: secrets unmasked, times in UTC."""

    id: int
    account_id: str
    platform: str
    config: Mapping[str, str] = field(repr=False)
    enabled: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Effect:
    """One change that was really made: what the integration was after it (for a deletion: before it).

    `by` is `token:<id>` or `dashboard`; `late` marks a change that came after its request had been answered otherwise.
    """

    at: datetime
    operation: Operation
    integration_id: int
    account_id: str
    platform: str
    config: Mapping[str, str] = field(repr=False)
    enabled: bool
    by: str
    late: bool = False


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A deleted integration: its id is never given out again."""

    integration: Integration
    deleted_at: datetime
    by: str
