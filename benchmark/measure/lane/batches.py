"""Batches: the tasks of neural codecs, regrouped point by point for the device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from ....codecs.protocol import Point
from ...plan.plans import Shot
from ..tasks import Batch, Context, Task

PIXELS = 2**23
"""The most pixels that go to the device together: more than sixteen Kodak images, or three of 2048x1365."""


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
