"""The loop ends with every row there, each once, whatever dies, hangs or is interrupted on the way."""

import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import PIL.Image
import pytest
from codecshift.analysis.spectrum import EVERY_CHANNEL, Settings, grid, power_spectrum
from codecshift.benchmark import store
from codecshift.benchmark.measure.estimate import estimate
from codecshift.benchmark.measure.job import Job, prepare
from codecshift.benchmark.measure.loop import LOST_ALONE
from codecshift.benchmark.measure.pools import local as pool
from codecshift.benchmark.measure.pools.processes import cores
from codecshift.benchmark.measure.search import match
from codecshift.benchmark.measure.sitting import Tally, run
from codecshift.benchmark.plan.plans import Plan
from codecshift.benchmark.plan.targets import Target
from codecshift.benchmark.store import Row, RunFile, RunFileError, provenance
from codecshift.codecs.isolated import ended
from codecshift.codecs.protocol import CodecUnavailable
from codecshift.codecs.registry import UnknownCodec, catalogue
from codecshift.corruptions.corruption import CLEAN
from codecshift.corruptions.sets import SetError, UnknownSet

NOWHERE = Path("/nonexistent")
Command = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "subprocess.Popen[str]"]


def plan(folder: Path, codecs: Sequence[str] = ("jpeg:q30", "webp:q50"), *corruptions: str) -> Plan:
    return Plan(
        "test", "for tests", (f"folder:{folder}",), tuple(codecs), corruptions or (CLEAN, "fog", "contrast"), (2,)
    )


def untimed(path: Path) -> pd.DataFrame:
    return store.read(path).drop(columns=["encode_s", "decode_s"])


def rows_in(path: Path) -> int:
    """Return how many rows a file holds that may be being made at this moment."""
    try:
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    except sqlite3.Error:
        return 0
    try:
        return int(connection.execute("SELECT count(*) FROM rows").fetchone()[0])
    except sqlite3.Error:
        return 0
    finally:
        connection.close()


@pytest.fixture(scope="module")
def job(pair: Path) -> Job:
    return prepare(plan(pair), NOWHERE)


