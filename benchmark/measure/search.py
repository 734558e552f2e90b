"""The search for matched operating points, on the clean images of the first set of a job."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...analysis.distortion import psnr
from ...codecs.protocol import Point
from ...codecs.registry import find_point
from ...corruptions.corruption import CLEAN
from ...corruptions.sets import ImageSet, SetError
from ..plan.measures import DEFAULT, RATE, find_all
from ..plan.plans import Shot
from ..plan.targets import UNKNOWN, Match, Matched, Means, Search, Target, WrongTarget, settle
from ..store import Row, Unshown, rows_under, unshown
from .admission import admitted
from .job import Job
from .loop import PoolFactory
from .pools.local import LocalPool
from .sitting import TIME_LIMIT, Report, Sitting, Tally
from .tasks import Task

LOOKS_EXPECTED = 7
"""The number of points that a search tries, for time estimates: four to nine on the codecs of this suite."""


@dataclass(frozen=True, slots=True)
class Matching:
    """A job whose ladders are replaced by the points that were found, and the tally of the search."""

    job: Job
    tally: Tally

    @property
    def matches(self) -> tuple[Match, ...]:
        """The result of each search."""
        return self.job.matched.matches if self.job.matched else ()


def match(
    job: Job,
    targets: Sequence[Target],
    out: Path,
    *,
    jobs: int | None = None,
    retry_failed: bool = False,
    remeasure_changed: bool = False,
    time_limit: float = TIME_LIMIT,
    report: Callable[[Tally, Sequence[Search]], None] = lambda _tally, _searches: None,
    pool: PoolFactory = LocalPool,
) -> Matching:
    """Match every codec that a job names without a point to every target, on the clean images of the first set.

    The search writes ordinary rows to the run file `out` and uses the rows that are already there: an interrupted
    search continues, and a repeated one measures nothing. All searches take their next step together, which keeps as
    many workers busy as there are images, however few codecs there are. Lossless codecs keep their points, and a codec
    that could not be measured at all is left out of the job.

    Raises WrongTarget if no codec is named without a point, SetError if no image can be read, and RunFileError as `run`
    does.
    """
    searches = searches_of(job, targets)
    searching = _searching(job, searches)

    def reported(open_searches: Sequence[Search]) -> Report:
        return lambda tally: report(tally, open_searches)

    with (
        admitted(job, out, remeasure_changed=remeasure_changed) as (file, notes),
        Sitting(searching, file, jobs=jobs, time_limit=time_limit, pool=pool) as sitting,
    ):
        sitting.tally.notes += notes
        images = _readable(_first(job), () if retry_failed else file.unshown())
        if retry_failed:
            file.unmark(images.name, [source.id for source in images.sources])
        rows = _by_point(file.rows_under(images.name, CLEAN, searching.plan.measures), retry_failed)
        while True:
            known = _means(rows, images, searching.plan.measures)
            settled = {search: settle(search, job.specs[search.codec], known) for search in searches}
            wanted = {search: point for search, point in settled.items() if isinstance(point, Point)}
            if not wanted:
                break
            pairs = {(search.codec, point.name): (search.codec, point) for search, point in wanted.items()}
            tasks = list(_tasks(images, pairs.values(), rows))
            for worked in sitting.measure(tasks, reported(tuple(wanted))):
                for row in worked.rows:
                    rows.setdefault((row.codec, row.point), {})[row.image] = row
            images = _readable(images, sitting.tally.unshown)
    matches = [result for result in settled.values() if isinstance(result, Match)]
    return Matching(_at_matches(job, matches), sitting.tally)


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What is known before a search: the searches that remain, and roughly how many rows they will measure.

    `job` has the points that are known, and the middle of the ladder for each remaining search.
    """

    job: Job
    pending: tuple[Search, ...]
    rows: int


