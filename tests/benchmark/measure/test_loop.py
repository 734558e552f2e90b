"""Whatever dies or hangs costs its own rows only, and what always does is given up, in any pool."""

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from codecshift.benchmark import store
from codecshift.benchmark.measure.estimate import estimate
from codecshift.benchmark.measure.job import Job, prepare
from codecshift.benchmark.measure.loop import LOST_ALONE, Pool
from codecshift.benchmark.measure.pools import local as pool
from codecshift.benchmark.measure.pools.local import LocalPool
from codecshift.benchmark.measure.search import match
from codecshift.benchmark.measure.shots.worker import Worker
from codecshift.benchmark.measure.sitting import run
from codecshift.benchmark.measure.tasks import Context, Lost, Task, Worked
from codecshift.benchmark.plan.plans import Plan
from codecshift.benchmark.plan.targets import Target
from codecshift.codecs.isolated import ended
from codecshift.codecs.registry import catalogue
from codecshift.corruptions.corruption import CLEAN

NOWHERE = Path("/nonexistent")
Command = Callable[..., "subprocess.CompletedProcess[str]"]


def plan(folder: Path, codecs: Sequence[str] = ("jpeg:q30", "webp:q50"), *corruptions: str) -> Plan:
    return Plan(
        "test", "for tests", (f"folder:{folder}",), tuple(codecs), corruptions or (CLEAN, "fog", "contrast"), (2,)
    )


def untimed(path: Path) -> pd.DataFrame:
    return store.read(path).drop(columns=["encode_s", "decode_s"])


CULPRITS = {
    "segfault": "its process died of SIGSEGV",
    "exits": "its process ended with exit code 3",
    "hang": "no answer within 1 s",
}


@pytest.mark.parametrize("codec", CULPRITS)
@pytest.mark.needs("alarm")
def test_a_codec_that_takes_its_process_with_it_costs_its_own_rows_only(
    codec: str, pair: Path, tmp_path: Path, with_plugins: None
) -> None:
    job = prepare(plan(pair, ["jpeg:q30", codec, "webp:q50"], CLEAN, "fog", "contrast"), NOWHERE)
    path = tmp_path / "r.sqlite"
    tally = run(job, path, jobs=1, time_limit=1)
    assert (tally.total, tally.done) == (18, 18)
    table = store.read(path)
    good = table[table["codec"] != codec]
    assert set(good["status"]) == {"ok"}
    assert len(good) == 12
    bad = store.faults(path)
    assert set(bad["codec"]) == {codec}
    assert len(bad) == 6 == tally.failed + tally.skipped
    # What was sent ahead before the last straw may fail too; all that comes after it is skipped.
    assert LOST_ALONE <= tally.failed < 6
    assert set(bad.loc[bad["status"] == "failed", "message"]) == {CULPRITS[codec]}
    expected = f"not tried: the last {LOST_ALONE} times its process died or hung"
    assert set(bad.loc[bad["status"] == "skipped", "message"]) == {expected}


