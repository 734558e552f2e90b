"""The files of corrupted sets: whether they are as they were stored, and the processes that work them one by one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import pebble

from ...corruptions.sets.generated import GeneratedError, Place, Stored, file_of
from ..measure.pools.processes import IN_FLIGHT, Line, flown, processes

Result = TypeVar("Result")


def holds(path: Path, stored: Stored) -> bool:
    """Return whether the file at `path` has the bytes that were stored there."""
    try:
        content = path.read_bytes() if path.stat().st_size == stored.nbytes else b""
    except OSError:
        return False
    return hashlib.sha256(content).hexdigest() == stored.sha256


@contextmanager
def each(
    deed: Callable[[Place], Result], places: Iterable[Place], jobs: int, start: Callable[..., None], *arguments: object
) -> Iterator[Iterator[tuple[Place, Result]]]:
    """Give an iterator over each place with the result of `deed`, in the order in which they end.

    The `jobs` processes begin with `start(*arguments)`; leaving ends them within a second. The iterator raises
    GeneratedError for a process that dies.
    """
    pool = processes(jobs, start, *arguments)

    def results() -> Iterator[tuple[Place, Result]]:
        following = partial(next, iter(places), None)
        for place, future in flown(Line(lambda place: pool.schedule(deed, args=[place]), following, IN_FLIGHT * jobs)):
            try:
                yield place, future.result()
            except pebble.ProcessExpired as expired:
                raise GeneratedError(
                    f"the process that worked on {file_of(place)} ended with code {expired.exitcode}, for lack of "
                    "memory perhaps: the same command with fewer --jobs goes on"
                ) from expired

    try:
        yield results()
    finally:
        pool.stop()  # type: ignore[no-untyped-call]
        pool.join()
