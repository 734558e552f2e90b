"""The one loop: what a plan wants and a run file lacks becomes rows."""

from __future__ import annotations

import difflib
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from ..analysis.spectrum import Settings
from ..codecs.memory import share
from ..codecs.protocol import CodecUnavailable, Point, Spec
from ..codecs.registry import UnknownCodec, find, identify
from ..codecs.registry import prepare as fetch
from ..corruptions.corruption import SEVERITIES
from ..corruptions.sets import ImageSet, SetError, open_set
from ..corruptions.sets.generated import Place
from ..corruptions.table import prepare as fetch_for
from . import provenance
from .cell import CLEAN, Plan, Shot
from .device import Device, chosen
from .lane import divided, on_device
from .pool import Pool, apart, division
from .shot import Batch, Context, Lost, Task, Worked, blank
from .store import Key, Row, RunFile, RunFileError, Status, statuses, with_spectra

TIME_LIMIT = 300.0
LOST_ALONE = 3
"""A codec, or a point of it, whose process was lost this often in a row is not tried again in this run."""

BYTES_PER_ROW = 250  # measured on run files of 10,000 rows and more
BYTES_PER_SPECTRUM = 8900  # as above, with what lies beside the 64 x 33 numbers

Sent = TypeVar("Sent", Task, Batch)


@dataclass(frozen=True, slots=True)
class Job:
    """A plan resolved: the sets opened, the codec points found, and what the rows will say of where they come from.

    `device` is where neural codecs compute, None where they are worked like any others; `spectra` is how spectra are
    taken, None where they are not.
    """

    plan: Plan
    sets: Mapping[str, ImageSet]
    specs: Mapping[str, Spec]
    points: tuple[tuple[str, Point], ...]
    unavailable: Mapping[str, str]
    provenance: Mapping[str, object]
    device: Device | None = None
    spectra: Settings | None = None

    @property
    def run(self) -> str:
        """The run id."""
        return provenance.run_id(self.provenance)

    def shots(self) -> Iterator[Shot]:
        """Yield every shot, image by image, so that a worker prepares each clean image once."""
        conditions = self.plan.conditions()
        for one in self.sets.values():
            for source in one.sources:
                for corruption, severity in conditions:
                    yield Shot(one.name, source.id, corruption, severity)

    def tasks(self, done: Mapping[Key, Status], retry_failed: bool) -> Iterator[Task]:
        """Yield, for each shot, the points that have no row yet, or with `retry_failed` none that is ok."""
        for shot in self.shots():
            points = tuple(pair for pair in self.points if not self._is_done(done.get(_key(shot, pair)), retry_failed))
            if points:
                yield Task(shot, points)

    @staticmethod
    def _is_done(status: Status | None, retry_failed: bool) -> bool:
        return status == "ok" or (status is not None and not retry_failed)

    def rows(self) -> int:
        """Return the number of rows of the whole plan."""
        images = sum(len(one.sources) for one in self.sets.values())
        return images * len(self.plan.conditions()) * len(self.points)

    def cells(self) -> int:
        """Return the number of cells of the whole plan."""
        return len(self.sets) * len(self.plan.conditions()) * len(self.points)


def _key(shot: Shot, pair: tuple[str, Point]) -> Key:
    return Key(shot.set, shot.corruption, shot.severity, pair[0], pair[1].name, shot.image)


