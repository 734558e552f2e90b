"""The loop ends with every row there, each once, whatever dies, hangs or is interrupted on the way."""

import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import PIL.Image
import pytest
from codecshift.analysis.spectrum import EVERY_CHANNEL, Settings, grid, power_spectrum, radial
from codecshift.benchmark import store
from codecshift.benchmark.measure.estimate import estimate
from codecshift.benchmark.measure.job import Job, prepare
from codecshift.benchmark.measure.search import match
from codecshift.benchmark.measure.sitting import Tally, run
from codecshift.benchmark.plan.plans import Plan
from codecshift.benchmark.plan.targets import Target
from codecshift.benchmark.store import Row, RunFile, RunFileError, provenance
from codecshift.codecs.registry import find
from codecshift.corruptions.corruption import CLEAN

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


# --- preparing


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


def test_the_shifts_are_those_of_the_corrupted_shots(whole: Path, pair: Path, tmp_path: Path) -> None:
    """As the codec that loses nothing shows them."""
    table, path = store.shifts(whole), tmp_path / "lossless.sqlite"
    run(prepare(plan(pair, ["identity"]), NOWHERE), path, jobs=1)
    shown = store.read(path)[lambda rows: rows["corruption"] != CLEAN]
    shown = shown.drop(columns=["psnr", "ms_ssim"]).rename(columns=lambda name: name.removesuffix("_clean"))
    pd.testing.assert_frame_equal(shown[table.columns].reset_index(drop=True), table)
    assert len(table) == 4


@pytest.fixture
def half(whole: Path, tmp_path: Path) -> Path:
    """A copy of the whole run without the rows of one codec."""
    path = tmp_path / "half.sqlite"
    store.merge([whole], path)
    changed(path, "DELETE FROM rows WHERE codec = 'webp'")
    return path


