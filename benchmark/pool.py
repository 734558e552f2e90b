"""Where shots are worked: processes of this machine, each on one core, that may die or hang without harm to the run."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TypeVar

import pebble

from ..codecs.isolated import ONE_THREAD, ended
from .shot import Context, Task, Worked, Worker

_IN_FLIGHT = 3  # tasks sent ahead per worker: enough that none waits, few enough that an interrupt loses little
_TASKS_PER_PROCESS = 200  # a worker is then replaced: what little a codec leaks does not add up over a night
_REPLACED = 90  # the exit code of a worker that grew too large and leaves its next task to another
_ENDED_ITSELF = 91  # that of one in which a codec ended the process with exit code 0

Sent = TypeVar("Sent")
Back = TypeVar("Back")


@dataclass(frozen=True, slots=True)
class Lost:
    """A task whose process died or hung, and how."""

    task: Task
    reason: str


_ENVIRONMENT = {
    **ONE_THREAD,
    # The C library hands large blocks back to the system and asks for them again on every row; kept, a JPEG row of a
    # Kodak image takes a sixth less. Read by glibc, ignored by others.
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
}


def processes(jobs: int, start: Callable[..., None], *arguments: object, max_tasks: int = 0) -> pebble.ProcessPool:
    """Return a pool of `jobs` processes of one thread each, every one of which begins with `start(*arguments)`.

    Each is replaced after `max_tasks` tasks, never where that is 0.
    """
    # The libraries read these when they are first loaded, which is in the workers.
    for variable, value in _ENVIRONMENT.items():
        os.environ.setdefault(variable, value)
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    if "forkserver" in methods:
        context.set_forkserver_preload([__name__])
    return pebble.ProcessPool(
        max_workers=jobs, max_tasks=max_tasks, initializer=_begin, initargs=[start, arguments], context=context
    )


def flown(
    send: Callable[[Sent], Future[Back]], following: Callable[[], Sent | None], jobs: int
) -> Iterator[tuple[Sent, Future[Back]]]:
    """Yield each task with its future, in the order in which they end, a few sent ahead for each of the `jobs`.

    `following` gives the next task to send, None when there is none at the moment; it is asked again after each yield.
    """
    flying: dict[Future[Back], Sent] = {}
    while True:
        while len(flying) < _IN_FLIGHT * jobs and (task := following()) is not None:
            flying[send(task)] = task
        if not flying:
            return
        for future in wait(flying, return_when=FIRST_COMPLETED).done:
            yield flying.pop(future), future


def _begin(start: Callable[..., None], arguments: Sequence[object]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole process group; the parent ends the workers
    start(*arguments)


class Pool:
    """Worker processes for one run; a context manager. Leaving it ends every worker within a second."""

    def __init__(self, jobs: int, context: Context) -> None:
        self._limit = context.time_limit
        self._jobs = jobs
        self._pool = processes(jobs, _start, context, max_tasks=_TASKS_PER_PROCESS)

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()

    def work(self, following: Callable[[], Task | None]) -> Iterator[Worked | Lost]:
        """Yield what came of each task, in the order in which they end.

        `following` gives the next task to send, None when there is none at the moment; it is asked again whenever an
        outcome has been yielded, so that a lost task can come back.
        """
        returned: deque[Task] = deque()
        for task, future in flown(self._send, lambda: returned.popleft() if returned else following(), self._jobs):
            outcome = self._outcome(task, future)
            if outcome is None:
                returned.append(task)
            else:
                yield outcome

    def _send(self, task: Task) -> Future[Worked]:
        # The alarm in the worker ends a single point that hangs; this one is for what the alarm cannot see.
        limit = self._limit * (len(task.points) + 1)
        future: Future[Worked] = self._pool.schedule(_work, args=[task], timeout=limit)
        return future

    def _outcome(self, task: Task, future: Future[Worked]) -> Worked | Lost | None:
        """Return what came of a task, None where its worker left it to another."""
        try:
            return future.result()
        except TimeoutError:
            return Lost(task, f"no answer within {self._limit:g} s")
        except pebble.ProcessExpired as expired:
            if expired.exitcode == _REPLACED:
                return None
            code = 0 if expired.exitcode == _ENDED_ITSELF else expired.exitcode
            return Lost(task, ended(code, self._limit))


def apart(task: Task) -> Iterator[Task]:
    """Yield a task per codec point: tried alone, only the culprit is lost."""
    for point in task.points:
        yield replace(task, points=(point,), alone=True)


_worker: Worker | None = None


def _start(context: Context) -> None:
    global _worker  # noqa: PLW0603 - a worker process has exactly one
    _worker = Worker(context)


def _work(task: Task) -> Worked:
    assert _worker is not None  # noqa: S101 - pebble runs `_start` before any task
    if _worker.outgrown:  # it said so with its last rows, which had to be sent before it could go
        os._exit(_REPLACED)
    with _no_quiet_exit():
        return _worker.work(task)


@contextmanager
def _no_quiet_exit() -> Iterator[None]:
    """Have exit code 0 told from the end of a worker that has done its tasks, which pebble does not count as a loss."""
    leave = os._exit
    os._exit = lambda code: leave(code or _ENDED_ITSELF)  # type: ignore[assignment]
    try:
        yield
    finally:
        os._exit = leave
