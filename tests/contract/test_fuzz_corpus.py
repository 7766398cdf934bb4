"""The corpus of the fuzzer, without the fuzzer: its seeds, and inputs that once caused a failure."""

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
def test_no_input_raises_an_unexpected_error(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


def test_each_target_has_seeds() -> None:
    assert {path.parent.name for path in INPUTS} == set(TARGETS)
