"""What memory this process holds, and how much of the machine's is its share."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
from pathlib import Path

_STATM = Path("/proc/self/statm")
_CGROUP = Path("/sys/fs/cgroup/memory.max")  # what a container may have, which is less than what its machine has
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
LEAST_SHARE = 2 * 2**30
"""Bytes: a worker with a large image or a neural codec holds more than 1 GiB without leaking any."""


def resident() -> int:
    """Return the bytes of physical memory this process holds, 0 where the system does not tell."""
    try:
        return int(_STATM.read_bytes().split()[1]) * _PAGE
    except OSError:
        return 0


def settled() -> int:
    """Return the bytes this process holds when all that nothing refers to any more has gone back to the system."""
    gc.collect()
    # Else what leaks fills, unseen, the holes that others left in the heap. Only glibc has this.
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
    return resident()


def machine() -> int:
    """Return the bytes of physical memory that the machine, or the container around this process, has; 0 if unknown."""
    try:
        whole = os.sysconf("SC_PHYS_PAGES") * _PAGE
    except (AttributeError, ValueError, OSError):
        return 0
    try:
        return min(whole, int(_CGROUP.read_bytes()))
    except (OSError, ValueError):  # no container, or one without a limit: "max"
        return whole


def share(processes: int) -> int:
    """Return the bytes that each of several processes may hold: half of the machine's, but not less than 2 GiB."""
    return max(LEAST_SHARE, machine() // (2 * processes))
