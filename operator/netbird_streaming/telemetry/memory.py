"""Heap settings: return free memory to the kernel, and collect garbage less often.

A list of ten thousand objects frees megabytes in small pieces, which glibc keeps for later. With another C library,
these functions return no memory.
"""

import ctypes
import gc
from typing import Final

_TRIM_THRESHOLD: Final = -1
"""`M_TRIM_THRESHOLD` of mallopt(3)."""
_DEFAULT: Final = 128 * 1024
_YOUNG: Final = (5_000, 10, 80)
"""Objects, and collections of one generation per collection of the next. With Python's defaults, a start with ten
thousand resources takes a quarter longer. The operator makes almost no reference cycles. A collection of the youngest
generation blocks the process for about 3 ms, and one of the next for 10 ms."""


def tune() -> None:
    """Set the thresholds once. A fixed one keeps large blocks out of the heap; glibc raises its own with each free."""
    gc.set_threshold(*_YOUNG)
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(_TRIM_THRESHOLD, _DEFAULT)


def trim_heap() -> None:
    """Return free memory to the kernel. This takes milliseconds."""
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)
