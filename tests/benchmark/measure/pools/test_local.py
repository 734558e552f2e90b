"""Processes die and hang; the pool says which task did it and how, and goes on."""

import math
import os
import subprocess
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import pytest
from codecshift.benchmark.measure.pools.local import LocalPool
from codecshift.benchmark.measure.tasks import Context, Lost, Task, Worked
from codecshift.benchmark.plan.plans import Shot
from codecshift.codecs.protocol import Point
from codecshift.codecs.registry import catalogue, find
from codecshift.corruptions.corruption import CLEAN
from codecshift.corruptions.sets import open_set

pytestmark = pytest.mark.usefixtures("with_plugins")

JPEG = ("jpeg", find("jpeg:q50")[1][0])
IDENTITY = ("identity", Point("raw"))


def following(tasks: Iterable[Task]) -> Callable[[], Task | None]:
    return partial(next, iter(tasks), None)


@pytest.fixture
def pool(pair: Path) -> Iterator[Callable[..., LocalPool]]:
    images = open_set(f"folder:{pair}", Path("/nonexistent"))

    def make(jobs: int = 1, time_limit: float = 60.0, memory: float = math.inf) -> LocalPool:
        return LocalPool(jobs, Context({images.name: images}, dict(catalogue().specs), "run-id", time_limit, memory))

    return make


def tasks(*codecs: str, images: tuple[str, ...] = ("hair", "suit")) -> list[Task]:
    points = tuple((codec, Point("p")) for codec in codecs)
    return [Task(Shot("folder:pair", image, CLEAN, 0), (*points, JPEG)) for image in images]


