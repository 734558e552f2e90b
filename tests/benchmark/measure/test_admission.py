"""Rows belong to images: added ones add rows, removed ones stay out of reports, changed ones are refused by name."""

import sqlite3
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import PIL.Image
import pytest
from codecshift.analysis.figures import NothingToDraw
from codecshift.analysis.spectrum import Settings
from codecshift.benchmark import store
from codecshift.benchmark.measure.job import Job, prepare
from codecshift.benchmark.measure.remade import Remade
from codecshift.benchmark.measure.sitting import Tally, run
from codecshift.benchmark.plan.plans import Plan
from codecshift.benchmark.report.evidence import Evidence
from codecshift.benchmark.report.leaderboard import points_report
from codecshift.benchmark.store import RunFileError, provenance
from codecshift.corruptions.corruption import CLEAN

NOWHERE = Path("/nonexistent")
Command = Callable[..., "subprocess.CompletedProcess[str]"]


def job(folder: Path, *, images: Sequence[str] = (), first: int | None = None, **more: Any) -> Job:
    """Return a job of two conditions and two codec points: four rows an image."""
    plan = Plan("test", "", (f"folder:{folder}",), ("jpeg:q30", "webp:q50"), (CLEAN, "fog"), (2,))
    return prepare(replace(plan, images=tuple(images), first=first), NOWHERE, **more)


@pytest.fixture
def folder(save_set: Callable[[str, Sequence[str]], Path]) -> Path:
    """A folder of two photographs that a test may change."""
    return save_set("photos", ["hair", "suit"])


@pytest.fixture
def path(folder: Path, tmp_path: Path) -> Path:
    """The run file of the folder."""
    out = tmp_path / "r.sqlite"
    assert run(job(folder), out, jobs=1).done == 8
    return out


def of(rows: pd.DataFrame, image: str) -> pd.DataFrame:
    return rows[rows["image"] == image].reset_index(drop=True)


def repaint(path: Path) -> None:
    """Change an image by one pixel."""
    with PIL.Image.open(path) as picture:
        pixels = np.array(picture)
    pixels[0, 0] ^= 1
    PIL.Image.fromarray(pixels).save(path)


def test_an_added_image_adds_its_rows(folder: Path, path: Path, photographs: dict[str, np.ndarray]) -> None:
    before = store.read(path)
    PIL.Image.fromarray(photographs["hull"]).save(folder / "hull.png")
    tally = run(job(folder), path, jobs=1)
    assert (tally.total, tally.done, tally.notes) == (4, 4, [])
    after = store.read(path)
    pd.testing.assert_frame_equal(before, after[after["image"] != "hull"].reset_index(drop=True))
    assert len(Evidence.open(path).rows) == 12


def test_rows_of_a_removed_image_stay_and_are_left_out_of_reports(folder: Path, path: Path) -> None:
    before = store.read(path)
    hidden = (folder / "hair.png").rename(folder / "hair.png.away")
    tally = run(job(folder), path, jobs=1)
    assert tally.total == 0
    assert tally.notes == [f"folder:photos no longer has hair: its rows stay in {path}, but reports leave them out"]
    pd.testing.assert_frame_equal(before, store.read(path))
    evidence = Evidence.open(path)
    assert set(evidence.rows["image"]) == {"suit"}
    note = "1 image that is no longer in folder:photos is left out: hair."
    assert evidence.image_notes() == [note]
    assert note in points_report(evidence).sheets[0].notes
    (part,) = evidence.by_set()
    assert part.image_notes() == [note]
    assert run(job(folder), path, jobs=1).notes == []
    hidden.rename(folder / "hair.png")
    assert run(job(folder), path, jobs=1).total == 0
    assert set(Evidence.open(path).rows["image"]) == {"hair", "suit"}
    pd.testing.assert_frame_equal(before, store.read(path))


def test_a_changed_image_is_refused_by_name(folder: Path, path: Path) -> None:
    repaint(folder / "hair.png")
    before = path.read_bytes()
    with pytest.raises(
        RunFileError,
        match=r"holds rows measured on earlier content of folder:photos/hair: .*--remeasure-changed, or give",
    ):
        run(job(folder), path, jobs=1)
    assert before == path.read_bytes()