@pytest.fixture(scope="module")
def whole(job: Job, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    path = tmp_path_factory.mktemp("whole") / "r.sqlite"
    tally = run(job, path, jobs=1)
    assert (tally.total, tally.done, tally.failed, tally.skipped) == (12, 12, 0, 0)
    return path


# --- preparing


def test_a_job_counts_what_it_will_do(job: Job) -> None:
    assert (job.cells(), job.rows()) == (6, 12)
    assert sum(len(task.points) for task in job.tasks({}, retry_failed=False)) == 12
    assert len({str(task.shot) for task in job.tasks({}, retry_failed=False)}) == 6


def test_a_point_named_twice_is_one_point(pair: Path) -> None:
    job = prepare(plan(pair, ["jpeg:q30", "jpeg:q030", "jpeg:q30.0", "jpeg"]), NOWHERE)
    names = [point.name for _, point in job.points]
    assert len(names) == len(set(names)) == 12


def test_the_rows_are_the_product(whole: Path, job: Job) -> None:
    expected = {
        ("folder:pair", *condition, codec, point.name, image)
        for condition in ((CLEAN, 0), ("fog", 2), ("contrast", 2))
        for codec, point in job.points
        for image in ("hair", "suit")
    }
    assert expected == {tuple(key) for key in store.statuses(whole)}
    assert set(store.read(whole)["run"]) == {job.run}
    assert store.runs(whole) == {job.run: job.provenance}


@pytest.mark.parametrize(
    ("wrong", "error"),
    [({"codecs": ("jpg",)}, UnknownCodec), ({"sets": ("kodac",)}, UnknownSet), ({"sets": ("kodak",)}, SetError)],
    ids=["codec", "set", "missing-images"],
)
def test_what_cannot_be_run_is_known_before(wrong: dict[str, Any], error: type[Exception], pair: Path) -> None:
    with pytest.raises(error):
        prepare(replace(plan(pair), **wrong), NOWHERE)


def test_two_folders_of_one_name_are_refused(pair: Path, tmp_path: Path) -> None:
    other = tmp_path / pair.name
    other.mkdir()
    PIL.Image.new("RGB", (40, 40)).save(other / "x.png")
    with pytest.raises(SetError, match="two sets are called 'folder:pair'"):
        prepare(replace(plan(pair), sets=(f"folder:{pair}", f"folder:{other}")), NOWHERE)


def test_a_codec_this_machine_lacks_is_left_out_unless_it_is_all(pair: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking() -> str:
        raise CodecUnavailable("no libwebp: install it")

    monkeypatch.setattr("codecshift.codecs.pillow.identify_webp", lacking)
    job = prepare(plan(pair), NOWHERE)
    assert job.unavailable == {"webp": "no libwebp: install it"}
    assert [codec for codec, _ in job.points] == ["jpeg"]
    with pytest.raises(CodecUnavailable, match="no libwebp: install it"):
        prepare(plan(pair, ["webp"]), NOWHERE)


# --- spectra


@pytest.fixture(scope="module")
def spectral(pair: Path) -> Job:
    return prepare(plan(pair), NOWHERE, spectra=Settings())


@pytest.fixture(scope="module")
def whole_spectra(spectral: Job, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with spectra that nothing disturbed."""
    path = tmp_path_factory.mktemp("whole") / "r.sqlite"
    assert run(spectral, path, jobs=1).done == 12
    return path


def same_spectra(one: Path, other: Path) -> None:
    """Assert that two files hold the same means to rounding, of the same images."""
    first, second = store.spectra(one), store.spectra(other)
    pd.testing.assert_frame_equal(first.drop(columns="power"), second.drop(columns="power"))
    for mean, again in zip(first["power"], second["power"], strict=True):
        np.testing.assert_allclose(mean, again, rtol=1e-6)
    assert store.with_spectra(one) == store.with_spectra(other)


def test_a_run_with_spectra_keeps_the_mean_of_every_cell(whole: Path, whole_spectra: Path, spectral: Job) -> None:
    pd.testing.assert_frame_equal(untimed(whole).drop(columns="run"), untimed(whole_spectra).drop(columns="run"))
    table = store.spectra(whole_spectra)
    codecs = [(codec, point.name) for codec, point in spectral.points]
    expected = {
        ("none", 0, "", "", "image"),
        *((name, 2, "", "", quantity) for name in ("fog", "contrast") for quantity in ("shift", "image")),
        *(("none", 0, *codec, "D") for codec in codecs),
        *((name, 2, *codec, quantity) for name in ("fog", "contrast") for codec in codecs for quantity in "GR"),
    }
    columns = ["corruption", "severity", "codec", "point", "quantity"]
    assert expected == set(table[columns].itertuples(index=False, name=None))
    assert len(expected) == len(table)
    assert set(table["n"]) == {2}
    assert store.runs(whole_spectra)[spectral.run]["spectra"] == {"grid": 1, "channels": ["Y"], "window": "none"}


def test_images_of_any_size_add_up(photographs: dict[str, np.ndarray], tmp_path: Path) -> None:
    folder = tmp_path / "sizes"
    folder.mkdir()
    sizes = {"wide": (90, 170), "tall": (170, 90), "odd": (75, 33), "small": (40, 50)}
    for name, (height, width) in sizes.items():
        PIL.Image.fromarray(photographs["suit"][:height, :width]).save(folder / f"{name}.png")
    path = tmp_path / "r.sqlite"
    run(prepare(plan(folder, ["jpeg:q30"], CLEAN, "fog"), NOWHERE, spectra=Settings(EVERY_CHANNEL)), path, jobs=1)
    table = store.spectra(path)
    table = table[(table["quantity"] != "image") | (table["corruption"] == "none")].set_index(["quantity", "channel"])
    assert set(table["n"]) == {4}
    rows = pd.DataFrame(store.rows_under(path, "folder:sizes", "fog"))
    for quantity, column in (("G", "error"), ("R", "error_clean")):
        expected = (rows[column] / (3 * rows["height"] * rows["width"])).mean()
        assert sum(table.loc[(quantity, one), "power"].sum() for one in "RGB") / 3 == pytest.approx(expected, rel=1e-6)
    exact = [
        grid(power_spectrum(photographs["suit"][:height, :width].astype(np.float64) @ [0.299, 0.587, 0.114]))
        for height, width in sizes.values()
    ]
    mean = np.mean(exact, axis=0)
    np.testing.assert_allclose(table.loc[("image", "Y"), "power"], mean, rtol=1e-4, atol=1e-7 * mean.max())


@pytest.mark.parametrize("after", [1, 7])
def test_an_interrupted_run_with_spectra_goes_on(
    after: int, spectral: Job, whole_spectra: Path, tmp_path: Path
) -> None:
    path = tmp_path / "r.sqlite"

    def interrupt(tally: Tally) -> None:
        if tally.done >= after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(spectral, path, jobs=1, report=interrupt)
    before = len(store.with_spectra(path))
    assert after <= before == len(store.read(path)) < 12
    assert run(spectral, path, jobs=2).total == 12 - before
    same_spectra(whole_spectra, path)
    assert run(spectral, path, jobs=1).total == 0


def test_rows_that_were_there_get_their_spectra_and_stay(
    job: Job, spectral: Job, whole: Path, whole_spectra: Path, tmp_path: Path
) -> None:
    path = tmp_path / "r.sqlite"
    store.merge([whole], path)
    before = store.read(path)
    assert run(job, path, jobs=1).total == 0
    tally = run(spectral, path, jobs=1)
    assert (tally.total, tally.failed) == (12, 0)
    same_spectra(whole_spectra, path)
    pd.testing.assert_frame_equal(before, store.read(path))
    assert run(job, path, jobs=1).total == run(spectral, path, jobs=1).total == 0


def test_spectra_of_rows_that_are_not_the_same_are_refused(spectral: Job, whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    store.merge([whole], path)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE rows SET nbytes = nbytes + 1 WHERE image = 'suit' AND codec = 'webp'")
    connection.commit()
    connection.close()
    with pytest.raises(RunFileError, match=r"holds folder:pair/\w+@\d webp:q50 suit with other bytes or errors"):
        run(spectral, path, jobs=1)


def test_a_row_that_fails_when_it_is_measured_again_stays(
    pair: Path, tmp_path: Path, with_plugins: None, whole_spectra: Path
) -> None:
    path = tmp_path / "r.sqlite"
    wanted = prepare(plan(pair, ["jpeg:q30", "webp:q50", "exits"]), NOWHERE, spectra=Settings())
    good = Row(
        *("folder:pair", "fog", 2, "exits", "p", "hair"), *(170, 190, 1, 1, 1, 0.5, 0.5, 0.1, 0.1), "ok", "", "before"
    )
    with RunFile.open(path) as file:
        file.begin("before", {**wanted.provenance}, "then", 1)
        file.append([good])
    assert run(wanted, path, jobs=2).failed > 0
    assert store.statuses(path)[good.key] == "ok"
    assert good.key not in store.with_spectra(path)
    table = store.spectra(path)
    assert "exits" not in set(table["codec"])
    same = store.spectra(whole_spectra)
    pd.testing.assert_frame_equal(same.drop(columns="power"), table.drop(columns="power"))


@pytest.mark.parametrize("other", [Settings(window="hann"), Settings(EVERY_CHANNEL)], ids=["window", "channels"])
def test_spectra_taken_in_another_way_are_not_added(
    other: Settings, pair: Path, whole_spectra: Path, job: Job, tmp_path: Path
) -> None:
    before = whole_spectra.read_bytes()
    with pytest.raises(RunFileError, match=r"setting of spectra '\w+' is not the same in all its runs .*another --out"):
        run(prepare(plan(pair), NOWHERE, spectra=other), whole_spectra, jobs=1)
    assert before == whole_spectra.read_bytes()
    assert run(job, whole_spectra, jobs=1).total == 0


def test_a_search_for_matched_points_takes_spectra_too(pair: Path, tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    wanted = prepare(plan(pair, ["jpeg"], CLEAN), NOWHERE, spectra=Settings())
    found = match(wanted, [Target("psnr", 30.0)], path, jobs=1)
    assert {row[0] for row in store.with_spectra(path)} == {"folder:pair"}
    assert len(store.with_spectra(path)) == len(store.read(path))
    assert run(found.job, path, jobs=1).total == 0


# --- resuming


@pytest.mark.parametrize("after", [0, 1, 7])
def test_an_interrupted_run_goes_on_where_it_stopped(after: int, job: Job, whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"

    def interrupt(tally: Tally) -> None:
        if tally.done >= after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(job, path, jobs=1, report=interrupt)
    before = store.read(path)
    assert after <= len(before) < 12
    tally = run(job, path, jobs=1)
    assert (tally.total, tally.done) == (12 - len(before),) * 2
    pd.testing.assert_frame_equal(untimed(whole), untimed(path))
    kept = store.read(path).merge(before, how="inner")
    assert len(before) == len(kept)  # to the timing: nothing was measured again


def test_two_workers_measure_what_one_does(job: Job, whole: Path, tmp_path: Path) -> None:
    tally = run(job, tmp_path / "r.sqlite", jobs=2)
    assert tally.done == 12
    pd.testing.assert_frame_equal(untimed(whole), untimed(tmp_path / "r.sqlite"))


def test_when_all_is_there_nothing_is_done(job: Job, whole: Path) -> None:
    before = store.read(whole)
    reports: list[tuple[int, int]] = []
    tally = run(
        job, whole, jobs=1, pool=None, report=lambda tally: reports.append((tally.done, tally.total))
    )  # no process is started
    assert (tally.total, tally.done) == (0, 0)
    assert reports == [(0, 0)]
    pd.testing.assert_frame_equal(before, store.read(whole))


def test_a_wider_plan_adds_to_the_file(pair: Path, job: Job, whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    run(prepare(plan(pair, ["jpeg:q30"], "fog"), NOWHERE), path, jobs=1)
    first = store.read(path)
    assert run(job, path, jobs=1).total == 10
    assert len(first) == len(store.read(path).merge(first, how="inner")) == 2
    pd.testing.assert_frame_equal(untimed(whole).drop(columns="run"), untimed(path).drop(columns="run"))
    assert len(store.runs(path)) == 2


@pytest.mark.parametrize("status", ["failed", "skipped"])
def test_failed_rows_are_tried_again_only_when_asked(
    status: str, job: Job, whole: Path, tmp_path: Path, spoil: Callable[..., None]
) -> None:
    path = tmp_path / "r.sqlite"
    store.merge([whole], path)
    spoiled = [key for key in store.statuses(path) if key.codec == "webp" and key.image == "hair"]
    spoil(path, spoiled, status)
    before = store.read(path)
    assert run(job, path, jobs=1).total == 0
    pd.testing.assert_frame_equal(before, store.read(path))
    tally = run(job, path, jobs=1, retry_failed=True)
    assert (tally.total, tally.done, tally.failed) == (len(spoiled), len(spoiled), 0)
    pd.testing.assert_frame_equal(untimed(whole), untimed(path))
    ok = before[before["status"] == "ok"]
    assert len(ok) == len(store.read(path).merge(ok, how="inner")) == 12 - len(spoiled)


def test_rows_of_another_corruption_version_are_not_added_to(
    pair: Path, job: Job, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    current = provenance.find
    monkeypatch.setattr(provenance, "find", lambda name: replace(current(name), version=99))
    before = whole.read_bytes()
    with pytest.raises(
        RunFileError, match=r"cannot be compared with this run: corruption 'fog' is not the same .*give another --out"
    ):
        run(prepare(plan(pair), NOWHERE), whole, jobs=1)
    assert before == whole.read_bytes()


def test_a_tally_is_reported_as_the_rows_come(job: Job, tmp_path: Path) -> None:
    done: list[int] = []
    tally = run(job, tmp_path / "r.sqlite", jobs=1, report=lambda tally: done.append(tally.done))
    assert done[0] == 0
    assert done[-1] == tally.total == 12
    assert done == sorted(done)
    assert tally.codec_s > 0
    assert tally.measure_s > 0
    assert tally.overhead(1) >= 1


def test_overhead_of_nothing_is_not_a_number() -> None:
    overhead = Tally(total=0).overhead(4)
    assert overhead != overhead  # noqa: PLR0124 - NaN


# --- what dies and what hangs

CULPRITS = {
    "segfault": "its process died of SIGSEGV",
    "exits": "its process ended with exit code 3",
    "hang": "no answer within 1 s",
}


def test_a_system_without_shared_memory_is_told_so(pair: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in containers whose /dev/shm is missing, or root's alone: it is not the run file that cannot be written."""

    def refuse(*_: object) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr("multiprocessing.context.BaseContext.Lock", refuse)
    job = prepare(plan(pair, ["jpeg:q30"], CLEAN), NOWHERE)
    with pytest.raises(OSError, match=r"^worker processes need shared memory, .*: make /dev/shm writable") as refused:
        run(job, tmp_path / "r.sqlite", jobs=1)
    assert not isinstance(refused.value, RunFileError)


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
    assert reason == "leaks: a worker's memory outgrew its share, and it was replaced"
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
    assert (tally.done, tally.failed) == (6, 2)
    faults = store.faults(path)
    assert set(faults["image"]) == {"hull"}
    assert all(message.startswith("image: UnreadableImage: hull.png") for message in faults["message"])


# --- killed and interrupted commands


def arguments(pair: Path, path: Path) -> list[object]:
    """A run of some seconds, of which the first rows come early."""
    return [
        *("run", "--set", f"folder:{pair}", "--codec", "jpeg", "--out", path, "--jobs", 1),
        *("--corruption", "low", "--corruption", "none", "--severity", 5, "--spectra"),
    ]


ROWS = 2 * (1 + 5) * 11


def wait_for_rows(process: "subprocess.Popen[str]", path: Path) -> int:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if count := rows_in(path):
            return count
        time.sleep(0.02)
    pytest.fail(f"no rows came: {process.poll()}")


def processes_of(mark: str) -> list[int]:
    """Return the processes that inherited an environment with `mark` in it."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            state = (environ.parent / "stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
            if state != "Z" and mark.encode() in environ.read_bytes():
                found.append(int(environ.parent.name))
        except OSError:
            continue
    return found


@pytest.fixture(scope="module")
def undisturbed(pair: Path, tmp_path_factory: pytest.TempPathFactory, command: Command) -> Path:
    path = tmp_path_factory.mktemp("undisturbed") / "r.sqlite"
    done = command(*arguments(pair, path))
    assert done.returncode == 0, done.stderr
    assert len(store.read(path)) == ROWS
    return path


def test_a_killed_run_leaves_no_process_and_is_resumed(
    pair: Path, undisturbed: Path, tmp_path: Path, start: Start, command: Command
) -> None:
    path = tmp_path / "r.sqlite"
    mark = f"CODECSHIFT_TEST_MARK={os.getpid()}-{time.monotonic_ns()}"
    process = start(*arguments(pair, path), env=dict([mark.split("=")]))
    try:
        wait_for_rows(process, path)
        process.kill()  # the parent alone, as the system does when memory runs out
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        if Path("/proc/self/environ").exists():
            deadline = time.monotonic() + 30
            while processes_of(mark) and time.monotonic() < deadline:
                time.sleep(0.05)
            assert processes_of(mark) == []
    finally:
        if left := processes_of(mark):
            for pid in left:
                os.kill(pid, signal.SIGKILL)
    before = store.read(path)
    assert 0 < len(before) == len(store.with_spectra(path)) < ROWS
    done = command(*arguments(pair, path))
    assert done.returncode == 0, done.stderr
    assert len(store.statuses(path)) == ROWS
    pd.testing.assert_frame_equal(untimed(undisturbed), untimed(path))
    same_spectra(undisturbed, path)
    assert len(before) == len(store.read(path).merge(before, how="inner"))


@pytest.mark.parametrize(
    ("number", "whole_group"),
    [(signal.SIGINT, True), (signal.SIGINT, False), (signal.SIGTERM, False)],
    ids=["ctrl-c", "interrupt", "terminate"],
)
def test_an_interrupted_command_says_how_to_go_on(
    number: signal.Signals, whole_group: bool, pair: Path, tmp_path: Path, start: Start
) -> None:
    path = tmp_path / "r.sqlite"
    process = start(*arguments(pair, path))
    try:
        wait_for_rows(process, path)
        (os.killpg if whole_group else os.kill)(process.pid, number)
        out, err = process.communicate(timeout=10)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    assert process.returncode == 130
    assert out == ""
    assert err.strip() == f"stopped: everything measured so far is in {path}; the same command goes on from there"
    assert 0 < len(store.read(path)) < ROWS
    assert [path] == list(tmp_path.iterdir())  # the log was folded in


# --- estimating


def test_an_estimate_writes_nothing_and_counts_what_is_left(job: Job, whole: Path, tmp_path: Path) -> None:
    fresh = estimate(job, tmp_path / "r.sqlite", 1)
    assert fresh.rows == 12
    assert fresh.seconds > 0
    assert fresh.nbytes > 0
    assert list(tmp_path.iterdir()) == []
    before = whole.read_bytes()
    assert astuple(estimate(job, whole, 1)) == (0, 0.0, 0)
    assert before == whole.read_bytes()


def test_an_estimate_is_of_the_cores_there_are(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = []

    def division(jobs: int, context: Any) -> tuple[int, int]:
        counted.append(jobs)
        return jobs, 0

    monkeypatch.setattr("codecshift.benchmark.measure.estimate.division", division)
    estimate(job, tmp_path / "r.sqlite", 10_000)
    assert counted[0] == cores()


def test_at_least_one_core_is_usable() -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)


def test_the_plugins_of_these_tests_come_by_entry_points(with_plugins: None) -> None:
    assert {"segfault", "exits", "hang"} <= set(catalogue().specs)
    assert catalogue().faults == {"faulty (codecshift-bad-codecs)": "RuntimeError: this plugin is broken"}


# --- some of the images, some of the measures


def test_some_images_can_be_chosen_and_more_be_added(pair: Path, whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    first = prepare(replace(plan(pair), first=1), NOWHERE)
    named = prepare(replace(plan(pair), images=("hair",)), NOWHERE)
    assert (first.rows(), named.sets) == (6, first.sets)
    assert run(first, path, jobs=1).done == 6
    assert set(store.read(path)["image"]) == {"hair"}
    more = prepare(replace(plan(pair), first=5), NOWHERE)
    assert run(more, path, jobs=1).done == 6
    pd.testing.assert_frame_equal(untimed(whole).drop(columns="run"), untimed(path).drop(columns="run"))
    assert provenance.conflict(store.runs(path).values()) == ""


def test_a_set_that_has_none_of_the_images_is_left_out(pair: Path, save_set: Callable[..., Path]) -> None:
    other = save_set("other", ["hull"])
    both = replace(plan(pair), sets=(f"folder:{pair}", f"folder:{other}"))
    assert list(prepare(replace(both, images=("hull",)), NOWHERE).sets) == ["folder:other"]
    with pytest.raises(SetError, match="no image 'hul' in folder:pair or folder:other; did you mean 'hull'"):
        prepare(replace(both, images=("hair", "hul")), NOWHERE)


def test_a_run_may_leave_ms_ssim_out_and_another_fill_it_in(job: Job, pair: Path, whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    bare = prepare(replace(plan(pair), measures=("bpp", "psnr")), NOWHERE)
    assert bare.provenance["measures"] == {"bpp": 1, "psnr": 1}
    assert run(bare, path, jobs=1).done == 12
    rows = store.read(path)
    assert rows[["ms_ssim", "ms_ssim_clean"]].isna().all(axis=None)
    same = ["nbytes", "psnr", "psnr_clean"]
    pd.testing.assert_frame_equal(rows[same], store.read(whole)[same])
    assert estimate(job, path, 1).rows == 12
    assert run(job, path, jobs=1).done == 12
    pd.testing.assert_frame_equal(untimed(whole), untimed(path))
    assert run(bare, path, jobs=1).done == 0