def test_a_codec_that_leaks_memory_costs_workers_and_no_row(
    pair: Path, whole: Path, tmp_path: Path, with_plugins: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 50 MiB an image, in rows of six shots."""
    monkeypatch.setattr("codecshift.benchmark.measure.sitting.share", lambda _: 350 * 2**20)
    path = tmp_path / "r.sqlite"
    tally = run(prepare(plan(pair, ["leaks", "jpeg:q30", "webp:q50"]), NOWHERE), path, jobs=1)
    assert (tally.done, tally.failed, tally.skipped) == (18, 0, 0)
    table = untimed(path)
    good = table[table["codec"] != "leaks"].reset_index(drop=True)
    pd.testing.assert_frame_equal(untimed(whole).drop(columns="run"), good.drop(columns="run"))
    ((reason, times),) = tally.reasons.items()
    assert reason == "leaks: a worker used more than its share of memory and was replaced"
    assert 1 <= times <= 6


def test_good_rows_beside_a_crash_are_those_of_an_undisturbed_run(
    pair: Path, whole: Path, tmp_path: Path, with_plugins: None
) -> None:
    path = tmp_path / "r.sqlite"
    run(prepare(plan(pair, ["segfault", "jpeg:q30", "webp:q50"]), NOWHERE), path, jobs=2)
    table = untimed(path)
    good = table[table["codec"] != "segfault"].reset_index(drop=True)
    pd.testing.assert_frame_equal(untimed(whole).drop(columns="run"), good.drop(columns="run"))


def test_a_crashing_codec_is_not_tried_on_every_shot(
    pair: Path, tmp_path: Path, with_plugins: None, command: Command
) -> None:
    """A process lost at every shot makes a run take days where each loss is a time limit of minutes."""
    log = tmp_path / "log"
    shots = 2 * 15
    done = command(
        *("run", "--set", f"folder:{pair}", "--codec", "exits", "--jobs", 1, "--out", tmp_path / "r.sqlite"),
        *(option for name in ("low", "medium", "high") for option in ("--corruption", name)),
        *("--severity", 1),
        env={"BAD_CODECS_LOG": str(log)},
    )
    assert done.returncode == 1  # nothing could be measured
    assert len(store.read(tmp_path / "r.sqlite")) == shots
    assert len(log.read_text(encoding="utf-8").splitlines()) < shots


def test_rows_are_kept_as_they_come_though_a_codec_crashes(
    pair: Path, tmp_path: Path, with_plugins: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a run beside a crashing codec that is stopped in its first half has nothing to go on from."""
    names = ("contrast", "fog", "brightness", "pixelate", CLEAN)
    job = prepare(plan(pair, ["jpeg:q30", "segfault"], *names), NOWHERE)
    lost_before_the_first_row = 0

    def counted(code: int, limit: float) -> str:
        nonlocal lost_before_the_first_row
        lost_before_the_first_row += not written
        return ended(code, limit)

    written: list[int] = []
    monkeypatch.setattr(pool, "ended", counted)
    run(job, tmp_path / "r.sqlite", jobs=1, report=lambda tally: written.append(tally.done) if tally.done else None)
    assert lost_before_the_first_row < 10  # there are ten shots


@pytest.mark.parametrize("codec", ["sysexit", "panic", "interrupt"])
def test_what_a_codec_raises_never_ends_the_run(codec: str, pair: Path, tmp_path: Path, with_plugins: None) -> None:
    job = prepare(plan(pair, ["jpeg:q30", codec], CLEAN), NOWHERE)
    path = tmp_path / "r.sqlite"
    try:
        tally = run(job, path, jobs=1)
    except BaseException as escaped:  # noqa: BLE001 - any of these is the fault
        pytest.fail(f"{type(escaped).__name__} of a codec ended the run")
    assert (tally.done, tally.failed) == (4, 2)
    table = store.read(path)
    assert table.set_index("codec")["status"].to_dict() == {"jpeg": "ok", codec: "failed"}


def test_a_damaged_image_costs_its_own_rows(save_set: Callable[[str, Sequence[str]], Path], tmp_path: Path) -> None:
    folder = save_set("damaged", ["hair", "hull", "suit"])
    whole = (folder / "hull.png").read_bytes()
    (folder / "hull.png").write_bytes(whole[: len(whole) // 2])
    path = tmp_path / "r.sqlite"
    tally = run(prepare(plan(folder, ["jpeg:q30"], CLEAN, "fog"), NOWHERE), path, jobs=1)
    assert (tally.done, tally.total, tally.failed) == (4, 4, 0)
    assert store.faults(path).empty
    (shot,) = store.unshown(path)
    assert shot[:4] == ("folder:damaged", "hull", CLEAN, 0)
    assert shot.reason.startswith("hull.png: ")


@pytest.mark.needs("alarm")
def test_an_image_that_hangs_costs_its_own_rows_within_two_time_limits(
    save_set: Callable[[str, Sequence[str]], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a limit for each point; and the codecs, which never saw the image, go on with the others."""
    folder = save_set("hanging", ["hair", "hull", "suit"])
    points = [f"{codec}:q{quality}" for codec in ("jpeg", "webp") for quality in (30, 40, 50, 60)]
    job = prepare(plan(folder, points, CLEAN), NOWHERE)
    (folder / "hair.png").unlink()
    os.mkfifo(folder / "hair.png")  # which nobody writes to: opening it never ends
    outcomes: list[Worked | Lost] = []
    work = LocalPool.work
    monkeypatch.setattr(LocalPool, "work", lambda *given: (outcomes.append(one) or one for one in work(*given)))
    path = tmp_path / "r.sqlite"
    tally = run(job, path, jobs=1, time_limit=1)
    assert (tally.done, tally.failed, tally.skipped) == (16, 0, 0)
    assert store.unshown(path) == [("folder:hanging", "hair", CLEAN, 0, "no answer within 1 s")]
    assert [one.task.shot.image for one in outcomes if isinstance(one, Lost)].count("hair") == 2


def test_the_plugins_of_these_tests_come_by_entry_points(with_plugins: None) -> None:
    assert {"segfault", "exits", "hang"} <= set(catalogue().specs)
    assert catalogue().faults == {"faulty (codecshift-bad-codecs)": "RuntimeError: this plugin is broken"}


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