def changed(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_missing_shift_is_added_when_a_row_of_its_shot_is_measured(half: Path, job: Job, whole: Path) -> None:
    changed(half, "DELETE FROM shift_scores")
    changed(half, "DELETE FROM shifts")
    run(job, half, jobs=1)
    pd.testing.assert_frame_equal(store.shifts(whole), store.shifts(half))


def test_a_shot_that_is_made_again_must_have_the_same_shift(half: Path, job: Job) -> None:
    changed(half, "UPDATE shifts SET error = error + 1")
    with pytest.raises(RunFileError, match=r"holds folder:pair/\w+@2 \w+ with a squared error against the clean"):
        run(job, half, jobs=1)


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
    pd.testing.assert_frame_equal(store.profiles(one), store.profiles(other))


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
    means = store.profiles(whole_spectra).groupby(level=["set", *columns]).mean()
    assert len(means) == len(table)
    for key, line in table.set_index(["set", *columns]).iterrows():
        np.testing.assert_allclose(means.loc[key], radial(line["power"])[1], rtol=1e-6)
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
    with pytest.raises(RunFileError, match=r"holds folder:pair/\w+@\d webp:q50 suit with bytes or errors that differ"):
        run(spectral, path, jobs=1)


def test_a_row_that_fails_when_it_is_measured_again_stays(
    pair: Path, tmp_path: Path, with_plugins: None, whole_spectra: Path
) -> None:
    path = tmp_path / "r.sqlite"
    wanted = prepare(plan(pair, ["jpeg:q30", "webp:q50", "exits"]), NOWHERE, spectra=Settings())
    good = Row(*("folder:pair", "fog", 2, "exits", "p", "hair"), *(170, 190, 1, 1, 1, 0.1, 0.1), "ok", "", "before")
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
    with pytest.raises(RunFileError, match=r"setting of spectra '\w+' is not the same in all runs .*another --out"):
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


def test_images_too_small_for_ms_ssim_are_measured_once(photographs: dict[str, np.ndarray], tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    for name, side in (("small", 160), ("large", 161)):
        PIL.Image.fromarray(photographs["suit"][:side, :side]).save(folder / f"{name}.png")
    path = tmp_path / "r.sqlite"
    wanted = plan(folder, ["jpeg:q30"], CLEAN)
    assert run(prepare(replace(wanted, measures=("bpp", "psnr")), NOWHERE), path, jobs=1).done == 2
    assert run(prepare(wanted, NOWHERE), path, jobs=1).done == 1
    assert run(prepare(wanted, NOWHERE), path, jobs=1).total == 0


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


def test_a_library_is_let_in_by_the_pixels_it_makes(
    pair: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.sqlite"
    store.merge([whole], path)
    installed = provenance.libraries()
    monkeypatch.setattr(provenance, "libraries", lambda: {**installed, "scipy": "99.0"})
    assert run(prepare(plan(pair), NOWHERE), path, jobs=1).total == 0
    run(prepare(plan(pair, ["jpeg:q31"], CLEAN), NOWHERE), path, jobs=1)
    assert len(store.runs(path)) == 2
    current = provenance.pixels
    monkeypatch.setattr(provenance, "pixels", lambda name: current(name)[::-1])
    before = untimed(path)
    with pytest.raises(
        RunFileError,
        match=r"corruption 'fog' makes different pixels .*\(scipy \S+ and 99\.0\); give another --out",
    ):
        run(prepare(plan(pair, ["jpeg:q32"]), NOWHERE), path, jobs=1)
    pd.testing.assert_frame_equal(before, untimed(path))


def test_a_tally_is_reported_as_the_rows_come(job: Job, tmp_path: Path) -> None:
    done: list[int] = []
    tally = run(job, tmp_path / "r.sqlite", jobs=1, report=lambda tally: done.append(tally.done))
    assert done[0] == 0
    assert done[-1] == tally.total == 12
    assert done == sorted(done)
    assert tally.codec_s > 0
    assert tally.measure_s > 0
    assert tally.overhead(1) >= 1


@pytest.mark.parametrize("measures", [("bpp", "psnr", "ms_ssim"), ("bpp", "psnr")], ids=len)
def test_what_the_first_row_waits_for_is_reported(measures: tuple[str, ...], pair: Path, tmp_path: Path) -> None:
    reports: list[tuple[int, str]] = []
    job = prepare(replace(plan(pair, ["jpeg:q30"], CLEAN), measures=measures), NOWHERE)
    run(job, tmp_path / "r.sqlite", jobs=1, report=lambda tally: reports.append((tally.done, tally.waiting)))
    waiting = [(done, what) for done, what in reports if what]
    assert [done for done, _ in waiting] == [0] * ("ms_ssim" in measures)
    assert all("MS-SSIM" in what for _, what in waiting)
    assert reports[-1] == (2, "")


def test_overhead_of_nothing_is_not_a_number() -> None:
    overhead = Tally(total=0).overhead(4)
    assert overhead != overhead  # noqa: PLR0124 - NaN


# --- killed and interrupted commands


def arguments(pair: Path, path: Path) -> list[object]:
    """A run of some seconds, of which the first rows come early."""
    return [
        *("run", "--set", f"folder:{pair}", "--codec", "jpeg", "--out", path, "--jobs", 1),
        *("--corruption", "low", "--corruption", "none", "--severity", 5, "--spectra"),
    ]


ROWS = 2 * (1 + 5) * len(find("jpeg")[1])


WRITE_AT_ONCE = "from codecshift.benchmark.store import run_file; run_file.FLUSH_S = 0"
"""So that rows with spectra are in the file before the last of them is measured."""


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
    process = start(*arguments(pair, path), first=WRITE_AT_ONCE, env=dict([mark.split("=")]))
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
    process = start(*arguments(pair, path), first=WRITE_AT_ONCE)
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
    assert (
        err.splitlines()[-1]
        == f"stopped: everything measured so far is in {path}; the same command continues from there"
    )
    assert 0 < len(store.read(path)) < ROWS
    assert [path] == list(tmp_path.iterdir())  # the log was folded in


def test_a_finished_run_opens_no_codec(
    job: Job, pair: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A neural one takes seconds to open; what decides whether rows can be compared is known without."""

    def refuse(_: object) -> None:
        raise AssertionError("a codec was opened")

    path = tmp_path / "r.sqlite"
    shutil.copy(whole, path)
    monkeypatch.setattr(provenance, "headers", refuse)
    assert run(prepare(job.plan, NOWHERE), path, jobs=1).total == 0
    with pytest.raises(AssertionError, match="a codec was opened"):
        run(prepare(plan(pair), NOWHERE), tmp_path / "new.sqlite", jobs=1)


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


def test_a_run_may_leave_ms_ssim_out_and_another_fill_it_in(job: Job, pair: Path, whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    bare = prepare(replace(plan(pair), measures=("bpp", "psnr")), NOWHERE)
    assert bare.provenance["measures"] == {"bpp": 1, "psnr": 1}
    assert run(bare, path, jobs=1).done == 12
    rows = store.read(path)
    assert rows[["ms_ssim", "ms_ssim_clean"]].isna().all(axis=None)
    assert store.shifts(path)["ms_ssim"].isna().all()
    same = ["nbytes", "psnr", "psnr_clean"]
    pd.testing.assert_frame_equal(rows[same], store.read(whole)[same])
    assert estimate(job, path, 1).rows == 12
    assert run(job, path, jobs=1).done == 12
    pd.testing.assert_frame_equal(untimed(whole), untimed(path))
    pd.testing.assert_frame_equal(store.shifts(whole), store.shifts(path))
    assert run(bare, path, jobs=1).done == 0
