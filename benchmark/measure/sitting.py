"""A sitting: one process that measures tasks of a job, writes the rows to a run file, and keeps a tally."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType

from ...analysis.measures.table import use_once
from ...codecs.memory import share
from ..store import RunFile, Unshown
from ..store.reading import ASKED
from .admission import admitted
from .job import Job
from .loop import Loop, PoolFactory
from .pools.local import LocalPool
from .pools.processes import cores
from .tasks import Context, Task, Worked

TIME_LIMIT = 300.0
"""The default time limit in seconds for one image in one codec point."""


@dataclass(slots=True)
class Tally:
    """The progress of a sitting, and where its time went; it is updated with every row and passed to `report`."""

    total: int = 0
    done: int = 0
    failed: int = 0
    skipped: int = 0
    codec_s: float = 0.0
    measure_s: float = 0.0
    wall_s: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)
    unshown: set[Unshown] = field(default_factory=set)
    """The shots that could not be made; their rows are not counted in `total`."""
    waiting: str = ""
    """What the first row has to wait for, "" most of the time."""
    notes: list[str] = field(default_factory=list)
    """Sentences on images that changed or are gone."""

    def add(self, worked: Worked) -> None:
        """Count rows and the time they took."""
        self.done += len(worked.rows)
        self.total -= len(worked.unshown)
        self.unshown.update(worked.unshown)
        self.codec_s += worked.codec_s
        self.measure_s += worked.measure_s
        if worked.outgrown:
            self.reasons[f"{worked.outgrown}: a worker used more than its share of memory and was replaced"] += 1
        for row in worked.rows:
            if row.status != "ok":
                self.failed += row.status == "failed"
                self.skipped += row.status == "skipped"
                self.reasons[f"{row.codec}: {row.message}"] += 1

    def overhead(self, jobs: int) -> float:
        """Return cores x wall time divided by the time inside encode, decode and measures; 1 is ideal."""
        inside = self.codec_s + self.measure_s
        return jobs * self.wall_s / inside if inside else float("nan")


Report = Callable[[Tally], None]


class Sitting:
    """Measures tasks of a job; a context manager. The first tasks start the pool, and leaving the context ends it.

    Without a run file, nothing is written.
    """

    def __init__(
        self,
        job: Job,
        file: RunFile | None = None,
        *,
        jobs: int | None = None,
        time_limit: float = TIME_LIMIT,
        pool: PoolFactory = LocalPool,
    ) -> None:
        self.job = job
        self.file = file
        self.tally = Tally()
        self._jobs = jobs or cores()
        self._time_limit = time_limit
        self._pool = pool
        self._lifetime = ExitStack()
        self._loop: Loop | None = None
        self._started = 0.0
        self._is_recorded = False

    def __enter__(self) -> Sitting:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lifetime.__exit__(kind, error, trace)

    @cached_property
    def context(self) -> Context:
        """The context for the workers; its run id requires opening every codec."""
        return self.job.context(self._time_limit, share(self._jobs))

    def record(self) -> None:
        """Record in the run file, once, that the run is started or resumed now."""
        if self.file and not self._is_recorded:
            started = datetime.now(UTC).isoformat(timespec="seconds")
            record = {**self.job.provenance, ASKED: asdict(self.job.asked)}
            self.file.begin(self.job.run, record, started, self._jobs)
            self._is_recorded = True

    def measure(self, tasks: Sequence[Task], report: Report = lambda _tally: None) -> Iterator[Worked]:
        """Yield the results of the tasks after they are written and counted; report the tally before and after."""
        self.tally.total += sum(len(task.points) for task in tasks)
        report(self.tally)
        if not tasks:
            return
        for worked in self._running(report).worked(tasks):
            if self.file:
                self.file.append(worked.rows, worked.shifts)
                if worked.unshown:
                    self.file.mark(worked.unshown)
            self.tally.add(worked)
            self.tally.wall_s = time.perf_counter() - self._started
            yield worked
            report(self.tally)

    def _running(self, report: Report) -> Loop:
        """Return the loop; the first call starts it."""
        if self._loop is None:
            self.record()
            self._warm(report)
            self._started = time.perf_counter()
            self._loop = Loop(self._lifetime.enter_context(self._pool(self._jobs, self.context)))
        return self._loop

    def _warm(self, report: Report) -> None:
        """Compile what measures have to compile on this machine, so that not every worker does it at once."""
        for measure in self.context.measures:
            if measure.compiled:
                self.tally.waiting = f"loading {measure.title}, which is compiled once on this machine"
                report(self.tally)
                use_once(measure)
                self.tally.waiting = ""
                report(self.tally)


def run(
    job: Job,
    out: Path,
    *,
    jobs: int | None = None,
    retry_failed: bool = False,
    remeasure_changed: bool = False,
    time_limit: float = TIME_LIMIT,
    report: Report = lambda _tally: None,
    pool: PoolFactory = LocalPool,
) -> Tally:
    """Measure everything that a job needs and the run file `out` lacks, and return the tally.

    The run may be interrupted at any time: finished rows are in the file, and the next call measures the rest. If a
    process dies or hangs, its codec points are tried again one by one, and only the rows of the one that caused it
    fail. Raises RunFileError, also for an image that has changed since its rows were measured; with
    `remeasure_changed`, the rows of such an image are measured again instead.
    """
    with (
        admitted(job, out, remeasure_changed=remeasure_changed) as (file, notes),
        Sitting(job, file, jobs=jobs, time_limit=time_limit, pool=pool) as sitting,
    ):
        sitting.tally.notes += notes
        if retry_failed:
            for images in job.sets.values():
                file.unmark(images.name, [source.id for source in images.sources])
        statuses = file.statuses(job.plan.measures)
        tasks = list(job.tasks(statuses, retry_failed, file.with_profiles(), file.unshown()))
        # Matches are recorded even where all rows at their points are in the file.
        if job.matched and job.run not in file.runs():
            sitting.record()
        for _ in sitting.measure(tasks, report):
            pass
    return sitting.tally
