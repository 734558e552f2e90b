"""Matched operating points: of each codec the point that is nearest a rate or a quality on clean images."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from ...analysis.dial import Dial, nearest
from ...analysis.distortion import ms_ssim_db, psnr
from ...codecs.memory import share
from ...codecs.protocol import Point, Spec
from ...codecs.registry import find_point
from ...corruptions.sets import ImageSet
from ..plan.plans import CLEAN, EVERY_MEASURE, Shot, named
from ..store import Row, RunFile, provenance, rows_under
from .pools.local import Pool
from .shots.worker import Context, Task
from .sitting import TIME_LIMIT, Job, Loop, Tally, admit, cores

LOOKS_EXPECTED = 6
"""The points that a search looks at, for an estimate of its time: four to seven on the codecs of this suite."""


class WrongTarget(ValueError):
    """A target that cannot be matched, or no codec that could be; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class Means:
    """What one codec point gave on clean images: means over the `images` that came through, NaN where none did.

    `psnr` is infinite where any image came back unchanged; `ms_ssim` leaves out images too small for it. `fault` is the
    message of one that did not come through.
    """

    images: int
    bpp: float
    psnr: float
    ms_ssim: float
    fault: str

    @classmethod
    def over(cls, rows: Iterable[Row]) -> Means:
        """Return the means over rows of one codec point."""
        rows = sorted(rows, key=lambda row: row.image)  # so that the last digit does not depend on who was first
        ok = [row for row in rows if row.nbytes is not None and row.height and row.width]
        pixels = [(row.height or 0) * (row.width or 0) for row in ok]
        return cls(
            images=len(ok),
            bpp=_mean([8 * (row.nbytes or 0) / count for row, count in zip(ok, pixels, strict=True)]),
            psnr=_mean(psnr([row.error or 0 for row in ok], pixels).tolist()),
            ms_ssim=_mean([row.ms_ssim for row in ok if row.ms_ssim is not None]),
            fault=next((row.message for row in rows if row.status != "ok"), ""),
        )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan


@dataclass(frozen=True, slots=True)
class Quantity:
    """What can be matched: where its values lie, and the axis on which one tolerance fits all of them."""

    low: float
    high: float
    axis: Callable[[float], float]
    tolerance: float
    off: Callable[[float], str]
    """A difference on the axis in words."""


def _decibels(gap: float) -> str:
    return f"{gap:+.2f} dB"


QUANTITIES: Mapping[str, Quantity] = {
    # One percent of rate is worth about a twentieth of a decibel.
    "bpp": Quantity(0, 24, math.log, math.log(1.01), lambda gap: f"{100 * math.expm1(gap):+.1f} %"),
    "psnr": Quantity(0, 100, float, 0.05, _decibels),
    "ms_ssim": Quantity(0, 1, lambda value: float(ms_ssim_db(value)), 0.05, _decibels),
}
"""By its name in rows: bpp to one percent, PSNR and MS-SSIM to 0.05 dB, the latter of -10 log10(1 - MS-SSIM)."""


@dataclass(frozen=True, slots=True)
class Target:
    """What each codec is to take, or to reach, on clean images: "bpp=0.5", "psnr=32", "ms_ssim=0.97"."""

    quantity: str
    value: float

    @classmethod
    def parse(cls, text: str) -> Target:
        """Return the target called `text`; raise WrongTarget or UnknownName if that is none."""
        name, equals, digits = text.partition("=")
        if not equals:
            raise WrongTarget(f"expected what to match and its value, such as bpp=0.5 or psnr=32, got {text!r}")
        quantity = named("quantity to match", name, QUANTITIES)
        try:
            value = float(digits)
        except ValueError:
            value = math.nan
        if not quantity.low < value < quantity.high:
            raise WrongTarget(f"expected {name} between {quantity.low:g} and {quantity.high:g}, got {digits!r}")
        return cls(name, value)

    def __str__(self) -> str:
        return f"{self.quantity}={self.value:g}"

    @property
    def tolerance(self) -> float:
        """The gap that still counts as met."""
        return QUANTITIES[self.quantity].tolerance

    def gap(self, means: Means) -> float:
        """Return how far above the target a point lies, NaN where that could not be measured."""
        axis = QUANTITIES[self.quantity].axis
        return axis(getattr(means, self.quantity)) - axis(self.value)


@dataclass(frozen=True, slots=True)
class Search:
    """One codec to be brought to one target."""

    codec: str
    target: Target

    def __str__(self) -> str:
        return f"{self.codec} {self.target}"


