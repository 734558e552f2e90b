"""A run goes through any pool that keeps to the protocol."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from codecshift.benchmark import store
from codecshift.benchmark.measure.estimate import estimate
from codecshift.benchmark.measure.job import Job
from codecshift.benchmark.measure.loop import LOST_ALONE
from codecshift.benchmark.measure.pools.local import LocalPool
from codecshift.benchmark.measure.pools.protocol import Pool
from codecshift.benchmark.measure.search import match
from codecshift.benchmark.measure.shots.worker import Worker
from codecshift.benchmark.measure.sitting import run
from codecshift.benchmark.measure.tasks import Context, Lost, Task, Worked
from codecshift.benchmark.plan.targets import Target


class Inline:
    """Works tasks in this process, one after the other; loses those of the codecs `lost`."""

    lost: tuple[str, ...] = ()

    def __init__(self, _jobs: int, context: Context) -> None:
        self.context = context
        self.worker = Worker(context)

    def __enter__(self) -> "Inline":
        return self

    def __exit__(self, *_: object) -> None: ...

    def work(
        self, following: Callable[[], Task | None], following_batch: Callable[[], None] = lambda: None
    ) -> Iterator[Worked | Lost]:
        while (task := following()) is not None:
            gone = any(codec in self.lost for codec, _ in task.points)
            yield Lost(task, "the machine is gone") if gone else self.worker.work(task)
        assert following_batch() is None


class Losing(Inline):
    lost = ("webp",)


def untimed(path: Path) -> pd.DataFrame:
    return store.read(path).drop(columns=["encode_s", "decode_s"])


@pytest.mark.parametrize("pool", [Inline, LocalPool])
def test_a_pool_gives_the_rows_of_an_undisturbed_run(
    pool: Callable[[int, Context], Pool], job: Job, whole: Path, tmp_path: Path
) -> None:
    assert estimate(job, tmp_path / "r.sqlite", 1, pool=pool).rows == 12
    assert run(job, tmp_path / "r.sqlite", jobs=1, pool=pool).done == 12
    pd.testing.assert_frame_equal(untimed(whole), untimed(tmp_path / "r.sqlite"))


def test_what_a_pool_loses_is_tried_again_alone_and_then_given_up(job: Job, whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    tally = run(job, path, jobs=1, pool=Losing)
    assert (tally.done, tally.failed, tally.skipped) == (12, LOST_ALONE, 6 - LOST_ALONE)
    good, table = untimed(whole), untimed(path)
    expected = good[good["codec"] == "jpeg"].reset_index(drop=True)
    pd.testing.assert_frame_equal(expected, table[table["codec"] == "jpeg"].reset_index(drop=True))
    assert set(store.faults(path)["message"].head(LOST_ALONE)) >= {"the machine is gone"}


def test_a_search_goes_through_it_too(job: Job, tmp_path: Path) -> None:

    wanted = replace(job, plan=replace(job.plan, codecs=("jpeg",)))
    ways = [
        match(wanted, [Target("psnr", 30)], tmp_path / name, jobs=1, pool=pool).matches
        for name, pool in (("a", Inline), ("b", LocalPool))
    ]
    assert ways[0] == ways[1]
