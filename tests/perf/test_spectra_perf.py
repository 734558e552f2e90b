"""What spectra add to a run: the same shots measured and written with them and without, by turns, in one process."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from codecshift.analysis.spectrum import EVERY_CHANNEL, Settings
from codecshift.benchmark.measure.job import Job, prepare
from codecshift.benchmark.measure.shots.worker import Worker
from codecshift.benchmark.measure.tasks import Context, Task
from codecshift.benchmark.plan.plans import PLANS, Shot
from codecshift.benchmark.store import RunFile
from codecshift.corruptions.corruption import CLEAN

WAYS = {"without": None, "luminance": Settings(), "hann": Settings(window="hann"), "rgb": Settings(EVERY_CHANNEL)}
MOST = 1.3
"""What a run of jpeg and webp may take with spectra of the luminance, over what it takes without."""


@pytest.fixture
def job(benchmark) -> Job:
    """Return jpeg and webp, their whole ladders, on one image, clean and under two corruptions."""
    data = Path(os.environ.get("CODECSHIFT_DATA", "."))
    of = "kodak" if (data / "kodak").is_dir() else "sample"
    corruptions = (CLEAN, "gaussian_noise", "fog") if benchmark.enabled else (CLEAN,)
    whole = prepare(PLANS["quick"].narrowed([of], corruptions, [3], ["jpeg", "webp"]), data)
    (images,) = whole.sets.values()
    return replace(whole, sets={images.name: replace(images, sources=images.sources[:1])})


def test_spectra_add_little_to_a_run(job: Job, tmp_path: Path, benchmark) -> None:
    """Of the processor's time, the least of several rounds: what else the machine does is not counted."""
    (images,) = job.sets.values()
    tasks = [
        Task(Shot(images.name, images.sources[0].id, *condition), job.points) for condition in job.plan.conditions()
    ]
    workers = {name: Worker(Context(job.sets, job.specs, job.run, 300, spectra=how)) for name, how in WAYS.items()}
    least = {(name, task.shot): float("inf") for name in WAYS for task in tasks}
    rounds = 4 if benchmark.enabled else 1

    def measure() -> None:
        for number in range(rounds):
            for name, worker in workers.items():
                with RunFile.open(tmp_path / f"{name}-{number}.sqlite") as file:
                    file.begin(job.run, {}, "now", 1)
                    for task in tasks:
                        start = time.process_time()
                        file.append(worker.work(task).rows)
                        least[name, task.shot] = min(least[name, task.shot], time.process_time() - start)

    benchmark.pedantic(measure, rounds=1)
    taken = {name: sum(least[name, task.shot] for task in tasks) for name in WAYS}
    rows = len(tasks) * len(job.points)
    for name in WAYS:
        benchmark.extra_info[name] = f"{taken[name] / rows * 1e3:.1f} ms a row, {taken[name] / taken['without']:.3f}"
    if benchmark.enabled and os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        pytest.skip("workers have one thread each, and here the time of several would be added up: make perf")
    if benchmark.enabled:
        assert taken["luminance"] < MOST * taken["without"]
