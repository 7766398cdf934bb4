"""The records of the server: integrations with their real values, and their history."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from tests.doubles.netbird.wire import Operation

DASHBOARD: Final = "dashboard"


@dataclass(frozen=True, slots=True)
class Draft:
    """The content of a create: a platform, its configuration with real values, and whether it is enabled."""

    platform: str
    config: Mapping[str, str] = field(repr=False)
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Integration:
    """A stored integration: secrets unmasked, times in UTC."""

    id: int
    account_id: str
    platform: str
    config: Mapping[str, str] = field(repr=False)
    enabled: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Effect:
    """An applied change: the integration after it (for a deletion: before it).

    `by` is `token:<id>` or `dashboard`. `late` marks a change after its request had been answered otherwise.
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
    """A deleted integration. Its id is never assigned again."""

    integration: Integration
    deleted_at: datetime
    by: str
