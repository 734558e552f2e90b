"""A trial: a few seconds of measuring parts of the remaining work, to learn the cost of a megapixel."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from ...codecs.memory import share
from ...codecs.protocol import Point
from ...corruptions.sets import ImageSet
from ...corruptions.sets.image_set import Source, View
from ..plan.measures import find_all
from .job import Job
from .loop import Loop, PoolFactory
from .sitting import TIME_LIMIT
from .tasks import Context, Task, Worked

SECONDS = 20.0
"""The most seconds that a trial takes, including the start of its workers."""

_SIDES = (256, 512, 1024, 2048)  # sides in pixels of the centre crops that are tried before whole images
_ROUNDS = 4  # rounds on whole images

Label = tuple[str, str]
Condition = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Sample:
    """The cost of one row of a trial: seconds in the codec, in measuring, and in making the image.

    `label` is the codec and the point. `megapixels` is the size of the measured view, and `whole` is false if it is a
    crop. `image_s` is None if the image was made for several rows.
    """

    label: Label
    condition: Condition
    megapixels: float
    whole: bool
    codec_s: float
    measure_s: float
    image_s: float | None


class _TimeIsUp(Exception):
    """The trial is over; raised in the main thread by a signal, so that it interrupts any wait, as Ctrl-C does."""


def trial(
    job: Job,
    left: Sequence[Task],
    jobs: int,
    pool: PoolFactory,
    report: Callable[[float, float], None],
    seconds: float = SECONDS,
) -> list[Sample]:
    """Return samples of the remaining tasks: of every point and condition, on views as large as the time allows.

    `report` is called with the seconds passed and the seconds in total. Rows that failed, or whose process died, give
    no sample.
    """
    trying = _Trial(job, left, jobs, time.monotonic() + seconds)
    report(0.0, seconds)
    with pool(jobs, trying.context) as workers, suppress(_TimeIsUp), _interrupted_at(trying.deadline):
        loop = Loop(workers)
        for tasks in trying.rounds():
            for worked in loop.worked(tasks):
                trying.take(worked)
                report(min(seconds, seconds - trying.seconds_left()), seconds)
                if trying.seconds_left() <= 0:
                    raise _TimeIsUp
    return trying.samples


@contextmanager
def _interrupted_at(deadline: float) -> Iterator[None]:
    """Raise _TimeIsUp at `deadline` if this thread can be interrupted; otherwise the caller must check the clock."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(_signal: int, _frame: object) -> None:
        raise _TimeIsUp

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, max(0.001, deadline - time.monotonic()))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class _Trial:
    """The rounds of a trial; the cost of earlier rounds decides what the next round tries."""

    def __init__(self, job: Job, left: Sequence[Task], jobs: int, deadline: float) -> None:
        self.deadline = deadline
        self.samples: list[Sample] = []
        self._left = left
        self._jobs = jobs
        self._device = job.device
        self._rows_left = sum(len(task.points) for task in left)
        # Each set of a trial is a view of one image: a crop or the whole.
        self._views: dict[str, tuple[float, bool]] = {}
        sets: dict[str, ImageSet] = {}
        for images in job.sets.values():
            for source in images.sources:
                for side in (*_SIDES, 0):
                    name = _view_name(images.name, source.id, side)
                    sets[name], whole = _view(images, source, side, name)
                    height, width = (
                        (source.height, source.width) if whole else (min(side, source.height), min(side, source.width))
                    )
                    self._views[name] = (height * width / 1e6, whole)
        self.context = Context(
            sets, job.specs, "trial", TIME_LIMIT, share(jobs), job.device, job.spectra, find_all(job.plan.measures)
        )

    def seconds_left(self) -> float:
        """Return the seconds until the trial ends."""
        return self.deadline - time.monotonic()

    def take(self, worked: Worked) -> None:
        """Store the cost of the rows of a task as samples."""
        for row in worked.rows:
            if row.status != "ok":
                continue
            megapixels, whole = self._views[row.set]
            self.samples.append(
                Sample(
                    (row.codec, row.point),
                    (row.corruption, row.severity),
                    megapixels,
                    whole,
                    (row.encode_s or 0.0) + (row.decode_s or 0.0),
                    worked.measure_s / len(worked.rows),
                    worked.image_s if len(worked.rows) == 1 else None,
                )
            )

    def rounds(self) -> Iterator[list[Task]]:
        """Yield rounds of one-point tasks: every point on a small crop, every condition, then larger crops."""
        on_device = self.context.on_device
        shots: dict[Label, list[tuple[Task, tuple[str, Point]]]] = {}
        for task in self._left:
            for pair in task.points:
                shots.setdefault((pair[0], pair[1].name), []).append((task, pair))
        batched = [label for label in shots if label[0] in on_device]
        singly = [label for label in shots if label[0] not in on_device]
        if batched and self._device:
            yield [task for label in batched for task in self._batch(shots[label][: self._device.batch])]
        if not singly:
            return
        turns: Counter[Label] = Counter()

        def next_of(label: Label, side: int) -> Task:
            """Return a task of a point, each time with another image and condition of the remaining tasks."""
            tasks = shots[label]
            # Golden-section steps spread evenly over images and conditions in any order.
            task, pair = tasks[int((0.5 + 0.618034 * turns[label]) % 1 * len(tasks))]
            turns[label] += 1
            return self._task(task, pair, side)

        yield [next_of(label, _SIDES[0]) for label in _by_codec(singly)]
        yield self._conditions(singly, shots)
        for side in (*_SIDES[1:], *[0] * _ROUNDS):
            if len(self.samples) >= self._rows_left:
                return
            seconds = self._expected(singly, side)
            room = self.seconds_left() * self._jobs
            tasks = []
            for label in sorted(seconds, key=lambda label: seconds[label]):
                room -= seconds[label]
                if room < 0:
                    break
                tasks.append(next_of(label, side))
            if tasks:
                yield tasks

    def _conditions(
        self, labels: Sequence[Label], shots: dict[Label, list[tuple[Task, tuple[str, Point]]]]
    ) -> list[Task]:
        """Return a task for each condition that was not tried yet, with its fastest remaining point."""
        speed = {sample.label: sample.codec_s + sample.measure_s for sample in self.samples}
        tried = {sample.condition for sample in self.samples}
        tasks: dict[Condition, Task] = {}
        for label in sorted(labels, key=lambda label: speed.get(label, float("inf"))):
            for task, pair in shots[label]:
                condition = (task.shot.corruption, task.shot.severity)
                if condition not in tried and condition not in tasks:
                    tasks[condition] = self._task(task, pair, _SIDES[1])
        return list(tasks.values())

    def _expected(self, labels: Sequence[Label], side: int) -> dict[Label, float]:
        """Return the seconds that each measured point is expected to take on a view with this side."""
        latest = {sample.label: sample for sample in self.samples}
        largest = max(megapixels for megapixels, _ in self._views.values())
        target = min(side * side / 1e6, largest) if side else largest
        return {
            label: (sample.codec_s + sample.measure_s + (sample.image_s or 0)) * target / sample.megapixels
            for label in labels
            if (sample := latest.get(label))
        }

    def _task(self, task: Task, pair: tuple[str, Point], side: int) -> Task:
        shot = replace(task.shot, set=_view_name(task.shot.set, task.shot.image, side))
        return Task(shot, (pair,), alone=True)

    def _batch(self, chosen: Sequence[tuple[Task, tuple[str, Point]]]) -> Iterator[Task]:
        """Yield tasks that go to the device together: whole images of equal shape, here always the first image."""
        image = chosen[0][0].shot
        for task, pair in chosen:
            if (task.shot.set, task.shot.image) == (image.set, image.image):
                yield replace(self._task(task, pair, 0), alone=False)


def _view_name(set_name: str, image: str, side: int) -> str:
    return f"{set_name}/{image}/{side or 'whole'}"


def _view(images: ImageSet, source: Source, side: int, name: str) -> tuple[ImageSet, bool]:
    """Return one image of a set as a set, cropped to `side` if it is larger, and whether it is the whole image.

    Sets with stored corrupted images are never cropped, because the stored files have the full size.
    """
    height, width = min(side, source.height), min(side, source.width)
    if not side or images.generated or (height, width) == (source.height, source.width):
        return replace(images, name=name, sources=(source,)), True
    return replace(images, name=name, sources=(source,), view=View(height, width)), False


def _by_codec(labels: Sequence[Label]) -> list[Label]:
    """Return the first point of each codec, then the second of each, and so on: a slow codec delays no other."""
    turns: Counter[str] = Counter()
    order = []
    for place, (codec, point) in enumerate(labels):
        order.append((turns[codec], place, (codec, point)))
        turns[codec] += 1
    return [label for *_, label in sorted(order)]
