"""How the inner loops of this room are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

_njit: Any = numba.njit  # its types lack some of its options


def compiled(function: Callable[..., Any]) -> Any:
    """Return a function that Numba compiles on its first use, without the interpreter's lock.

    The result is cached on disk, beside the source or in the user's cache. Import this module inside functions, and
    modules that use it: Numba takes a third of a second.
    """
    try:
        return _njit(function, cache=True, nogil=True, error_model="numpy")
    except RuntimeError:  # there is no folder that can be written to
        return _njit(function, nogil=True, error_model="numpy")


def compiled_part(function: Callable[..., Any]) -> Any:
    """Return a function that only compiled functions call: it is compiled and cached with them."""
    return _njit(function, nogil=True, error_model="numpy", no_cpython_wrapper=True)
