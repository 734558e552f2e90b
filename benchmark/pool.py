"""Where shots are worked: processes of this machine, each on one core, that may die or hang without harm to the run."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Any

import pebble

from ..codecs.isolated import ended
from .lane import Lane, on_device
from .processes import IN_FLIGHT, Line, flown, processes
from .shot import Batch, Context, Lost, Task, Worked, Worker

_TASKS_PER_PROCESS = 200  # a worker is then replaced: what little a codec leaks does not add up over a night
_REPLACED = 90  # the exit code of a worker that grew too large and leaves its next task to another
_ENDED_ITSELF = 91  # that of one in which a codec ended the process with exit code 0


def division(jobs: int, context: Context) -> tuple[int, int]:
    """Return how many of `jobs` cores go to workers, and how many to threads of the lane, none where there is no lane.

    At least one goes to either.
    """
    neural = on_device(context)
    if not neural:
        return jobs, 0
    threads = max(1, jobs // 4) if len(neural) < len(context.specs) else jobs
    return max(1, jobs - threads), threads


class Pool:
    """Worker processes for one run; a context manager. Leaving it ends every worker within a second.

    Where the context names a device and there are neural codecs, the lane works those; it shares the `jobs`.
    """

    def __init__(self, jobs: int, context: Context) -> None:
        self.context = context
        self._limit = context.time_limit
        self._jobs, threads = division(jobs, context)
        self._lane = Lane(context, threads) if threads else None
        self._pool = processes(self._jobs, _start, context, max_tasks=_TASKS_PER_PROCESS)

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.stop()  # type: ignore[no-untyped-call]
        if self._lane:
            self._lane.end(in_haste=kind is not None)
        self._pool.join()

    def work(
        self, following: Callable[[], Task | None], batches: Callable[[], Batch | None] = lambda: None
    ) -> Iterator[Worked | Lost]:
        """Yield what came of each task, and on a lane of each batch, in the order in which they end.

        `following` and `batches` give the next one to send, None when there is none at the moment; they are asked again
        whenever an outcome has been yielded, so that what was lost can come back.
        """
        returned: deque[Task] = deque()
        tasks = Line(self._send, lambda: returned.popleft() if returned else following(), IN_FLIGHT * self._jobs)
        lines: list[Line[Any, Any]] = [tasks, Line(self._lane.send, batches, IN_FLIGHT)] if self._lane else [tasks]
        for task, future in flown(*lines):
            outcome = future.result() if isinstance(task, Batch) else self._outcome(task, future)
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


def apart(task: Task | Batch) -> Iterator[Task | Batch]:
    """Yield a task per codec point, a batch per shot: tried alone, only the culprit is lost."""
    if isinstance(task, Batch):
        for shot in task.shots:
            yield replace(task, shots=(shot,), alone=True)
    else:
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