def foresee(job: Job, targets: Sequence[Target], out: Path, *, retry_failed: bool = False) -> Foreseen:
    """Return what a search would find from the rows in `out` alone; nothing is measured. Raises as `match` does."""
    searches = searches_of(job, targets)
    images, measures = _first(job), _measures(job, searches)
    rows: _Rows = {}
    if out.exists():
        images = _readable(images, () if retry_failed else unshown(out))
        rows = _by_point(rows_under(out, images.name, CLEAN, measures), retry_failed)
    known = _means(rows, images, measures)
    matches, pending = [], []
    for search in searches:
        spec = job.specs[search.codec]
        result = settle(search, spec, known)
        if isinstance(result, Point):
            pending.append(search)
            middle = spec.points[len(spec.points) // 2]
            result = Match(search.codec, search.target, middle, UNKNOWN, 0, "")
        matches.append(result)
    return Foreseen(_at_matches(job, matches), tuple(pending), len(pending) * LOOKS_EXPECTED * len(images.sources))


def searches_of(job: Job, targets: Sequence[Target]) -> tuple[Search, ...]:
    """Return the searches that a job needs, target by target; raise WrongTarget if there are none."""
    codecs = [label for label in dict.fromkeys(job.plan.codecs) if label in job.specs and not job.specs[label].lossless]
    if not codecs:
        raise WrongTarget(
            f"nothing to match among {', '.join(job.plan.codecs)}: expected a lossy codec without a point, such as jpeg"
        )
    return tuple(Search(codec, target) for target in dict.fromkeys(targets) for codec in codecs)


def means_over(rows: Iterable[Row], measures: Iterable[str] = DEFAULT) -> Means:
    """Return the means over rows of one codec point."""
    rows = sorted(rows, key=lambda row: row.image)  # so that the last digit does not depend on the order of rows
    ok = [row for row in rows if row.nbytes is not None and row.height and row.width]
    pixels = [(row.height or 0) * (row.width or 0) for row in ok]
    return Means(
        images=len(ok),
        bpp=_mean([8 * (row.nbytes or 0) / count for row, count in zip(ok, pixels, strict=True)]),
        fault=next((row.message for row in rows if row.status != "ok"), ""),
        quality={
            "psnr": _mean(psnr([row.error or 0 for row in ok], pixels).tolist()),
            **{measure.name: _score(ok, measure.name) for measure in find_all(measures) if not measure.is_derived},
        },
    )


def _score(rows: Iterable[Row], measure: str) -> float:
    score = (measure, "shown")
    return _mean([row.scores[score] for row in rows if score in row.scores])


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan


def _first(job: Job) -> ImageSet:
    return next(iter(job.sets.values()))


def _readable(images: ImageSet, unshown: Iterable[Unshown]) -> ImageSet:
    """Return a set without the images that cannot be read; raise SetError if none is left."""
    reasons = {mark.image: mark.reason for mark in unshown if (mark.set, mark.corruption) == (images.name, CLEAN)}
    readable = [source for source in images.sources if source.id not in reasons]
    if not readable:
        raise SetError(f"no image of {images.name} can be read: {next(iter(reasons.values()))}; restore the files")
    return images if len(readable) == len(images.sources) else images.part(readable)


def _searching(job: Job, searches: Iterable[Search]) -> Job:
    """Return the job of the search itself: clean images of the first set and the searched codecs."""
    searches = tuple(searches)
    images = _first(job)
    specs = {search.codec: job.specs[search.codec] for search in searches}
    plan = replace(job.plan, corruptions=(CLEAN,), measures=_measures(job, searches))
    return replace(job, plan=plan, sets={images.name: images}, specs=specs)


def _measures(job: Job, searches: Iterable[Search]) -> tuple[str, ...]:
    """Return the measures that a search takes: the default ones, those of the job, and those of its targets."""
    targets = [search.target.quantity for search in searches if search.target.quantity != RATE]
    return tuple(dict.fromkeys((*DEFAULT, *job.plan.measures, *targets)))


_Rows = dict[tuple[str, str], dict[str, Row]]
"""The rows on clean images: by codec and point, then by image."""


def _by_point(rows: Iterable[Row], retry_failed: bool) -> _Rows:
    """Return the rows by point and image; with `retry_failed`, without those that are to be tried again."""
    by_point: _Rows = {}
    for row in rows:
        if row.status == "ok" or not retry_failed:
            by_point.setdefault((row.codec, row.point), {})[row.image] = row
    return by_point


def _means(rows: _Rows, images: ImageSet, measures: Sequence[str]) -> dict[tuple[str, str], Means]:
    """Return the means of the points that have a row for every image of the set, by codec and point."""
    ids = {source.id for source in images.sources}
    return {
        point: means_over((by_image[id_] for id_ in ids), measures)
        for point, by_image in rows.items()
        if ids <= by_image.keys()
    }


def _tasks(images: ImageSet, pairs: Iterable[tuple[str, Point]], rows: _Rows) -> Iterable[Task]:
    pairs = list(pairs)
    for source in images.sources:
        lacking = [(codec, point) for codec, point in pairs if source.id not in rows.get((codec, point.name), {})]
        if lacking:
            yield Task(Shot(images.name, source.id, CLEAN, 0), tuple(lacking))


def _at_matches(job: Job, matches: Sequence[Match]) -> Job:
    """Return a job in which matched points replace the ladders of their codecs, with a record of the matches."""
    points: Mapping[str, list[Point]] = {match.codec: [] for match in matches}
    for match in matches:
        if match.point:
            points[match.codec].append(match.point)
    pairs: dict[str, tuple[str, Point]] = {}
    fixed: dict[str, None] = {}
    for label in job.plan.codecs:
        name, colon, point = label.partition(":")
        if name not in job.specs:
            continue
        spec = job.specs[name]
        if name in points and not colon:
            chosen = points[name]
        else:
            chosen = [find_point(spec, point)] if colon else list(spec.points)
            fixed |= dict.fromkeys(f"{name}:{point.name}" for point in chosen)
        pairs |= {f"{name}:{point.name}": (name, point) for point in chosen}
    specs = {name: spec for name, spec in job.specs.items() if any(name == codec for codec, _ in pairs.values())}
    matched = Matched(_first(job).name, tuple(matches), tuple(fixed))
    plan = replace(job.plan, codecs=tuple(pairs))
    return replace(job, plan=plan, specs=specs, points=tuple(pairs.values()), matched=matched)