def prepare(
    plan: Plan,
    data_dir: Path,
    *,
    download: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
    extra: Sequence[Spec] = (),
    device: str = "cpu",
    spectra: Settings | None = None,
) -> Job:
    """Return a plan resolved on this machine, its image sets found, or with `download` fetched.

    The codecs `extra` join those of the plan, with their ladders unless a label there says which points. A codec that
    this machine cannot open is left out and named in `unavailable`, unless that leaves none. The device is "cpu",
    "cuda" or "auto", CUDA where there is any. With `spectra`, every row comes with its own. Raises UnknownName,
    UnknownCodec, UnknownSet, SetError and CodecUnavailable, where there is no such device too.
    """
    pairs: dict[tuple[str, str], tuple[str, Point]] = {}
    specs: dict[str, Spec] = {}
    unavailable: dict[str, str] = {}
    named = {label.partition(":")[0] for label in plan.codecs}
    plan = replace(plan, codecs=(*plan.codecs, *(spec.name for spec in extra if spec.name not in named)))
    labels = []
    for label in plan.codecs:
        spec, points = find(label, extra)
        if spec.name in specs and specs[spec.name] != spec:
            raise UnknownCodec(f"{label}: another codec of this run is called {spec.name!r} in rows: rename one file")
        # A checkpoint is named by its path, and goes by its name from here on.
        labels.append(
            spec.name if points == spec.points else f"{spec.name}:{points[0].name}" if "@" in label else label
        )
        try:
            identify(spec)
            fetch(spec, points, progress)
        except CodecUnavailable as error:
            unavailable[spec.name] = str(error)
            continue
        specs[spec.name] = spec
        pairs |= {(spec.name, point.name): (spec.name, point) for point in points}
    plan = replace(plan, codecs=tuple(labels))
    if not pairs:
        raise CodecUnavailable("; ".join(unavailable.values()))
    computing = chosen(device, specs.values())
    sets: dict[str, ImageSet] = {}
    corrupted = [one for one in plan.conditions() if one[0] != CLEAN]
    fetch_for((name for name, _ in corrupted), progress)
    for name in plan.sets:
        opened = open_set(name, data_dir, download=download, progress=progress)
        if opened.name in sets:
            raise SetError(f"two sets are called {opened.name!r} in rows: rename one folder")
        if opened.generated and (lacking := opened.generated.lacks(corrupted)):
            corruption, severity = lacking[0]
            raise SetError(
                f"{name} holds no {corruption}@{severity} ({len(lacking)} of the conditions wanted are not there): "
                f"it holds {_listed(opened.generated.files)}; choose with --corruption and --severity"
            )
        sets[opened.name] = opened
    sets = _parts(sets, plan)
    conditions = (name for name, _ in plan.conditions())
    described = provenance.describe(sets.values(), conditions, specs.values(), computing, plan.measures)
    if spectra:
        described[provenance.SPECTRA] = provenance.settings_of(spectra)
    return Job(plan, sets, specs, tuple(pairs.values()), unavailable, described, computing, spectra)


def _parts(sets: Mapping[str, ImageSet], plan: Plan) -> dict[str, ImageSet]:
    """Return the sets with the images that a plan wants of them; a set that has none of those named is left out.

    Raises SetError for an image that no set has.
    """
    held = {one.name: {source.id: source for source in one.sources} for one in sets.values()}
    for wanted in plan.images:
        if not any(wanted in sources for sources in held.values()):
            near = difflib.get_close_matches(wanted, [name for sources in held.values() for name in sources], n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise SetError(f"there is no image {wanted!r} in {' or '.join(held)}{hint}")
    parts = {}
    for name, sources in held.items():
        chosen = [source for id_, source in sources.items() if not plan.images or id_ in plan.images][: plan.first]
        if chosen:
            parts[name] = sets[name] if len(chosen) == len(sources) else sets[name].part(chosen)
    return parts


def _listed(places: Iterable[Place]) -> str:
    """Return the conditions of stored files in words, a corruption alone where all of it is there: "fog@1,3 snow"."""
    held: dict[str, set[int]] = {}
    for _, corruption, severity in places:
        held.setdefault(corruption, set()).add(severity)
    return " ".join(
        name if severities == set(SEVERITIES) else f"{name}@{','.join(map(str, sorted(severities)))}"
        for name, severities in held.items()
    )


@dataclass(slots=True)
class Tally:
    """How far a run is, and where its time went; the loop updates it and hands it to `report`."""

    total: int
    done: int = 0
    failed: int = 0
    skipped: int = 0
    codec_s: float = 0.0
    measure_s: float = 0.0
    wall_s: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, rows: tuple[Row, ...]) -> None:
        """Count rows that were written."""
        self.done += len(rows)
        for row in rows:
            if row.status != "ok":
                self.failed += row.status == "failed"
                self.skipped += row.status == "skipped"
                self.reasons[f"{row.codec}: {row.message}"] += 1

    def overhead(self, jobs: int) -> float:
        """Return cores x wall time over the time inside encode, decode and measures; 1 is the floor."""
        inside = self.codec_s + self.measure_s
        return jobs * self.wall_s / inside if inside else float("nan")


