"""The heap: what is free in it goes back to the kernel, and cycles of garbage are looked for less often.

A LIST of ten thousand objects leaves megabytes behind in pieces, which the C library keeps for later; where it is not
glibc, nothing is given back.
"""

import ctypes
import gc
from typing import Final

_TRIM_THRESHOLD: Final = -1
"""`M_TRIM_THRESHOLD` of mallopt(3)."""
_DEFAULT: Final = 128 * 1024
_YOUNG: Final = (5_000, 10, 80)
"""Objects, and collections of one generation to one of the next: with Python's own figures, a start with ten thousand
resources goes through all that it keeps so often that it takes a quarter longer. Next to nothing here makes cycles. All
else stands still meanwhile: for some 3 ms with the youngest, 10 ms with the next."""


def tune() -> None:
    """Set both up, once: large blocks stay out of glibc's heap, whose thresholds would rise with each that is freed."""
    gc.set_threshold(*_YOUNG)
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(_TRIM_THRESHOLD, _DEFAULT)


def trim_heap() -> None:
    """Give back to the kernel what is free now; takes milliseconds."""
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)
