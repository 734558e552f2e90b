"""Tasks: the units of work that are sent to processes, batches for the device, and the outcomes that come back."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from ...analysis.distortion import Bare, Prepared
from ...analysis.spectrum import Settings
from ...codecs.protocol import Point, Spec
from ...corruptions.sets import ImageSet
from ..plan.plans import EVERY_MEASURE, Shot
from ..store import Row, Unshown
from ..store.provenance import Device

PIXELS = 2**23
"""The most pixels that go to the device together: more than sixteen Kodak images, or three of 2048x1365."""


@dataclass(frozen=True, slots=True)
class Task:
    """A shot and the codec points wanted on it.

    `alone` marks what is tried by itself after a loss. First that is the image, with no points: those are `waiting`.
    Once the image could be made, each of them is tried, for the last time.
    """

    shot: Shot
    points: tuple[tuple[str, Point], ...]
    alone: bool = False
    waiting: tuple[tuple[str, Point], ...] = ()

    @property
    def shots(self) -> tuple[Shot, ...]:
        """The shot, as a batch has several."""
        return (self.shot,)

    def image_alone(self) -> Task:
        """Return the task of making the image, its points waiting: else each of them would be lost with it."""
        return Task(self.shot, (), alone=True, waiting=self.points)

    def parts(self) -> Iterator[Task]:
        """Yield a task per codec point, each to be tried alone: only the culprit is then lost."""
        for pair in self.points:
            yield replace(self, points=(pair,), alone=True)


@dataclass(frozen=True, slots=True)
class Batch:
    """Shots of one shape and the one codec point wanted on them, for a device; `alone` as in Task."""

    shots: tuple[Shot, ...]
    points: tuple[tuple[str, Point], ...]
    alone: bool = False

    def parts(self) -> Iterator[Batch]:
        """Yield a batch per shot, each to be tried alone."""
        for shot in self.shots:
            yield replace(self, shots=(shot,), alone=True)


@dataclass(frozen=True, slots=True)
class Worked:
    """The rows of a task, and the seconds it spent inside codecs, inside measures, and on making the image it shows.

    `rest` is what a worker left undone because its process grew too large, or because another task ended the process;
    `outgrown` is then the codec that grew most. `unshown` holds, for each row that was not measured because its shot
    could not be made, that shot.
    """

    rows: tuple[Row, ...]
    codec_s: float = 0.0
    measure_s: float = 0.0
    rest: Task | Batch | None = None
    outgrown: str = ""
    unshown: tuple[Unshown, ...] = ()
    image_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Lost:
    """A task whose process died or hung, and how; `image` says that the image of its shot was being made."""

    task: Task | Batch
    reason: str
    image: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """What every task of a run needs; sent to each worker once."""

    sets: Mapping[str, ImageSet]
    specs: Mapping[str, Spec]
    run: str
    time_limit: float
    """Seconds one image may take in one codec point; a process that exceeds them is ended."""
    memory: float = math.inf
    """Bytes a worker may hold beside its open codecs; one that holds more after a row is replaced."""
    device: Device | None = None
    """Where neural codecs compute, None for workers like any others."""
    spectra: Settings | None = None
    """How the spectra of each row are taken, None for no spectra."""
    measures: tuple[str, ...] = EVERY_MEASURE
    """The names of the measures. Without MS-SSIM, which takes the longest, rows hold None in its place."""

    @property
    def prepared(self) -> type[Prepared]:
        """The class that an image is prepared for measuring by."""
        return Prepared if "ms_ssim" in self.measures else Bare

    @property
    def on_device(self) -> frozenset[str]:
        """The codecs that compute on the device."""
        return frozenset(name for name, spec in self.specs.items() if self.device and spec.on_device)


def divided(tasks: Iterable[Task], context: Context) -> tuple[list[Task], list[Batch]]:
    """Return the part of tasks for workers, shot by shot, and the part for the device, point by point in batches."""
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