def run(
    job: Job,
    out: Path,
    *,
    jobs: int | None = None,
    retry_failed: bool = False,
    time_limit: float = TIME_LIMIT,
    report: Callable[[Tally], None] = lambda _tally: None,
) -> Tally:
    """Work everything a job wants and the run file `out` lacks, and return how it went.

    May be stopped at any instant: what was done is in the file, and the next call does the rest. A process that dies or
    hangs costs only the rows of the codec point that made it so, tried a second time and alone. Raises RunFileError.
    """
    jobs = jobs or cores()
    with RunFile.open(out) as file:
        held = admit(job, file)
        there = file.statuses()
        done = _done(job, file.statuses(job.plan.measures), file.with_spectra())
        tasks = list(job.tasks(done, retry_failed))
        tally = Tally(total=sum(len(task.points) for task in tasks))
        report(tally)
        # What a search found is recorded though nothing is left to measure at it.
        if tasks or (provenance.MATCHED in job.provenance and job.run not in held):
            file.begin(job.run, job.provenance, datetime.now(UTC).isoformat(timespec="seconds"), jobs)
        if not tasks:
            return tally
        started = time.perf_counter()
        with Pool(jobs, context_of(job, time_limit, share(jobs))) as pool:
            for rows in Loop(pool, job.run, tally).rows(tasks):
                # A row that was measured again for what it lacked, and this time in vain, stays as it is.
                file.append(row for row in rows if row.status == "ok" or there.get(row.key) != "ok")
                tally.add(rows)
                tally.wall_s = time.perf_counter() - started
                report(tally)
    return tally


def _done(job: Job, held: Mapping[Key, Status], with_spectra: Container[Key]) -> dict[Key, Status]:
    """Return the rows that count as there: where spectra are wanted, a row that is ok is only there with them."""
    return {
        key: status for key, status in held.items() if not (job.spectra and status == "ok" and key not in with_spectra)
    }


def admit(job: Job, file: RunFile) -> Mapping[str, object]:
    """Return the runs that a file holds; raise RunFileError where rows of the job may not stand beside theirs."""
    held = file.runs()
    reason = provenance.conflict([*held.values(), job.provenance])
    if reason:
        raise RunFileError(
            f"{file.path} holds rows that cannot be compared with this run: {reason}; give another --out"
        )
    return held


def context_of(job: Job, time_limit: float, memory: float) -> Context:
    """Return what the workers of a job are told."""
    return Context(job.sets, job.specs, job.run, time_limit, memory, job.device, job.spectra, job.plan.measures)


