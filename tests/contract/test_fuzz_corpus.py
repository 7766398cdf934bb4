"""What the fuzzer begins from, and what once escaped: every input of the corpus, without the fuzzer."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.proof.fuzz.__main__ import CORPUS
from tests.proof.fuzz.targets import TARGETS

INPUTS = sorted(CORPUS.glob("*/*"))


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_nothing_escapes_but_what_a_caller_is_prepared_for(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


def test_each_target_has_something_to_begin_from() -> None:
    assert {path.parent.name for path in INPUTS} == set(TARGETS)