def test_a_job_without_the_changed_image_goes_on(folder: Path, path: Path, photographs: dict[str, np.ndarray]) -> None:
    """The rows of the changed image stay those of what was there before, and so does what the file knows of it."""
    repaint(folder / "hair.png")
    PIL.Image.fromarray(photographs["hull"]).save(folder / "hull.png")
    assert run(job(folder, images=["hull"]), path, jobs=1).done == 4
    assert len(Evidence.open(path).rows) == 12
    with pytest.raises(RunFileError, match="folder:photos/hair"):
        run(job(folder), path, jobs=1)


def test_remeasuring_replaces_the_rows_of_the_changed_image_alone(folder: Path, path: Path, tmp_path: Path) -> None:
    before = store.read(path)
    repaint(folder / "hair.png")
    tally = run(job(folder), path, jobs=1, remeasure_changed=True)
    assert (tally.total, tally.done) == (4, 4)
    assert tally.notes == ["folder:photos: hair changed: 4 rows of the earlier content were removed"]
    pd.testing.assert_frame_equal(of(before, "suit"), of(store.read(path), "suit"))
    run(job(folder), tmp_path / "new.sqlite", jobs=1)
    timed = ["encode_s", "decode_s", "run"]
    pd.testing.assert_frame_equal(
        *(store.read(each).drop(columns=timed) for each in (path, tmp_path / "new.sqlite")), check_exact=True
    )
    assert not of(before, "hair")["psnr"].equals(of(store.read(path), "hair")["psnr"])
    assert run(job(folder), path, jobs=1, remeasure_changed=True).total == 0


@pytest.mark.parametrize("after", [0, 1])
def test_remeasuring_that_was_stopped_goes_on(after: int, folder: Path, path: Path) -> None:
    """Rows of both contents are never there together: what is not measured again yet is not there."""
    old = of(store.read(path), "hair")
    repaint(folder / "hair.png")

    def interrupt(tally: Tally) -> None:
        if tally.done >= after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(job(folder), path, jobs=1, remeasure_changed=True, report=interrupt)
    left = of(store.read(path), "hair")
    assert after <= len(left) < 4
    assert left.merge(old, how="inner").empty
    assert run(job(folder), path, jobs=1).done == 4 - len(left)


