"""A server's whole state as JSON, so that its process can be stopped and started."""

import json
from dataclasses import dataclass
from pathlib import Path

from tests.doubles.netbird.behaviour import Behaviour
from tests.doubles.netbird.codec import dump, load
from tests.doubles.netbird.model import NetBird
from tests.doubles.netbird.records import Effect, Integration, Tombstone
from tests.doubles.netbird.tenancy import Account, Token
from tests.doubles.netbird.wire import encode


@dataclass(frozen=True, slots=True)
class State:
    """The persistent state. Deferred requests and spent budgets end with the process, as in reality."""

    behaviour: Behaviour
    accounts: tuple[Account, ...] = ()
    tokens: tuple[Token, ...] = ()
    next_id: int = 1
    integrations: tuple[Integration, ...] = ()
    tombstones: tuple[Tombstone, ...] = ()
    history: tuple[Effect, ...] = ()
    test_events: tuple[tuple[int, int], ...] = ()


def state_of(model: NetBird) -> State:
    """Copy a server's state."""
    return State(
        behaviour=model.behaviour,
        accounts=model.directory.accounts,
        tokens=model.directory.tokens,
        next_id=model.shelf.next_id,
        integrations=tuple(model.integrations.values()),
        tombstones=tuple(model.tombstones.values()),
        history=tuple(model.history),
        test_events=tuple(model.test_events.items()),
    )


def model_of(state: State) -> NetBird:
    """Start a server with a state.

    Raises:
        ValueError: the state contradicts itself.
    """
    model = NetBird(state.behaviour, state.next_id)
    for account in state.accounts:
        model.directory.add_account(account)
    for token in state.tokens:
        model.directory.add_token(token)
    model.shelf.restore(state.integrations, state.tombstones, state.history)
    model.restore_test_events(dict(state.test_events))
    return model


def save(model: NetBird, path: Path) -> None:
    """Write a server's state atomically to a file that only its owner may read, because it holds every secret."""
    draft = path.with_name(f"{path.name}.new")
    draft.touch(mode=0o600)
    draft.write_bytes(encode(dump(State, state_of(model))))
    draft.replace(path)


def restore(path: Path) -> NetBird:
    """Start a server from a file that `save` wrote.

    Raises:
        OSError: the file can't be read.
        ValueError: it holds no state.
    """
    return model_of(load(State, json.loads(path.read_bytes())))
