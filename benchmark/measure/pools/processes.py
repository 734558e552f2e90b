"""Worker processes: how they start, and how a few tasks are kept in flight for them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

import pebble
from pebble.pool.process import PoolManager

from ....codecs.isolated import ONE_THREAD, search_path

IN_FLIGHT = 3
"""Tasks sent ahead per worker: enough that no worker waits, few enough that an interrupt loses little."""

Sent = TypeVar("Sent")
Back = TypeVar("Back")

_ENVIRONMENT = {
    **ONE_THREAD,
    # By default, the C library returns large blocks to the system and requests them again for every row. Keeping them
    # makes a JPEG row of a Kodak image a sixth faster. Only glibc reads these variables.
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
}


def cores() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class NoWorkers(OSError):
    """This system cannot create the semaphores that worker processes share; the message says how to change that."""

    def __init__(self, reason: Exception) -> None:
        because = reason.strerror if isinstance(reason, OSError) else str(reason)
        super().__init__(
            f"worker processes need shared memory, which this system refuses ({because}): make /dev/shm writable for "
            "everyone, e.g. with mount -t tmpfs -o mode=1777 tmpfs /dev/shm"
        )


def starting() -> BaseContext:
    """Return the multiprocessing context that starts single-threaded processes; each must `begin` with `origin`.

    The limit of one thread overrides the environment: several workers fill the machine, and timings stay comparable.
    """
    # Libraries read the variables when they are first loaded. multiprocessing starts its own processes by `python -c`,
    # which would import modules of the current folder in place of the standard library's.
    inherited = {**_ENVIRONMENT, "PYTHONSAFEPATH": "1"}
    if "forkserver" not in multiprocessing.get_all_start_methods():
        os.environ.update(inherited)  # there, each process is started by this one, at any time
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([f"{__package__}.local", f"{__package__}.warmed"])
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
    """What a worker takes over from the process that started it: environment variables and module search path."""

    environment: Mapping[str, str]
    path: Sequence[str]


def origin() -> Origin:
    """Return what workers take over from this process, with the variables that limit libraries to one thread.

    Programs that a codec starts inherit it too, so it lacks the variables that only the start of a worker needs.
    """
    return Origin({**os.environ, **_ENVIRONMENT}, search_path())


def processes(jobs: int, start: Callable[..., None], *arguments: object, max_tasks: int = 0) -> pebble.ProcessPool:
    """Return a pool of `jobs` single-threaded processes, which all begin with `start(*arguments)`.

    A process is replaced after `max_tasks` tasks; 0 means never. Raises NoWorkers.
    """
    taken_over = origin()
    context: Any = starting()
    try:
        context.Lock()
    except (OSError, ImportError) as error:
        raise NoWorkers(error) from error
    return _Pool(
        max_workers=jobs,
        max_tasks=max_tasks,
        initializer=begin,
        initargs=[taken_over, start, arguments],
        context=context,
    )


class _Pool(pebble.ProcessPool):
    """A pool in which the end of a process costs the task that the process was working on, and no other."""

    def __init__(self, *, context: Any, **options: Any) -> None:
        super().__init__(context=context, **options)
        self._pool_manager = _Manager(self._context, context)


class _Manager(PoolManager):
    """Reads all messages of a process that has ended before a task is taken for lost.

    pebble reads messages in one thread and looks for ended processes in another. If a process ends right after it took
    a task, its last messages may still be unread. pebble then takes the task before for lost, or all tasks, and the
    task itself for running until its time limit.
    """

    def __init__(self, context: Any, mp_context: Any) -> None:
        super().__init__(context, mp_context)
        self._reading = threading.Lock()

    def process_next_message(self, timeout: float) -> None:
        """Wait for a message at most `timeout` seconds and act on it."""
        if self._has_message(timeout):
            with self._reading:
                if self._has_message(0):  # the other thread may have read it
                    super().process_next_message(0)

    def update_workers(self) -> None:
        """Act on the messages and then on the ends of processes that have ended, and start new ones."""
        if ended := self.worker_manager.inspect_workers():
            with self._reading:
                while self._has_message(0):
                    super().process_next_message(0)
        for expiration in ended:
            self.handle_worker_expiration(expiration)
        self.worker_manager.create_workers()  # type: ignore[no-untyped-call]

    def _has_message(self, timeout: float) -> bool:
        channel: Any = self.worker_manager.pool_channel
        try:
            return bool(channel.poll(timeout))
        except OSError as error:
            raise BrokenProcessPool from error


def begin(taken_over: Origin, start: Callable[..., None], arguments: Sequence[object]) -> None:
    """Take over the parent's environment and path, ignore Ctrl-C, then call `start(*arguments)`."""
    _set_environment(taken_over.environment)
    sys.path[:] = taken_over.path
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole process group; the parent ends the workers
    start(*arguments)


@dataclass(frozen=True, slots=True)
class Line(Generic[Sent, Back]):
    """A destination of tasks: `following` returns the next one, None if there is none now; `most` are in flight."""

    send: Callable[[Sent], Future[Back]]
    following: Callable[[], Sent | None]
    most: int


def flown(*lines: Line[Sent, Back]) -> Iterator[tuple[Sent, Future[Back]]]:
    """Yield each task of the lines with its future, in order of completion; a few are sent ahead on each line.

    After each yield, every line is asked for its next task again.
    """
    flying: dict[Future[Back], tuple[int, Sent]] = {}
    # Futures report their completion to this queue. `concurrent.futures.wait` would briefly lock each future; Ctrl-C at
    # that moment would leave the locks taken, and ending the pool would then wait forever.
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