def test_a_changed_image_leaves_the_spectra(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    run(job(folder, spectra=Settings()), path, jobs=1)
    repaint(folder / "hair.png")
    tally = run(job(folder, spectra=Settings()), path, jobs=1, remeasure_changed=True)
    assert tally.total == 8  # the spectra of the other image are taken again
    assert tally.notes[1] == (
        "folder:photos: the spectra of 2 conditions included the earlier content and were removed; "
        "--spectra measures them again"
    )
    run(job(folder, spectra=Settings()), tmp_path / "new.sqlite", jobs=1)
    again, new = store.spectra(path), store.spectra(tmp_path / "new.sqlite")
    pd.testing.assert_frame_equal(again.drop(columns="power"), new.drop(columns="power"))
    for power, expected in zip(again["power"], new["power"], strict=True):
        np.testing.assert_allclose(power, expected, rtol=1e-6)


def test_spectra_that_hold_a_removed_image_say_so(folder: Path, tmp_path: Path, here: Command) -> None:
    path = tmp_path / "s.sqlite"
    run(job(folder, spectra=Settings()), path, jobs=1)
    assert Evidence.open(path).spectra_notes() == []
    (folder / "hair.png").unlink()
    run(job(folder, images=["suit"]), path, jobs=1)
    note = "The summed spectra still include images that are no longer in folder:photos: hair."
    assert Evidence.open(path).spectra_notes() == [note]
    assert note in here("spectra", path).stdout


def test_a_part_of_a_set_knows_all_images_of_it(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    run(job(folder, first=1), path, jobs=1)
    assert set(store.recorded(path)["folder:photos"]) == {"hair", "suit"}
    assert run(job(folder), path, jobs=1).done == 4
    assert Evidence.open(path).image_notes() == []


# --- files that recorded one digest of a whole set


def forget_images(path: Path) -> None:
    """Leave a file as an upgrade from version 2 does."""
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM images")
    connection.commit()
    connection.close()


def test_images_of_an_old_file_are_filled_in_where_the_set_is_the_same(folder: Path, path: Path) -> None:
    recorded = store.recorded(path)
    forget_images(path)
    assert len(Evidence.open(path).rows) == 8
    assert run(job(folder), path, jobs=1).total == 0
    assert store.recorded(path) == recorded


def test_another_set_than_that_of_an_old_file_is_refused(folder: Path, path: Path) -> None:
    forget_images(path)
    (folder / "hair.png").unlink()
    before = path.read_bytes()
    with pytest.raises(RunFileError, match=r"set 'folder:photos' is not the same in all runs .*another --out"):
        run(job(folder), path, jobs=1, remeasure_changed=True)
    assert before == path.read_bytes()


# --- images that cannot be read


def cut(path: Path) -> bytes:
    """Cut an image file in two; return what it held."""
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return whole


def test_a_damaged_image_is_no_failure_of_a_codec_and_is_tried_once(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    cut(folder / "hair.png")
    tally = run(job(folder), path, jobs=1)
    assert (tally.total, tally.done, tally.failed, tally.skipped, tally.reasons) == (4, 4, 0, 0, {})
    assert {shot.image for shot in tally.unshown} == {"hair"}
    assert set(store.read(path)["image"]) == {"suit"}
    evidence = Evidence.open(path)
    (note,) = evidence.image_notes()
    assert note.startswith("1 image cannot be read: hair.png: ")
    again = run(job(folder), path, jobs=1, pool=None)  # no process is started
    assert (again.total, again.unshown) == (0, set())
    assert run(job(folder), path, jobs=1, retry_failed=True).unshown == tally.unshown


def test_a_mended_image_is_measured(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    whole = cut(folder / "hair.png")
    run(job(folder), path, jobs=1)
    (folder / "hair.png").write_bytes(whole)
    tally = run(job(folder), path, jobs=1)
    assert (tally.done, tally.notes) == (4, [])
    assert (store.unshown(path), Evidence.open(path).image_notes()) == ([], [])


def test_a_retry_measures_what_can_be_read_again(folder: Path, path: Path) -> None:
    with store.RunFile.open(path) as file:
        file.take("folder:photos", {}, ["hair"])
        file.mark([store.Unshown("folder:photos", "hair", CLEAN, 0, "the disk was away")])
    assert run(job(folder), path, jobs=1).total == 0
    assert run(job(folder), path, jobs=1, retry_failed=True).done == 4
    assert store.unshown(path) == []


def test_an_image_too_small_to_corrupt_is_told_by_reason(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    PIL.Image.new("RGB", (20, 24), "red").save(small / "a.png")
    path = tmp_path / "r.sqlite"
    tally = run(job(small), path, jobs=1)
    assert (tally.done, tally.failed) == (2, 0)
    assert Evidence.open(path).image_notes() == [
        "1 corrupted image cannot be made: fog needs at least 32 pixels a side, got 20x24."
    ]
    assert run(job(small), path, jobs=1).total == 0


# --- pictures


def test_pictures_are_of_the_images_measured(folder: Path, path: Path) -> None:
    def pictures() -> Remade:
        return Remade(path, "folder:photos", store.runs(path).values(), folder.parent)

    (folder / "suit.png").unlink()
    assert pictures().missing() == ""
    assert pictures().clean("hair").shape[2] == 3
    with pytest.raises(NothingToDraw, match="has no image 'suit'"):
        pictures().clean("suit")
    repaint(folder / "hair.png")
    assert "are not those that the rows were measured on (hair changed): codecshift" in pictures().missing()


def test_the_command_says_what_changed_and_measures_it_again(folder: Path, path: Path, here: Command) -> None:
    repaint(folder / "hair.png")
    command = ("run", "--set", f"folder:{folder}", "--codec", "jpeg:q30", "--corruption", "none", "--out", path)
    refused = here(*command)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "folder:photos/hair" in refused.stderr
    done = here(*command, "--remeasure-changed")
    assert done.returncode == 0
    assert "folder:photos: hair changed: 4 rows of the earlier content were removed" in done.stderr
    assert provenance.conflict(store.runs(path).values(), store.recorded(path)) == ""
