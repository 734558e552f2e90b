"""Worker processes: how they start, and how a few tasks are kept in flight for them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

import pebble

from ....codecs.isolated import ONE_THREAD, search_path

IN_FLIGHT = 3
"""Tasks sent ahead per worker: enough that none waits, few enough that an interrupt loses little."""

Sent = TypeVar("Sent")
Back = TypeVar("Back")

_ENVIRONMENT = {
    **ONE_THREAD,
    # The C library hands large blocks back to the system and asks for them again on every row; kept, a JPEG row of a
    # Kodak image takes a sixth less. Read by glibc, ignored by others.
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
}


def cores() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class NoWorkers(OSError):
    """This system cannot make the semaphores that worker processes share; the message says how to change that."""

    def __init__(self, reason: Exception) -> None:
        because = reason.strerror if isinstance(reason, OSError) else str(reason)
        super().__init__(
            f"worker processes need shared memory, which this system refuses ({because}): make /dev/shm writable for "
            "everyone, e.g. with mount -t tmpfs -o mode=1777 tmpfs /dev/shm"
        )


def starting() -> BaseContext:
    """Return the multiprocessing context that starts processes of one thread each; each has to `begin` with `origin`.

    Whatever the environment says: several workers fill the machine, and timings stay comparable.
    """
    # Libraries read the variables when they are first loaded. multiprocessing starts its own processes by `python -c`,
    # which would import modules of the current folder in place of the standard library's.
    inherited = {**_ENVIRONMENT, "PYTHONSAFEPATH": "1"}
    if "forkserver" not in multiprocessing.get_all_start_methods():
        os.environ.update(inherited)  # there, each process is started by this one, at any time
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([f"{__package__}.local"])
    with _environment(inherited):
        forkserver.ensure_running()
    return context


@contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    """Change the environment of this process for the length of a `with` block."""
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        _set_environment(before)


def _set_environment(variables: Mapping[str, str]) -> None:
    for variable in os.environ.keys() - variables.keys():
        del os.environ[variable]
    os.environ.update(variables)


@dataclass(frozen=True, slots=True)
class Origin:
    """What a worker takes over from the process that started it: its environment, and where it looks for modules."""

    environment: Mapping[str, str]
    path: Sequence[str]


def origin() -> Origin:
    """Return what workers take over from this process, with the variables that keep libraries at one thread.

    The programs that a codec starts inherit it: variables that only the start of a worker needs are not in it.
    """
    return Origin({**os.environ, **_ENVIRONMENT}, search_path())


def processes(jobs: int, start: Callable[..., None], *arguments: object, max_tasks: int = 0) -> pebble.ProcessPool:
    """Return a pool of `jobs` processes of one thread each, which all begin with `start(*arguments)`.

    A process is replaced after `max_tasks` tasks, 0 for never. Raises NoWorkers.
    """
    taken_over = origin()
    context: Any = starting()
    try:
        context.Lock()
    except (OSError, ImportError) as error:
        raise NoWorkers(error) from error
    return pebble.ProcessPool(
        max_workers=jobs,
        max_tasks=max_tasks,
        initializer=begin,
        initargs=[taken_over, start, arguments],
        context=context,
    )


def begin(taken_over: Origin, start: Callable[..., None], arguments: Sequence[object]) -> None:
    """Take over what the parent hands on, leave Ctrl-C to it, then call `start(*arguments)`."""
    _set_environment(taken_over.environment)
    sys.path[:] = taken_over.path
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole process group; the parent ends the workers
    start(*arguments)


@dataclass(frozen=True, slots=True)
class Line(Generic[Sent, Back]):
    """Where tasks go: `following` gives the next one, None when there is none at the moment; `most` are in flight."""

    send: Callable[[Sent], Future[Back]]
    following: Callable[[], Sent | None]
    most: int


def flown(*lines: Line[Sent, Back]) -> Iterator[tuple[Sent, Future[Back]]]:
    """Yield each task of the lines with its future, in the order in which they end, a few sent ahead on each line.

    Each line is asked for its next task again after each yield.
    """
    flying: dict[Future[Back], tuple[int, Sent]] = {}
    # Futures report their end here. `concurrent.futures.wait` holds the lock of each of them for a moment; Ctrl-C at
    # that moment leaves the locks held, and ending the pool then waits for ever.
    ended: SimpleQueue[Future[Back]] = SimpleQueue()
    counts = [0] * len(lines)
    while True:
        for place, line in enumerate(lines):
            while counts[place] < line.most and (task := line.following()) is not None:
                future = line.send(task)
                flying[future] = place, task
                future.add_done_callback(ended.put)
                counts[place] += 1
        if not flying:
            return
        future = ended.get()
        place, task = flying.pop(future)
        counts[place] -= 1
        yield task, future