@dataclass(frozen=True, slots=True)
class Match:
    """What a search came to: the point, its means on clean images, and the number of points looked at.

    `reason` is empty where the target was met, else it says why not; `point` is None where nothing could be measured.
    """

    codec: str
    target: Target
    point: Point | None
    achieved: Means
    looks: int
    reason: str

    @property
    def off(self) -> str:
        """The distance from the target in words, e.g. "+2.4 %"."""
        return QUANTITIES[self.target.quantity].off(self.target.gap(self.achieved))

    def record(self) -> dict[str, object]:
        """Return the match as it stands in the provenance of a run."""
        return {
            "codec": self.codec,
            "target": str(self.target),
            "point": self.point.name if self.point else None,
            "met": not self.reason,
            "reason": self.reason,
            "images": self.achieved.images,
            "looks": self.looks,
            # MS-SSIM is summed in single precision, of which the last digits are the processor's.
            **{name: _recorded(getattr(self.achieved, name)) for name in QUANTITIES},
        }


def _recorded(value: float) -> float | None:
    return round(value, 5) if math.isfinite(value) else None


@dataclass(frozen=True, slots=True)
class Matching:
    """The matches of a job, the job that holds their points in place of ladders, and how the search went."""

    job: Job
    matches: tuple[Match, ...]
    tally: Tally


def match(
    job: Job,
    targets: Sequence[Target],
    out: Path,
    *,
    jobs: int | None = None,
    retry_failed: bool = False,
    time_limit: float = TIME_LIMIT,
    report: Callable[[Tally, Sequence[Search]], None] = lambda _tally, _searches: None,
) -> Matching:
    """Bring every codec that a job names without a point to every target, on the clean images of the first set.

    What is measured on the way are rows of the run file `out` like any others: a search that is stopped goes on, one
    that was made before measures nothing, and ladders measured before are used. All searches take their next step at
    once, so that as many workers are busy as there are images, whatever the number of codecs. Lossless codecs stay as
    they are, and one of which nothing could be measured is left out of the job. Raises WrongTarget where no codec is
    named without a point, and RunFileError.
    """
    searches = searches_of(job, targets)
    first = _first(job)
    jobs = jobs or cores()
    tally = Tally(total=0)
    specs = {one.codec: job.specs[one.codec] for one in searches}
    described = provenance.describe([first], [], specs.values(), job.device)
    if job.spectra:
        described[provenance.SPECTRA] = provenance.settings_of(job.spectra)
    run = provenance.run_id(described)
    with RunFile.open(out) as file, ExitStack() as lifetime:
        admit(job, file)
        rows = _by_point(file.rows_under(first.name, CLEAN, EVERY_MEASURE), retry_failed)
        loop: Loop | None = None
        started = time.perf_counter()
        while True:
            known = _means(rows, first)
            settled = {one: _settle(one, specs[one.codec], known) for one in searches}
            wanted = {one: found for one, found in settled.items() if isinstance(found, Point)}
            if not wanted:
                break
            pairs = {(one.codec, point.name): (one.codec, point) for one, point in wanted.items()}
            tasks = list(_tasks(first, pairs.values(), rows))
            tally.total += sum(len(task.points) for task in tasks)
            report(tally, tuple(wanted))
            if loop is None:
                file.begin(run, described, datetime.now(UTC).isoformat(timespec="seconds"), jobs)
                context = Context({first.name: first}, specs, run, time_limit, share(jobs), job.device, job.spectra)
                pool = lifetime.enter_context(Pool(jobs, context))
                loop = Loop(pool, run, tally)
            for made in loop.rows(tasks):
                file.append(made)
                for row in made:
                    rows.setdefault((row.codec, row.point), {})[row.image] = row
                tally.add(made)
                tally.wall_s = time.perf_counter() - started
                report(tally, tuple(wanted))
    matches = tuple(found for found in settled.values() if isinstance(found, Match))
    return Matching(_held(job, matches), matches, tally)


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What is known of a matching beforehand: the searches still to be made, and about how many rows they take.

    `job` holds the points that are known, and for the rest the middle of each ladder.
    """

    job: Job
    pending: tuple[Search, ...]
    rows: int


def foresee(job: Job, targets: Sequence[Target], out: Path, *, retry_failed: bool = False) -> Foreseen:
    """Return what a matching would come to by the rows that are there; measures nothing. Raises as `match`."""
    searches = searches_of(job, targets)
    first = _first(job)
    rows = _by_point(rows_under(out, first.name, CLEAN, EVERY_MEASURE), retry_failed) if out.exists() else {}
    known = _means(rows, first)
    settled = {one: _settle(one, job.specs[one.codec], known) for one in searches}
    unknown = Means(0, math.nan, math.nan, math.nan, "")
    matches = []
    for one, found in settled.items():
        ladder = job.specs[one.codec].points
        stand_in = Match(one.codec, one.target, ladder[len(ladder) // 2], unknown, 0, "")
        matches.append(found if isinstance(found, Match) else stand_in)
    pending = tuple(one for one, found in settled.items() if isinstance(found, Point))
    return Foreseen(_held(job, matches), pending, len(pending) * LOOKS_EXPECTED * len(first.sources))


def searches_of(job: Job, targets: Sequence[Target]) -> tuple[Search, ...]:
    """Return the searches a job needs, target by target; raise WrongTarget if there are none."""
    codecs = [label for label in dict.fromkeys(job.plan.codecs) if label in job.specs and not job.specs[label].lossless]
    if not codecs:
        raise WrongTarget(
            f"nothing to match among {', '.join(job.plan.codecs)}: expected a lossy codec without a point, such as jpeg"
        )
    return tuple(Search(codec, target) for target in dict.fromkeys(targets) for codec in codecs)


def _first(job: Job) -> ImageSet:
    return next(iter(job.sets.values()))


class _Wanted(Exception):
    """A point has to be measured before a search can go on."""

    def __init__(self, point: Point) -> None:
        super().__init__(point)
        self.point = point


def _settle(search: Search, spec: Spec, known: Mapping[tuple[str, str], Means]) -> Match | Point:
    """Return what a search comes to by the means that are known, or the point to measure next."""

    def gap(value: float) -> float:
        point = _point(spec, value)
        if (spec.name, point.name) not in known:
            raise _Wanted(point)
        looked_at.append(point)
        return search.target.gap(known[spec.name, point.name])

    looked_at: list[Point] = []
    try:
        found = nearest(_dial(spec), gap, search.target.tolerance)
    except _Wanted as wanted:
        return wanted.point
    if not math.isnan(found.value):
        point = _point(spec, found.value)
        return Match(spec.name, search.target, point, known[spec.name, point.name], found.looks, found.reason)
    last = known[spec.name, looked_at[-1].name]
    lacking = f"no image of the set has {search.target.quantity}" if last.images else last.fault
    return Match(
        spec.name, search.target, None, last, found.looks, f"nothing was measured at {looked_at[-1].name}: {lacking}"
    )


def _dial(spec: Spec) -> Dial:
    """Return a codec's scale with its ladder as rungs, or where it has no scale, the places on its ladder."""
    scale = spec.scale
    if scale is None:
        places = range(len(spec.points))
        return Dial(0, len(spec.points) - 1, rungs=tuple(places))
    values = [point.params.get(scale.parameter) for point in spec.points]
    rungs = [value for value in values if isinstance(value, int | float) and scale.low <= value <= scale.high]
    return Dial(scale.low, scale.high, scale.integer, scale.rising, tuple(rungs))


