"""The heap of the C library: what is free in it goes back to the kernel. Without glibc, nothing happens.

A LIST of ten thousand objects leaves megabytes behind in pieces, which glibc keeps for later.
"""

import ctypes
from typing import Final

_TRIM_THRESHOLD: Final = -1
"""`M_TRIM_THRESHOLD` of mallopt(3)."""
_DEFAULT: Final = 128 * 1024


def keep_thresholds() -> None:
    """Stop glibc from raising its thresholds with each large block that is freed: such blocks stay out of the heap."""
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(_TRIM_THRESHOLD, _DEFAULT)


def give_back() -> None:
    """Give back to the kernel what is free now; takes milliseconds."""
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)
