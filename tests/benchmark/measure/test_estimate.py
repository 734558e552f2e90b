"""An estimate is of what is left: timed by parts of it, scaled by megapixels; it writes nothing and ends in time."""

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from codecshift.benchmark.measure.estimate import estimate
from codecshift.benchmark.measure.job import Job, prepare
from codecshift.benchmark.measure.pools.processes import cores
from codecshift.benchmark.measure.sitting import run
from codecshift.benchmark.measure.tasks import Context, Task, Worked
from codecshift.benchmark.measure.trial import trial
from codecshift.benchmark.plan.plans import Plan
from codecshift.benchmark.store import blank
from codecshift.corruptions.corruption import CLEAN

SIZES = {"large": (900, 1000), "small": (60, 50), "tall": (700, 300)}
CONDITIONS = (CLEAN, "fog", "glass_blur")


def test_an_estimate_writes_nothing_and_counts_what_is_left(job: Job, whole: Path, tmp_path: Path) -> None:
    fresh = estimate(job, tmp_path / "r.sqlite", 1)
    assert fresh.rows == 12
    assert 0 < fresh.low < fresh.seconds < fresh.high
    assert fresh.nbytes > 0
    assert list(tmp_path.iterdir()) == []
    before = whole.read_bytes()
    assert astuple(estimate(job, whole, 1)) == (0, 0.0, 0, 0.0, 0.0)
    assert before == whole.read_bytes()


def test_an_estimate_is_of_the_cores_there_are(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = []

    def division(jobs: int, context: Any) -> tuple[int, int]:
        counted.append(jobs)
        return jobs, 0

    monkeypatch.setattr("codecshift.benchmark.measure.estimate.division", division)
    estimate(job, tmp_path / "r.sqlite", 10_000)
    assert counted[0] == cores()


# --- against a machine that takes known times


def codec_s(codec: str, point: str) -> float:
    """Return the seconds that a megapixel takes in a codec of the imagined machine."""
    return {"jpeg": 0.1, "webp": 3.0}[codec] * (1 + int(point.removeprefix("q")) / 100)


def image_s(corruption: str, severity: int) -> float:
    return {CLEAN: 0.01, "fog": 0.2, "glass_blur": 7.0}[corruption] * (1 + severity)


class Imagined:
    """A pool of a machine whose times are proportional to megapixels."""

    tried: list[Task]

    def __init__(self, _jobs: int, context: Context) -> None:
        self.context = context
        Imagined.tried = []

    def __enter__(self) -> "Imagined":
        return self

    def __exit__(self, *_: object) -> None: ...

    def work(
        self, following: Callable[[], Task | None], following_batch: Callable[[], None] = lambda: None
    ) -> Iterator[Worked]:
        while (task := following()) is not None:
            self.tried.append(task)
            height, width = self.context.sets[task.shot.set].load(task.shot.image).shape[:2]
            size = height * width / 1e6
            rows = tuple(
                replace(
                    blank(task.shot, codec, point.name, "", "ok", ""),
                    encode_s=size * codec_s(codec, point.name),
                    decode_s=0.0,
                )
                for codec, point in task.points
            )
            yield Worked(rows, image_s=size * image_s(task.shot.corruption, task.shot.severity))
        assert following_batch() is None


def expected(left: Sequence[Task]) -> float:
    """Return the seconds that tasks take on the imagined machine."""
    return math.fsum(
        SIZES[task.shot.image][0]
        * SIZES[task.shot.image][1]
        / 1e6
        * (
            image_s(task.shot.corruption, task.shot.severity)
            + sum(codec_s(codec, point.name) for codec, point in task.points)
        )
        for task in left
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images of several sizes."""
    folder = tmp_path_factory.mktemp("sets") / "sizes"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, (height, width) in SIZES.items():
        PIL.Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)).save(folder / f"{name}.png")
    return folder


def sized(folder: Path, codecs: Sequence[str], corruptions: Sequence[str] = CONDITIONS) -> Job:
    plan = Plan("test", "for tests", (f"folder:{folder}",), tuple(codecs), tuple(corruptions), (1, 3))
    return prepare(plan, Path("/nonexistent"))


def test_an_estimate_scales_what_it_tried_to_all_that_is_left(folder: Path, tmp_path: Path) -> None:
    job = sized(folder, ["jpeg:q30", "jpeg:q60", "webp:q50"])
    guess = estimate(job, tmp_path / "r.sqlite", 1, pool=Imagined)
    left = list(job.tasks({}, retry_failed=False))
    assert guess.seconds == pytest.approx(expected(left))
    assert guess.low < guess.seconds < guess.high
    tried = {(task.shot.corruption, task.shot.severity) for task in Imagined.tried}
    assert tried == set(job.plan.conditions())


def test_an_estimate_of_a_half_done_file_tries_and_counts_what_is_left_alone(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    job = sized(folder, ["jpeg:q30", "jpeg:q60", "webp:q50"])
    for done in (sized(folder, ["webp:q50"], [CLEAN, "fog"]), sized(folder, ["jpeg:q30", "jpeg:q60"], ["glass_blur"])):
        run(done, path, jobs=1)
    left = [
        task
        for task in job.tasks({}, retry_failed=False)
        for points in [
            tuple(pair for pair in task.points if (pair[0] == "webp") == (task.shot.corruption == "glass_blur"))
        ]
        for task in [replace(task, points=points)]
    ]
    guess = estimate(job, path, 1, pool=Imagined)
    assert guess.rows == sum(len(task.points) for task in left)
    assert guess.seconds == pytest.approx(expected(left))
    assert {(task.shot.corruption, task.points[0][0]) for task in Imagined.tried} == {
        (CLEAN, "jpeg"),
        ("fog", "jpeg"),
        ("glass_blur", "webp"),
    }


class Stuck(Imagined):
    """A pool of a machine that never answers."""

    def work(
        self, following: Callable[[], Task | None], following_batch: Callable[[], None] = lambda: None
    ) -> Iterator[Worked]:
        assert following()
        assert following_batch() is None
        threading.Event().wait()
        yield Worked(())


@pytest.mark.needs("alarm")
def test_a_trial_ends_in_time_whatever_is_tried(folder: Path) -> None:
    """It would not end at all: the pool gives nothing back."""
    job = sized(folder, ["jpeg:q30"])
    reports: list[tuple[float, float]] = []
    left = list(job.tasks({}, retry_failed=False))
    samples = trial(job, left, 1, Stuck, lambda done, total: reports.append((done, total)), seconds=0.1)
    assert samples == []
    assert reports == [(0.0, 0.1)]
