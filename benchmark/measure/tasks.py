"""Tasks: the units of work for worker processes, batches for the device, and their outcomes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from ...analysis.measures.measure import Measure
from ...analysis.spectrum import Settings
from ...codecs.protocol import Point, Spec
from ...corruptions.sets import ImageSet
from ..plan.measures import DEFAULT, find_all
from ..plan.plans import Shot
from ..store import Row, Shift, Unshown
from ..store.provenance import Device

PIXELS = 2**23
"""The most pixels that go to the device together: more than sixteen Kodak images, or three of 2048x1365."""


@dataclass(frozen=True, slots=True)
class Task:
    """A shot and the codec points to measure on it.

    `alone` marks a task that is retried by itself after a loss. The first retry only makes the image: `points` is empty
    and the codec points are in `waiting`. If the image can be made, each point is tried once more, alone.
    """

    shot: Shot
    points: tuple[tuple[str, Point], ...]
    alone: bool = False
    waiting: tuple[tuple[str, Point], ...] = ()

    @property
    def shots(self) -> tuple[Shot, ...]:
        """The shot as a tuple, for the same interface as Batch."""
        return (self.shot,)

    def image_alone(self) -> Task:
        """Return the task of only making the image, with the points waiting, so that they are not lost with it."""
        return Task(self.shot, (), alone=True, waiting=self.points)

    def parts(self) -> Iterator[Task]:
        """Yield one task per codec point, each to be tried alone, so that only the culprit is lost."""
        for pair in self.points:
            yield replace(self, points=(pair,), alone=True)


@dataclass(frozen=True, slots=True)
class Batch:
    """Shots of equal shape and one codec point to measure on them, for a device; `alone` as in Task."""

    shots: tuple[Shot, ...]
    points: tuple[tuple[str, Point], ...]
    alone: bool = False

    def parts(self) -> Iterator[Batch]:
        """Yield one batch per shot, each to be tried alone."""
        for shot in self.shots:
            yield replace(self, shots=(shot,), alone=True)


@dataclass(frozen=True, slots=True)
class Worked:
    """The rows of a task, and the seconds it spent inside codecs, inside measures, and on making the shown image.

    `shifts` are those of its corrupted shots, unless this process measured them before.

    `rest` is the part that was not done because the worker's process grew too large or was ended by another task. If it
    grew too large, `outgrown` is the codec that grew most. `unshown` has one entry for each row that was not measured
    because its shot could not be made.
    """

    rows: tuple[Row, ...]
    codec_s: float = 0.0
    measure_s: float = 0.0
    rest: Task | Batch | None = None
    outgrown: str = ""
    unshown: tuple[Unshown, ...] = ()
    shifts: tuple[Shift, ...] = ()
    image_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Lost:
    """A task whose process died or hung, and the reason; `image` is true if it was making the image of its shot."""

    task: Task | Batch
    reason: str
    image: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """The data that every task of a run needs; it is sent to each worker once."""

    sets: Mapping[str, ImageSet]
    specs: Mapping[str, Spec]
    run: str
    time_limit: float
    """Seconds that one image may take in one codec point; a process that takes longer is ended."""
    memory: float = math.inf
    """Bytes a worker may use in addition to its open codecs; a worker that uses more after a row is replaced."""
    device: Device | None = None
    """Where neural codecs compute, None for the workers' CPUs."""
    spectra: Settings | None = None
    """How the spectra of each row are computed, None for no spectra."""
    measures: tuple[Measure, ...] = find_all(DEFAULT)
    """The measures taken of each row."""

    @property
    def on_device(self) -> frozenset[str]:
        """The codecs that compute on the device."""
        return frozenset(name for name, spec in self.specs.items() if self.device and spec.on_device)


def divided(tasks: Iterable[Task], context: Context) -> tuple[list[Task], list[Batch]]:
    """Return the tasks for workers, one per shot, and the batches for the device, one codec point each."""
    for_workers = []
    by_point: dict[tuple[str, str], tuple[tuple[str, Point], list[Shot]]] = {}
    for task in tasks:
        if points := tuple(pair for pair in task.points if pair[0] not in context.on_device):
            for_workers.append(replace(task, points=points))
        for codec, point in task.points:
            if codec in context.on_device:
                by_point.setdefault((codec, point.name), ((codec, point), []))[1].append(task.shot)
    shapes = {
        (images.name, source.id): (source.height, source.width)
        for images in context.sets.values()
        for source in images.sources
    }
    most = context.device.batch if context.device else 1
    batches = [
        Batch(together, (pair,)) for pair, shots in by_point.values() for together in _batches(shots, shapes, most)
    ]
    return for_workers, batches


def _batches(
    shots: Iterable[Shot], shapes: Mapping[tuple[str, str], tuple[int, int]], most: int
) -> Iterator[tuple[Shot, ...]]:
    by_shape: dict[tuple[int, int], list[Shot]] = {}
    for shot in shots:
        by_shape.setdefault(shapes[shot.set, shot.image], []).append(shot)
    for (height, width), alike in by_shape.items():
        step = max(1, min(most, PIXELS // max(1, height * width)))
        for start in range(0, len(alike), step):
            yield tuple(alike[start : start + step])
