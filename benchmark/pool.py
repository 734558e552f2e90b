"""Where shots are worked: processes of this machine, each on one core, that may die or hang without harm to the run."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from types import TracebackType

import pebble

from .shot import Context, Task, Worked, Worker

_IN_FLIGHT = 3  # tasks sent ahead per worker: enough that none waits, few enough that an interrupt loses little
_TASKS_PER_PROCESS = 200  # a worker is then replaced, so that a codec that leaks memory cannot fill the machine


@dataclass(frozen=True, slots=True)
class Lost:
    """A task whose process died or hung, and how."""

    task: Task
    reason: str


class Pool:
    """Worker processes for one run; a context manager. Leaving it ends every worker within a second."""

    def __init__(self, jobs: int, context: Context) -> None:
        # One thread per worker: the libraries read these when they are first loaded, which is in the workers.
        for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ.setdefault(variable, "1")
        methods = multiprocessing.get_all_start_methods()
        processes = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
        if "forkserver" in methods:
            processes.set_forkserver_preload([__name__])
        self._limit = context.time_limit
        self._jobs = jobs
        self._pool = pebble.ProcessPool(
            max_workers=jobs,
            max_tasks=_TASKS_PER_PROCESS,
            initializer=_start,
            initargs=[context],
            context=processes,
        )

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
        flying: dict[Future[Worked], Task] = {}
        while True:
            while len(flying) < _IN_FLIGHT * self._jobs and (task := following()) is not None:
                flying[self._send(task)] = task
            if not flying:
                return
            for future in wait(flying, return_when=FIRST_COMPLETED).done:
                yield self._outcome(flying.pop(future), future)

    def _send(self, task: Task) -> Future[Worked]:
        # The alarm in the worker ends a single point that hangs; this one is for what the alarm cannot see.
        limit = self._limit * (len(task.points) + 1)
        future: Future[Worked] = self._pool.schedule(_work, args=[task], timeout=limit)
        return future

    def _outcome(self, task: Task, future: Future[Worked]) -> Worked | Lost:
        try:
            return future.result()
        except TimeoutError:
            return Lost(task, f"no answer within {self._limit:g} s")
        except pebble.ProcessExpired as expired:
            return Lost(task, self._death(expired.exitcode))

    def _death(self, exitcode: int) -> str:
        if exitcode >= 0:
            return f"its process ended with exit code {exitcode}"
        if -exitcode == getattr(signal, "SIGALRM", None):
            return f"no answer within {self._limit:g} s"
        return f"its process died of {signal.Signals(-exitcode).name}"


def apart(task: Task) -> Iterator[Task]:
    """Yield a task per codec point: tried alone, only the culprit is lost."""
    for point in task.points:
        yield replace(task, points=(point,), alone=True)


_worker: Worker | None = None


def _start(context: Context) -> None:
    global _worker  # noqa: PLW0603 - a worker process has exactly one
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole process group; the parent ends the workers
    _worker = Worker(context)


def _work(task: Task) -> Worked:
    assert _worker is not None  # noqa: S101 - pebble runs `_start` before any task
    return _worker.work(task)