class Loop:
    """Sends tasks to a pool, those that came back lost first, point by point; gives up what is always lost."""

    def __init__(self, pool: Pool, run: str, tally: Tally) -> None:
        self._pool = pool
        self._run = run
        self._tally = tally
        self._again: deque[Task] = deque()
        self._batches_again: deque[Batch] = deque()
        self._given_up: list[Row] = []
        # Losses since the last success, of a codec, and of a point of it: one image in a thousand that crashes a codec
        # is a failed row; a codec or a point that does nothing but crash or hang is not tried on every image.
        self._losses: Counter[tuple[str, ...]] = Counter()

    def rows(self, tasks: Iterable[Task]) -> Iterator[tuple[Row, ...]]:
        """Yield rows as they come to be."""
        for_pool, batches = divided(tasks, self._pool.context)
        following = partial(self._following, self._again, iter(for_pool))
        following_batch = partial(self._following, self._batches_again, iter(batches))
        for outcome in self._pool.work(following, following_batch):
            if isinstance(outcome, Worked):
                yield self._account(outcome)
            elif outcome.task.alone:
                yield (self._failed(outcome),)
            else:
                for one in apart(outcome.task):
                    self._put_back(one)
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
        else:
            self._again.append(task)

    def _account(self, worked: Worked) -> tuple[Row, ...]:
        self._tally.codec_s += worked.codec_s
        self._tally.measure_s += worked.measure_s
        if worked.outgrown:
            self._tally.reasons[f"{worked.outgrown}: a worker's memory outgrew its share, and it was replaced"] += 1
        if worked.rest:
            self._put_back(worked.rest)
        for row in worked.rows:
            if row.status == "ok":
                self._losses.pop((row.codec,), None)
                self._losses.pop((row.codec, row.point), None)
        return worked.rows

    def _failed(self, lost: Lost) -> Row:
        ((codec, point),), (shot,) = lost.task.points, lost.task.shots
        self._losses.update([(codec,), (codec, point.name)])
        return blank(shot, codec, point.name, self._run, "failed", lost.reason)

    def _without_the_hopeless(self, task: Sent) -> Sent | None:
        kept = []
        for codec, point in task.points:
            if max(self._losses[codec,], self._losses[codec, point.name]) < LOST_ALONE:
                kept.append((codec, point))
            else:
                reason = f"not tried: the last {LOST_ALONE} times its process died or hung"
                for shot in task.shots:
                    self._given_up.append(blank(shot, codec, point.name, self._run, "skipped", reason))
        return replace(task, points=tuple(kept)) if kept else None

    def _take_given_up(self) -> Iterator[tuple[Row, ...]]:
        if self._given_up:
            rows = tuple(self._given_up)
            self._given_up.clear()
            yield rows


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run would take: rows to measure, seconds, and bytes of run file."""

    rows: int
    seconds: float
    nbytes: int


def estimate(job: Job, out: Path, jobs: int, *, retry_failed: bool = False) -> Estimate:
    """Return what is left to do of a job, its time extrapolated from one image of each set through every point.

    On a device it is a batch, of that image under several conditions. Writes nothing. What dies or hangs in the trial
    counts as no time.
    """
    done = _done(job, statuses(out, job.plan.measures), with_spectra(out)) if out.exists() else {}
    rows, pool_s, lane_s = 0, 0.0, 0.0
    context = context_of(job, TIME_LIMIT, share(1))
    workers, threads = division(min(jobs, cores()), context)
    # A corrupted shot first: unlike a clean one it pays for two references to measure against.
    conditions = list(dict.fromkeys([("gaussian_noise", 3), *job.plan.conditions()]))
    with Pool(1, context) as pool:

        def a_row(of: ImageSet, points: Sequence[tuple[str, Point]], conditions: Sequence[tuple[str, int]]) -> Tally:
            """Return the seconds that a row of these points takes."""
            image = of.sources[len(of.sources) // 2].id
            tasks = [Task(Shot(of.name, image, *condition), tuple(points)) for condition in conditions]
            tally = Tally(total=len(tasks) * len(points))
            for _ in Loop(pool, job.run, tally).rows(tasks):
                pass
            return replace(tally, codec_s=tally.codec_s / tally.total, measure_s=tally.measure_s / tally.total)

        for one in job.sets.values():
            tasks = [task for task in job.tasks(done, retry_failed) if task.shot.set == one.name]
            left = Counter(codec in on_device(context) for task in tasks for codec, _ in task.points)
            rows += left.total()
            if left[False]:
                row = a_row(one, [pair for pair in job.points if pair[0] not in on_device(context)], conditions[:1])
                pool_s += left[False] * (row.codec_s + row.measure_s) / workers
            if left[True] and job.device:
                points = [pair for pair in job.points if pair[0] in on_device(context)]
                row = a_row(one, points, conditions[: job.device.batch])
                lane_s += left[True] * max(row.codec_s, row.measure_s / threads)
    channels = len(job.spectra.channels) if job.spectra else 0
    # A corrupted cell has two quantities, a clean one has one; what is of the shots alone hardly counts.
    spectra = channels * sum(
        len(job.points) * len(job.sets) * (1 + (name != CLEAN)) for name, _ in job.plan.conditions()
    )
    return Estimate(rows, max(pool_s, lane_s), rows * BYTES_PER_ROW + spectra * BYTES_PER_SPECTRUM)


def cores() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
