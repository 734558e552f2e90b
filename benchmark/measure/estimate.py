"""A dry run: how long a job would take, extrapolated from a few shots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...codecs.protocol import Point
from ...corruptions.corruption import CLEAN
from ...corruptions.sets import ImageSet
from ..plan.plans import Shot
from ..store import Key, Status, Unshown, statuses, unshown, with_spectra
from .job import Job
from .loop import PoolFactory
from .pools.local import LocalPool, division
from .pools.processes import cores
from .sitting import Sitting
from .tasks import Task

BYTES_PER_ROW = 250  # measured on run files of 10,000 rows and more
BYTES_PER_SPECTRUM = 8900  # likewise, with what is stored beside the 64 x 33 numbers


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run would take: rows to measure, seconds, and bytes of run file."""

    rows: int
    seconds: float
    nbytes: int


def estimate(job: Job, out: Path, jobs: int, *, retry_failed: bool = False, pool: PoolFactory = LocalPool) -> Estimate:
    """Return what is left to do of a job, its time extrapolated from one image of each set through every point.

    On a device it is a batch, of that image under several conditions. Writes nothing. A process that dies or hangs in
    the trial counts as no time.
    """
    done: tuple[dict[Key, Status], bool, set[Key], list[Unshown]] = ({}, retry_failed, set(), [])
    if out.exists():
        done = (statuses(out, job.plan.measures), retry_failed, with_spectra(out), unshown(out))
    rows, workers_s, lane_s = 0, 0.0, 0.0
    # A corrupted shot first: unlike a clean one it pays for two references to measure against.
    conditions = list(dict.fromkeys([("gaussian_noise", 3), *job.plan.conditions()]))
    with Sitting(job, jobs=1, pool=pool) as sitting:
        on_device = sitting.context.on_device
        workers, threads = division(min(jobs, cores()), sitting.context)
        for images in job.sets.values():
            tasks = [task for task in job.tasks(*done) if task.shot.set == images.name]
            left = Counter(codec in on_device for task in tasks for codec, _ in task.points)
            rows += left.total()
            if left[False]:
                points = [pair for pair in job.points if pair[0] not in on_device]
                codec_s, measure_s = _seconds_of_a_row(sitting, images, points, conditions[:1])
                workers_s += left[False] * (codec_s + measure_s) / workers
            if left[True] and job.device:
                points = [pair for pair in job.points if pair[0] in on_device]
                codec_s, measure_s = _seconds_of_a_row(sitting, images, points, conditions[: job.device.batch])
                lane_s += left[True] * max(codec_s, measure_s / threads)
    channels = len(job.spectra.channels) if job.spectra else 0
    # A corrupted cell has two quantities, a clean one has one; those of the shots alone hardly count.
    spectra = channels * sum(
        len(job.points) * len(job.sets) * (1 + (name != CLEAN)) for name, _ in job.plan.conditions()
    )
    return Estimate(rows, max(workers_s, lane_s), rows * BYTES_PER_ROW + spectra * BYTES_PER_SPECTRUM)


def _seconds_of_a_row(
    sitting: Sitting,
    images: ImageSet,
    points: Sequence[tuple[str, Point]],
    conditions: Sequence[tuple[str, int]],
) -> tuple[float, float]:
    """Return the mean seconds that a row of these points takes inside codecs and inside measures."""
    image = images.sources[len(images.sources) // 2].id
    tasks = [Task(Shot(images.name, image, *condition), tuple(points)) for condition in conditions]
    trial = list(sitting.measure(tasks))
    rows = len(tasks) * len(points)
    return sum(worked.codec_s for worked in trial) / rows, sum(worked.measure_s for worked in trial) / rows
