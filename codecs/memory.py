"""The memory that this process uses, and its share of the machine's memory."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
from pathlib import Path

_STATM = Path("/proc/self/statm")
_CGROUP = Path("/sys/fs/cgroup/memory.max")  # the limit of a container, which can be less than the machine's memory
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
LEAST_SHARE = 2 * 2**30
"""Bytes that each process may always use. A worker with a large image or a neural codec needs more than 1 GiB."""


def resident() -> int:
    """Return the bytes of physical memory that this process uses, 0 if the system does not report them."""
    try:
        return int(_STATM.read_bytes().split()[1]) * _PAGE
    except OSError:
        return 0


def settled() -> int:
    """Return the bytes that this process uses after unreferenced memory has gone back to the system."""
    gc.collect()
    # Without trimming, a leak could hide in free holes of the heap. Only glibc has malloc_trim.
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
    return resident()


def machine() -> int:
    """Return the bytes of physical memory of the machine, or of the container of this process; 0 if unknown."""
    try:
        whole = os.sysconf("SC_PHYS_PAGES") * _PAGE
    except (AttributeError, ValueError, OSError):
        return 0
    try:
        return min(whole, int(_CGROUP.read_bytes()))
    except (OSError, ValueError):  # no container, or one without a limit: "max"
        return whole


def share(processes: int) -> int:
    """Return the bytes that each of several processes may use: together half of the machine's, but at least 2 GiB."""
    return max(LEAST_SHARE, machine() // (2 * processes))