def _point(spec: Spec, value: float) -> Point:
    return spec.points[int(value)] if spec.scale is None else spec.scale.at(value)


_Rows = dict[tuple[str, str], dict[str, Row]]
"""The rows on clean images: by codec and point, then by image."""


def _by_point(rows: Iterable[Row], retry_failed: bool) -> _Rows:
    """Return the rows by what they are of, with `retry_failed` without those that are to be tried again."""
    held: _Rows = {}
    for row in rows:
        if row.status == "ok" or not retry_failed:
            held.setdefault((row.codec, row.point), {})[row.image] = row
    return held


def _means(rows: _Rows, of: ImageSet) -> dict[tuple[str, str], Means]:
    """Return the means of the points of which every image of the set has a row."""
    images = {source.id for source in of.sources}
    return {pair: Means.over(held[image] for image in images) for pair, held in rows.items() if images <= held.keys()}


def _tasks(of: ImageSet, pairs: Iterable[tuple[str, Point]], rows: _Rows) -> Iterable[Task]:
    pairs = list(pairs)
    for source in of.sources:
        lacking = [(codec, point) for codec, point in pairs if source.id not in rows.get((codec, point.name), {})]
        if lacking:
            yield Task(Shot(of.name, source.id, CLEAN, 0), tuple(lacking))


def _held(job: Job, matches: Sequence[Match]) -> Job:
    """Return a job with the points of the matches in place of the ladders of their codecs, and a record of them."""
    searched = {one.codec for one in matches}
    pairs: dict[str, tuple[str, Point]] = {}
    fixed: dict[str, None] = {}
    for label in job.plan.codecs:
        name, colon, point = label.partition(":")
        if name not in job.specs:
            continue
        spec = job.specs[name]
        if name in searched and not colon:
            points = [one.point for one in matches if one.codec == name and one.point]
        else:
            points = [find_point(spec, point)] if colon else list(spec.points)
            fixed |= dict.fromkeys(f"{name}:{one.name}" for one in points)
        pairs |= {f"{name}:{one.name}": (name, one) for one in points}
    specs = {name: spec for name, spec in job.specs.items() if any(name == codec for codec, _ in pairs.values())}
    conditions = (name for name, _ in job.plan.conditions())
    described = provenance.describe(job.sets.values(), conditions, specs.values(), job.device, job.plan.measures)
    described[provenance.MATCHED] = {
        "set": _first(job).name,
        "points": [one.record() for one in matches],
        "fixed": list(fixed),
    }
    plan = replace(job.plan, codecs=tuple(pairs))
    return replace(job, plan=plan, specs=specs, points=tuple(pairs.values()), provenance=described)
