"""A dry run: the time that the remaining work of a job would take, extrapolated from a trial of a few seconds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...corruptions.corruption import CLEAN
from ..store import Key, Status, Unshown, statuses, unshown, with_profiles
from .job import Job
from .loop import PoolFactory
from .pools.local import LocalPool, division
from .pools.processes import cores
from .tasks import Context, Task
from .trial import Condition, Label, Sample, trial

BYTES_PER_ROW = 250  # measured on run files of 10,000 rows and more
BYTES_PER_SPECTRUM = 8900  # likewise, including what is stored beside the 64 x 33 numbers
BYTES_PER_PROFILE = 280  # likewise, of one image

_MACHINE = 0.15  # relative variation of the time that the same work takes
_SCALING = 0.3  # relative error of extrapolating from a crop to the whole image


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run would take: rows to measure, seconds (between `low` and `high`), and bytes of the run file."""

    rows: int
    seconds: float
    nbytes: int
    low: float
    high: float


def estimate(
    job: Job,
    out: Path,
    jobs: int,
    *,
    retry_failed: bool = False,
    pool: PoolFactory = LocalPool,
    report: Callable[[float, float], None] = lambda _done, _total: None,
) -> Estimate:
    """Return an estimate of the remaining work of a job; a trial of parts of it gives the seconds per megapixel.

    Nothing is written. A point that fails or is not reached in the trial is assumed to cost as much as other points.
    """
    done: tuple[dict[Key, Status], bool, set[Key], list[Unshown]] = ({}, retry_failed, set(), [])
    if out.exists():
        done = (statuses(out, job.plan.measures), retry_failed, with_profiles(out), unshown(out))
    left = list(job.tasks(*done))
    rows = sum(len(task.points) for task in left)
    channels = len(job.spectra.channels) if job.spectra else 0
    # A corrupted cell has two quantities and a clean cell has one; the spectra of the shots are few and not counted.
    spectra = channels * sum(
        len(job.points) * len(job.sets) * (1 + (name != CLEAN)) for name, _ in job.plan.conditions()
    )
    profiles = sum(len(task.points) * (1 + (task.shot.corruption != CLEAN)) for task in left) if job.spectra else 0
    nbytes = rows * BYTES_PER_ROW + spectra * BYTES_PER_SPECTRUM + profiles * BYTES_PER_PROFILE
    if not left:
        return Estimate(0, 0.0, nbytes, 0.0, 0.0)
    usable = min(jobs, cores())
    costs = Costs.of(trial(job, left, usable, pool, report))
    context = Context(job.sets, job.specs, "", 0.0, device=job.device)
    workers, threads = division(usable, context)
    workers_s = lane_codec_s = lane_measure_s = 0.0
    megapixels = {
        (images.name, source.id): source.height * source.width / 1e6
        for images in job.sets.values()
        for source in images.sources
    }
    for task in left:
        size = megapixels[task.shot.set, task.shot.image]
        on_workers = [pair for pair in task.points if pair[0] not in context.on_device]
        if on_workers:
            workers_s += size * costs.image((task.shot.corruption, task.shot.severity))
        for codec, point in task.points:
            codec_s, measure_s = costs.row((codec, point.name))
            if codec in context.on_device:
                lane_codec_s += size * codec_s
                lane_measure_s += size * measure_s
            else:
                workers_s += size * (codec_s + measure_s)
    lane_s = max(lane_codec_s, lane_measure_s / max(1, threads))
    seconds = max(workers_s / workers, lane_s)
    unsure = costs.unsure(left)
    return Estimate(rows, seconds, nbytes, seconds / (1 + unsure), seconds * (1 + unsure))


@dataclass(frozen=True)
class Costs:
    """The cost of a megapixel: in codec and measures, by point; and in making an image, by condition."""

    samples: Mapping[Label, Sequence[Sample]]
    """The samples of each point on the largest views that were tried."""
    images: Mapping[Condition, float]

    @classmethod
    def of(cls, samples: Iterable[Sample]) -> Costs:
        """Return the costs derived from samples."""
        by_label: dict[Label, list[Sample]] = {}
        by_condition: dict[Condition, list[Sample]] = {}
        for sample in samples:
            by_label.setdefault(sample.label, []).append(sample)
            if sample.image_s is not None:
                by_condition.setdefault(sample.condition, []).append(sample)
        largest = {label: _largest(group) for label, group in by_label.items()}
        images = {
            condition: _rate(group, lambda sample: sample.image_s or 0.0)
            for condition, condition_samples in by_condition.items()
            if (group := _largest(condition_samples))
        }
        return cls(largest, images)

    def row(self, label: Label) -> tuple[float, float]:
        """Return the seconds per megapixel in the codec and in measures.

        A point without samples takes those of the codec's other points, and if there are none, those of all codecs.
        """
        group = self.samples.get(label)
        same_codec = (samples for other, samples in self.samples.items() if other[0] == label[0])
        group = group or [sample for samples in same_codec for sample in samples]
        group = group or [sample for samples in self.samples.values() for sample in samples]
        if not group:
            return 0.0, 0.0
        return _rate(group, lambda sample: sample.codec_s), _rate(group, lambda sample: sample.measure_s)

    def image(self, condition: Condition) -> float:
        """Return the seconds per megapixel of making an image; for an untried condition, the mean over corruptions."""
        if condition in self.images:
            return self.images[condition]
        corrupted = [seconds for (name, _), seconds in self.images.items() if name != CLEAN]
        return math.fsum(corrupted) / len(corrupted) if corrupted else 0.0

    def unsure(self, left: Sequence[Task]) -> float:
        """Return the relative uncertainty u of the time t, which is between t / (1 + u) and t (1 + u).

        It is a sum of the variation of the machine, the spread of samples of one point, an allowance for crops in place
        of whole images, and the share of points that were not tried.
        """
        rows = {(codec, point.name) for task in left for codec, point in task.points}
        missing = len(rows - self.samples.keys()) / len(rows)
        groups = [group for label, group in self.samples.items() if label in rows]
        cropped = sum(not group[0].whole for group in groups) / max(1, len(groups))
        spread = [
            math.log((sample.codec_s + sample.measure_s) / sample.megapixels / sum(self.row(sample.label)))
            for group in groups
            if len(group) > 1 and sum(self.row(group[0].label)) > 0
            for sample in group
            if sample.codec_s + sample.measure_s > 0
        ]
        deviation = math.sqrt(math.fsum(value**2 for value in spread) / len(spread)) if spread else _SCALING
        return _MACHINE + 2 * deviation / math.sqrt(max(1, len(spread))) + _SCALING * cropped + missing


def _largest(group: Sequence[Sample]) -> list[Sample]:
    """Return the samples whose view is at least half as large as the largest."""
    most = max(sample.megapixels for sample in group)
    return [sample for sample in group if sample.megapixels >= most / 2]


def _rate(group: Sequence[Sample], seconds: Callable[[Sample], float]) -> float:
    return math.fsum(map(seconds, group)) / math.fsum(sample.megapixels for sample in group)
