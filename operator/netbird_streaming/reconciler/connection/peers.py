"""Accounts of several connections that are one: the same URL, token, tenant and certificates lead to each of them.

Each owner of the token may list the account, so that sharing a LIST shows a connection no more than its own would.
"""

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from netbird_streaming.core.netbird.types import Endpoint

if TYPE_CHECKING:
    from netbird_streaming.reconciler.connection.account import Account


class Peers:
    """The accounts of one endpoint. The holder of the lock lists for all of them."""

    def __init__(self) -> None:
        self.accounts: dict[Account, None] = {}
        self.lock = asyncio.Lock()

    def others(self, account: "Account") -> list["Account"]:
        """Return all but this account."""
        return [each for each in self.accounts if each is not account]


class PeerGroups:
    """The peers of each endpoint in use."""

    def __init__(self) -> None:
        self._groups: WeakValueDictionary[Endpoint, Peers] = WeakValueDictionary()

    def get(self, endpoint: Endpoint) -> Peers:
        """Return the peers of an endpoint, whichever paths its server has."""
        return self._groups.setdefault(replace(endpoint, path_family=None), Peers())
