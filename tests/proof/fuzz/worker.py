"""A target under the fuzzer in a separate process, because libFuzzer ends its process.

`python -m tests.proof.fuzz.worker TARGET FLAGS…`
"""

import logging
import sys

import atheris


def main() -> None:
    """Instrument the operator while it is imported, then fuzz until libFuzzer ends."""
    with atheris.instrument_imports(include=["netbird_streaming"]):
        from tests.proof.fuzz.targets import TARGETS  # noqa: PLC0415 # what is imported here is instrumented
    logging.disable(logging.CRITICAL)
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
