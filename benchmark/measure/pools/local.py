"""The local pool: one-core processes on this machine, which may die or hang without harm to the run."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import pebble

from ....codecs.isolated import ended
from ..lane.client import Lane
from ..shots.worker import Worker
from ..tasks import Batch, Context, Lost, Task, Worked
from .processes import IN_FLIGHT, Line, flown, processes

_BUNDLES_PER_PROCESS = 200  # a worker is then replaced, so that small leaks of a codec do not add up overnight
_BUNDLE_S = 0.1  # shorter tasks are bundled up to this time: sending a task takes as long as measuring a JPEG row
_BUNDLE = 32  # the most tasks in a bundle
_REPLACED = 90  # the exit code of a worker that grew too large and leaves its next task to another worker
_ENDED_ITSELF = 91  # the exit code of a worker in which a codec ended the process with exit code 0


def division(jobs: int, context: Context) -> tuple[int, int]:
    """Return how many of `jobs` cores go to workers, and how many to threads of the lane (0 without a lane).

    Each gets at least one.
    """
    neural = context.on_device
    if not neural:
        return jobs, 0
    threads = max(1, jobs // 4) if len(neural) < len(context.specs) else jobs
    return max(1, jobs - threads), threads


class LocalPool:
    """Worker processes, and a lane if neural codecs compute on a device; they share the `jobs` cores.

    Leaving the context ends every process within a second.
    """

    def __init__(self, jobs: int, context: Context) -> None:
        self.context = context
        self._limit = context.time_limit
        self._jobs, threads = division(jobs, context)
        self._lane = Lane(context, threads) if threads else None
        self._pool = processes(self._jobs, _start, context, max_tasks=_BUNDLES_PER_PROCESS)
        self._bundled = 1

    def __enter__(self) -> LocalPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.stop()  # type: ignore[no-untyped-call]
        if self._lane:
            self._lane.end(in_haste=kind is not None)
        self._pool.join()

    def work(
        self, following: Callable[[], Task | None], following_batch: Callable[[], Batch | None] = lambda: None
    ) -> Iterator[Worked | Lost]:
        """Yield the outcome of each task and batch; see Pool."""
        returned: deque[Task] = deque()

        def bundle() -> tuple[Task, ...] | None:
            """Return the next tasks to send together; a task that is tried alone is sent by itself."""
            tasks: list[Task] = []
            while len(tasks) < self._bundled and (task := returned.popleft() if returned else following()):
                if task.alone and tasks:
                    returned.appendleft(task)
                    break
                tasks.append(task)
                if task.alone:
                    break
            return tuple(tasks) or None

        tasks = Line(self._send, bundle, IN_FLIGHT * self._jobs)
        lines: list[Line[Any, Any]] = [tasks]
        if self._lane:
            lines.append(Line(self._lane.send, following_batch, IN_FLIGHT))
        for sent, future in flown(*lines):
            if isinstance(sent, Batch):
                yield future.result()
            elif (outcomes := self._outcomes(sent, future)) is None:
                returned.extend(sent)
            else:
                yield from outcomes

    def _send(self, tasks: Sequence[Task]) -> Future[list[Worked]]:
        # Normally the alarm in the worker ends a task that hangs; this limit is for cases that the alarm cannot end.
        limit = self._limit * sum(max(1, len(task.points)) + 1 for task in tasks)
        future: Future[list[Worked]] = self._pool.schedule(_work, args=[tasks], timeout=limit)
        return future

    def _outcomes(self, tasks: Sequence[Task], future: Future[list[Worked]]) -> Sequence[Worked | Lost] | None:
        """Return the outcomes of a bundle: all Lost if one is lost, None if the worker returned them untried."""
        try:
            outcomes = future.result()
        except TimeoutError:
            return [Lost(task, f"no answer within {self._limit:g} s") for task in tasks]
        except pebble.ProcessExpired as expired:
            if expired.exitcode == _REPLACED:
                return None
            code = 0 if expired.exitcode == _ENDED_ITSELF else expired.exitcode
            return [Lost(task, ended(code, self._limit)) for task in tasks]
        seconds = sum(worked.codec_s + worked.measure_s for worked in outcomes) / len(outcomes)
        self._bundled = max(1, min(_BUNDLE, int(_BUNDLE_S / seconds))) if seconds else 1
        return outcomes


_worker: Worker | None = None


def _start(context: Context) -> None:
    global _worker  # noqa: PLW0603 - a worker process has exactly one
    _worker = Worker(context)


def _work(tasks: Sequence[Task]) -> list[Worked]:
    assert _worker is not None  # noqa: S101 - pebble runs `_start` before any task
    if _worker.outgrown:  # reported with its last rows, which had to be sent before it could end
        os._exit(_REPLACED)
    with _no_quiet_exit():
        return [Worked((), rest=task) if _worker.outgrown else _worker.work(task) for task in tasks]


@contextmanager
def _no_quiet_exit() -> Iterator[None]:
    """Replace exit code 0 by another one, because pebble takes 0 for a worker that has finished its tasks."""
    leave = os._exit
    os._exit = lambda code: leave(code or _ENDED_ITSELF)  # type: ignore[assignment]
    try:
        yield
    finally:
        os._exit = leave
