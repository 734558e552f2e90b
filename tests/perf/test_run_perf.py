"""What a whole run costs beside the time inside encode, decode and measures, and how much memory a worker takes."""

import os
import resource
from dataclasses import replace
from pathlib import Path

import pytest
from codecshift.benchmark.measure.job import Job, prepare
from codecshift.benchmark.measure.shots.worker import Worker
from codecshift.benchmark.measure.sitting import run
from codecshift.benchmark.measure.tasks import Context, Task
from codecshift.benchmark.plan.plans import PLANS, Shot
from codecshift.corruptions.corruption import CLEAN
from codecshift.corruptions.table import FIFTEEN


@pytest.fixture
def job(benchmark) -> Job:
    """Return jpeg and webp, their whole ladders, on one image under all fifteen corruptions; less when not measured."""
    data = Path(os.environ.get("CODECSHIFT_DATA", "."))
    of = "kodak" if (data / "kodak").is_dir() else "sample"
    corruptions = (CLEAN, *FIFTEEN) if benchmark.enabled else (CLEAN, "fog")
    whole = prepare(PLANS["quick"].narrowed([of], corruptions, [3], ["jpeg", "webp"]), data)
    (images,) = whole.sets.values()
    return replace(whole, sets={images.name: replace(images, sources=images.sources[:1])})


def test_overhead_of_a_run(job: Job, tmp_path: Path, benchmark) -> None:
    tally = benchmark.pedantic(run, args=(job, tmp_path / "r.sqlite"), kwargs={"jobs": 2}, rounds=1)
    benchmark.extra_info["cores x wall over time inside encode, decode, measures"] = round(tally.overhead(2), 3)
    assert (tally.done, tally.failed) == (tally.total, 0)


def test_memory_of_a_worker(job: Job, benchmark) -> None:
    (images,) = job.sets.values()
    worker = Worker(Context(job.sets, job.specs, job.run, time_limit=300))
    tasks = [
        Task(Shot(images.name, images.sources[0].id, *condition), job.points) for condition in job.plan.conditions()
    ]
    rows = benchmark.pedantic(lambda: [row for task in tasks for row in worker.work(task).rows], rounds=1)
    benchmark.extra_info["peak MB of this process"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    assert {row.status for row in rows} == {"ok"}