def children() -> set[int]:
    """Return the processes started by this one that are not the fork server or the resource tracker."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, rest = int(stat.parent.name), stat.read_text(encoding="utf-8").rsplit(")", 1)[1].split()
        except OSError:
            continue
        if rest[0] != "Z" and int(rest[1]) in descendants_of_interest():
            found.add(pid)
    return found


def descendants_of_interest() -> set[int]:
    from multiprocessing import forkserver

    server = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    return {server} if server else set()


def test_every_task_comes_back_once(pool: Callable[..., LocalPool]) -> None:
    wanted = [Task(Shot("folder:pair", image, "fog", n), (JPEG,)) for image in ("hair", "suit") for n in range(1, 6)]
    with pool(jobs=2) as workers:
        outcomes = list(workers.work(following(wanted)))
    assert all(isinstance(one, Worked) for one in outcomes)
    rows = [row for one in outcomes if isinstance(one, Worked) for row in one.rows]
    assert sorted((row.image, row.severity, row.status) for row in rows) == [
        (image, n, "ok") for image in ("hair", "suit") for n in range(1, 6)
    ]


def test_a_pool_can_be_given_more_work_and_no_work(pool: Callable[..., LocalPool]) -> None:
    with pool() as workers:
        assert list(workers.work(following([]))) == []
        assert len(list(workers.work(following(tasks())))) == 2
        assert len(list(workers.work(following(iter(tasks()))))) == 2


@pytest.mark.parametrize(
    ("codec", "limit", "reason"),
    [
        ("segfault", 60, "its process died of SIGSEGV"),
        ("exits", 60, "its process ended with exit code 3"),
        ("quits", 60, "its process ended with exit code 0"),
        ("hang", 1, "no answer within 1 s"),
        ("deaf", 0.5, "no answer within 0.5 s"),
    ],
    ids=["segfault", "exit-code", "exit-code-0", "hang", "hang-deaf-to-the-alarm"],
)
@pytest.mark.needs("alarm")
def test_what_takes_its_process_with_it_is_lost_and_the_rest_is_worked(
    codec: str, limit: float, reason: str, pool: Callable[..., LocalPool]
) -> None:
    bad, good = tasks(codec, images=("hair",))[0], tasks(images=("suit",))[0]
    with pool(time_limit=limit) as workers:
        outcomes = list(workers.work(following([bad, good])))
    assert [one for one in outcomes if isinstance(one, Lost)] == [Lost(bad, reason)]
    assert [one.rows[0].status for one in outcomes if isinstance(one, Worked)] == ["ok"]


def test_a_worker_that_grew_too_large_is_replaced_and_every_row_comes_once(pool: Callable[..., LocalPool]) -> None:
    wanted = tasks("leaks", "identity")
    with pool(memory=1) as workers:  # any worker is larger
        outcomes = []
        waiting = deque(wanted)
        for outcome in workers.work(lambda: waiting.popleft() if waiting else None):
            assert isinstance(outcome, Worked)
            assert len(outcome.rows) == 1
            outcomes.append(outcome)
            if outcome.rest:
                waiting.append(outcome.rest)
    assert len(outcomes) == sum(len(task.points) for task in wanted)
    assert {one.rows[0].status for one in outcomes} == {"ok"}
    assert all(one.outgrown == one.rows[0].codec for one in outcomes)


@pytest.mark.needs("proc")
def test_no_worker_outlives_its_pool(pool: Callable[..., LocalPool]) -> None:
    with pool(jobs=2, time_limit=300) as workers:
        outcomes = workers.work(following(tasks(images=("hair",)) + tasks("hang", images=("suit",))))
        assert isinstance(next(outcomes), Worked)
        assert len(children()) == 2
    assert children() == set()


@pytest.mark.needs("proc")
def test_leaving_a_pool_by_an_error_ends_its_workers(pool: Callable[..., LocalPool]) -> None:
    def interrupted() -> None:
        with pool(jobs=2, time_limit=300) as workers:
            next(workers.work(following(tasks() + tasks("hang"))))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert children() == set()


@pytest.mark.needs("proc")
def test_a_worker_computes_in_one_thread_whatever_the_environment_says(
    pair: Path, tmp_path: Path, command: Callable[..., "subprocess.CompletedProcess[str]"]
) -> None:
    log = tmp_path / "log"
    many = {f"{library}_NUM_THREADS": "4" for library in ("OMP", "OPENBLAS", "MKL")}
    arguments = ("--set", f"folder:{pair}", "--codec", "counts:p", "--corruption", "none", "--jobs", 1)
    done = command("run", *arguments, cwd=tmp_path, env={**many, "BAD_CODECS_LOG": str(log)})
    assert done.returncode == 0, done.stderr
    assert log.read_text(encoding="utf-8").splitlines() == ["tried", "1 1"] * 2


def test_the_environment_of_the_process_that_starts_workers_stays_as_it_is(
    pool: Callable[..., LocalPool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    before = dict(os.environ)
    with pool() as workers:
        assert len(list(workers.work(following(tasks())))) == 2
    assert dict(os.environ) == before


def test_a_task_taken_apart_has_one_point_each() -> None:
    task = Task(Shot("kodak", "kodim01", "fog", 3), (JPEG, IDENTITY))
    assert [Task(task.shot, (one,), alone=True) for one in (JPEG, IDENTITY)] == list(task.parts())


def test_tasks_that_take_little_go_together_and_what_is_lost_among_them_is_told_apart(
    pool: Callable[..., LocalPool], monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = [Task(Shot("folder:pair", "hair", "contrast", n % 5 + 1), (JPEG,)) for n in range(60)]
    bad = tasks("segfault", images=("hair",))[0]
    alone = Task(quick[0].shot, (JPEG,), alone=True)
    sent: list[tuple[Task, ...]] = []
    with pool() as workers:
        send = workers._send
        monkeypatch.setattr(workers, "_send", lambda some: (sent.append(some), send(some))[1])
        outcomes = list(workers.work(following([*quick, bad, alone, *quick])))
    assert max(map(len, sent)) > 1
    assert (alone,) in sent
    assert [task for some in sent for task in some] == [*quick, bad, alone, *quick]
    lost = [one.task for one in outcomes if isinstance(one, Lost)]
    (with_bad,) = [some for some in sent if bad in some]
    assert lost == list(with_bad)
    assert len(outcomes) == 122
