"""A file keeps the values of any measure, of each row once, as long as the row is of the same bytes."""

import math
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from codecshift.analysis.measures import table
from codecshift.analysis.measures.measure import Measure
from codecshift.analysis.measures.table import adopt, known
from codecshift.benchmark import store
from codecshift.benchmark.store import TABLE_COLUMNS, Recorded, Row, RunFile
from codecshift.benchmark.store.scores import scored

Rows = Callable[..., Row]
Write = Callable[..., Path]
SHOWN, CLEAN = ("sharp", "shown"), ("sharp", "clean")


@pytest.fixture(autouse=True)
def _sharp(monkeypatch: pytest.MonkeyPatch) -> None:
    """A further measure, of images with sides of at least 15 pixels, whose values agree to a tenth."""
    monkeypatch.setattr(table, "_KNOWN", {**known()})
    adopt([Measure("sharp", "Sharpness", 1, "", "higher", 1, "nowhere:load", "sharpness", smallest=15, tolerance=0.1)])


def scores_in(path: Path) -> list[dict[tuple[str, str], float]]:
    return [dict(row.scores) for row in store.rows_under(path, "kodak", "fog")]


def test_further_measures_have_columns_at_the_end(tmp_path: Path, row: Rows, write: Write) -> None:
    """The rows are written in another order than that of their key, and not all have every score."""
    rows = [
        row(image="c", scores={("vmaf", "shown"): 70.0}),
        row(image="a", scores={SHOWN: 0.1, CLEAN: 0.2, ("ms_ssim", "clean"): 0.3}),
        row(image="b", status="failed", message="why"),
    ]
    read = store.read(write(tmp_path / "r.sqlite", rows))
    assert list(read.columns) == [*TABLE_COLUMNS, "sharp", "sharp_clean", "vmaf"]
    assert read["image"].tolist() == ["a", "b", "c"]
    expected = {
        "sharp": [0.1, math.nan, math.nan],
        "sharp_clean": [0.2, math.nan, math.nan],
        "vmaf": [math.nan, math.nan, 70],
        "ms_ssim": [math.nan] * 3,
        "ms_ssim_clean": [0.3, math.nan, math.nan],
    }
    for name, values in expected.items():
        assert read[name].tolist() == pytest.approx(values, nan_ok=True)


def test_a_row_measured_again_keeps_its_other_scores(tmp_path: Path, row: Rows, write: Write) -> None:
    path = write(tmp_path / "r.sqlite", [row(), row(image="other")])
    write(path, [row(scores={SHOWN: 0.1, ("ms_ssim", "shown"): 0.7500001}, encode_s=9.0)])
    assert scores_in(path) == [{("ms_ssim", "shown"): 0.7500001, ("ms_ssim", "clean"): 0.5, SHOWN: 0.1}, row().scores]
    assert store.read(path)["encode_s"].tolist() == [9.0, 0.25]


def test_scores_go_with_the_bytes_they_were_taken_of(tmp_path: Path, row: Rows, write: Write) -> None:
    path = write(tmp_path / "r.sqlite", [row(), row(image="other")])
    write(path, [row(scores={SHOWN: 0.1}, nbytes=99)])
    assert scores_in(path) == [{SHOWN: 0.1}, row().scores]


def test_the_scores_of_a_changed_image_go_with_its_rows(tmp_path: Path, row: Rows, write: Write) -> None:
    path = write(tmp_path / "r.sqlite", [row(image="a"), row(image="b")])
    with RunFile.open(path) as file:
        file.take("kodak", {"a": Recorded("1", is_present=True)}, ["a"])
        file.append([row(image="c", scores={SHOWN: 0.1})])
        counts = file._connection.execute("SELECT (SELECT count(*) FROM rows), (SELECT count(*) FROM scores)")
        assert counts.fetchone() == (2, 3)
        assert scored(file._connection) == (("ms_ssim", "clean"), ("ms_ssim", "shown"), SHOWN)
    assert scores_in(path) == [row().scores, {SHOWN: 0.1}]


def test_scores_of_a_row_that_was_deleted_by_hand_are_of_no_other_row(tmp_path: Path, row: Rows, write: Write) -> None:
    path = write(tmp_path / "r.sqlite", [row(image="a"), row(image="b")])
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM rows WHERE image = 'b'")
    connection.commit()
    connection.close()
    assert store.read(path)["ms_ssim"].tolist() == [0.75]
    write(path, [row(image="c", scores={SHOWN: 0.1})])
    assert scores_in(path) == [row().scores, {SHOWN: 0.1}]
    assert store.read(path)["ms_ssim"].tolist() == pytest.approx([0.75, math.nan], nan_ok=True)


def test_a_row_lacks_a_measure_of_which_it_has_no_value(tmp_path: Path, row: Rows, write: Write) -> None:
    large = {"height": 15, "width": 15}
    rows = {
        "both": row(image="both", **large, scores={SHOWN: 0.1, CLEAN: 0.1}),
        "half": row(image="half", **large, scores={SHOWN: 0.1}),
        "none": row(image="none", **large),
        "small": row(image="small", height=14, width=300, scores={}),
        "failed": row(image="failed", status="failed", message="why"),
    }
    path = write(tmp_path / "r.sqlite", [*rows.values()])
    assert {key.image for key in store.statuses(path, ["psnr", "ms_ssim"])} == {*rows}
    assert {key.image for key in store.statuses(path, ["psnr", "sharp"])} == {"both", "small", "failed"}
    under = store.rows_under(path, "kodak", "fog", ["sharp"])
    assert [each.image for each in under] == ["both", "failed", "small"]
    assert [dict(each.scores) for each in under] == [{SHOWN: 0.1, CLEAN: 0.1}, {}, {}]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["first", "last"])
def test_merged_rows_have_the_scores_of_both(order: tuple[int, int], tmp_path: Path, row: Rows, write: Write) -> None:
    paths = [
        write(tmp_path / "1", [row(), row(image="a")]),
        write(tmp_path / "2", [row(scores={SHOWN: 0.1}), row(image="b", scores={CLEAN: 0.2})]),
    ]
    assert store.merge([paths[place] for place in order], tmp_path / "out") == (3, 1)
    assert scores_in(tmp_path / "out") == [row().scores, {CLEAN: 0.2}, {**row().scores, SHOWN: 0.1}]


@pytest.mark.parametrize(
    ("score", "difference", "expected"),
    [
        (SHOWN, 0.09, True),
        (SHOWN, 0.11, False),
        (("ms_ssim", "shown"), 9e-6, True),
        (("ms_ssim", "clean"), 2e-5, False),
        (("unknown", "clean"), 2e-5, False),
    ],
    ids=str,
)
def test_rows_agree_to_the_tolerance_of_the_measure(
    score: tuple[str, str], difference: float, expected: bool, row: Rows
) -> None:
    first, second = (replace(row(), scores={score: value}) for value in (0.5, 0.5 + difference))
    assert first.agrees(second) is second.agrees(first) is expected
    assert first.agrees(replace(row(), scores={}))
