"""The loop between tasks and a pool: it retries lost tasks in parts, and gives up on points that are always lost."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Protocol, Self, TypeVar

from ..store import Row, Unshown, blank
from .tasks import Batch, Context, Lost, Task, Worked, divided

LOST_ALONE = 3
"""A codec or a codec point is not tried again in a run after its process was lost this often in a row."""

Sent = TypeVar("Sent", Task, Batch)


class Pool(Protocol):
    """Workers for one run; a context manager. Leaving it ends every worker at once."""

    @property
    def context(self) -> Context:
        """The context that every worker received."""

    def __enter__(self) -> Self:
        """Return the pool."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """End every worker."""

    def work(
        self, following: Callable[[], Task | None], following_batch: Callable[[], Batch | None] = ...
    ) -> Iterator[Worked | Lost]:
        """Yield the outcome of each task and batch, in order of completion.

        `following` and `following_batch` return the next task or batch to send, None if there is none at the moment. A
        pool asks whenever it has room, and again after each outcome that it yields, because a lost task may come back
        in parts. A task whose process died or hung is yielded as Lost, together with all tasks that may have caused it;
        a bug of ours raises. There are batches only if the context has a device and neural codecs.
        """


PoolFactory = Callable[[int, Context], Pool]
"""Makes a pool of a number of jobs for a context."""


class Loop:
    """Sends tasks to a pool, sends lost tasks again in parts, and gives up on points that are always lost."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._run = pool.context.run
        self._tasks_again: deque[Task] = deque()
        self._batches_again: deque[Batch] = deque()
        self._given_up: list[Row] = []
        # Losses since the last success, by codec and by codec point. One image in a thousand that crashes a codec is a
        # failed row; a codec or point that only crashes or hangs is not tried on every image.
        self._losses: Counter[tuple[str, ...]] = Counter()

    def worked(self, tasks: Iterable[Task]) -> Iterator[Worked]:
        """Yield rows as they are measured, one for each point of each task, with the time they took."""
        for_workers, batches = divided(tasks, self._pool.context)
        following = partial(self._following, self._tasks_again, iter(for_workers))
        following_batch = partial(self._following, self._batches_again, iter(batches))
        for outcome in self._pool.work(following, following_batch):
            if isinstance(outcome, Worked):
                self._account(outcome)
                yield outcome
            elif outcome.task.alone:
                yield self._failed(outcome)
            elif isinstance(outcome.task, Task):
                self._put_back(outcome.task.image_alone())
            else:
                self._batches_again.extend(outcome.task.parts())
            yield from self._take_given_up()
        yield from self._take_given_up()

    def _following(self, again: deque[Sent], waiting: Iterator[Sent]) -> Sent | None:
        while (task := again.popleft() if again else next(waiting, None)) is not None:
            if (wanted := self._without_the_hopeless(task)) is not None:
                return wanted
        return None

    def _put_back(self, task: Task | Batch) -> None:
        if isinstance(task, Batch):
            self._batches_again.append(task)
        elif task.alone and task.points:
            self._tasks_again.extend(task.parts())
        else:
            self._tasks_again.append(task)

    def _account(self, worked: Worked) -> None:
        if worked.rest:
            self._put_back(worked.rest)
        for row in worked.rows:
            if row.status == "ok":
                self._losses.pop((row.codec,), None)
                self._losses.pop((row.codec, row.point), None)

    def _failed(self, lost: Lost) -> Worked:
        """Return the failed row of a point that was lost alone, or the record of a shot whose image was lost."""
        waiting = lost.task.waiting if isinstance(lost.task, Task) else ()
        (shot,) = lost.task.shots
        if lost.image or waiting:
            mark = Unshown(shot.set, shot.image, shot.corruption, shot.severity, lost.reason)
            return Worked((), unshown=(mark,) * len(waiting or lost.task.points))
        ((codec, point),) = lost.task.points
        self._losses.update([(codec,), (codec, point.name)])
        return Worked((blank(shot, codec, point.name, self._run, "failed", lost.reason),))

    def _without_the_hopeless(self, task: Sent) -> Sent | None:
        if isinstance(task, Task) and task.waiting:
            return task
        kept = []
        for codec, point in task.points:
            if max(self._losses[codec,], self._losses[codec, point.name]) < LOST_ALONE:
                kept.append((codec, point))
            else:
                reason = f"not tried: the last {LOST_ALONE} times its process died or hung"
                for shot in task.shots:
                    self._given_up.append(blank(shot, codec, point.name, self._run, "skipped", reason))
        return replace(task, points=tuple(kept)) if kept else None

    def _take_given_up(self) -> Iterator[Worked]:
        if self._given_up:
            rows = tuple(self._given_up)
            self._given_up.clear()
            yield Worked(rows)
