"""A file has the shift of each shot once, old files those of their lossless rows, and merged files agree on them."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from codecshift.benchmark import store
from codecshift.benchmark.store import Recorded, Row, RunFile, RunFileError, Shift

Rows = Callable[..., Row]
Write = Callable[..., Path]


def shift(image: str = "kodim01", error: int = 60000, ms_ssim: float | None = 0.5, severity: int = 3) -> Shift:
    scores = {} if ms_ssim is None else {"ms_ssim": ms_ssim}
    return Shift("kodak", "fog", severity, image, 20, 10, error, "r", scores)


def written(path: Path, shifts: Sequence[Shift], rows: Sequence[Row] = ()) -> Path:
    with RunFile.open(path) as file:
        file.begin("r", {"sets": {}, "corruptions": {}, "measures": {}, "codecs": {}}, "now", 1)
        file.append(rows, shifts)
    return path


def test_shifts_are_read_in_decibels(tmp_path: Path) -> None:
    table = store.shifts(written(tmp_path / "r.sqlite", [shift("b", 0, 1.0), shift("a", ms_ssim=None)]))
    assert list(table.columns) == ["set", "corruption", "severity", "image", "psnr", "ms_ssim"]
    assert table[["set", "corruption", "severity", "image"]].to_numpy().tolist() == [
        ["kodak", "fog", 3, "a"],
        ["kodak", "fog", 3, "b"],
    ]
    assert table["psnr"].tolist() == pytest.approx([20 * math.log10(255) - 10 * math.log10(60000 / 600), math.inf])
    assert math.isnan(table["ms_ssim"][0])
    assert table["ms_ssim"][1] == 1


@pytest.mark.parametrize("first", [None, 0.5], ids=["without", "with"])
def test_a_shift_stays_and_a_missing_ms_ssim_is_added(first: float | None, tmp_path: Path) -> None:
    path = written(tmp_path / "r.sqlite", [shift(ms_ssim=first)])
    written(path, [shift(ms_ssim=0.5)])
    written(path, [shift(ms_ssim=None)])
    assert store.shifts(path)["ms_ssim"].tolist() == [0.5]


def test_another_error_of_a_shot_is_refused_and_nothing_is_written(tmp_path: Path, row: Rows) -> None:
    path = written(tmp_path / "r.sqlite", [shift()])
    before = store.shifts(path)
    sentence = (
        r"holds kodak/fog@3 kodim01 with a squared error against the clean image of 60000, expected 59999: .*--out"
    )
    with pytest.raises(RunFileError, match=sentence):
        written(path, [shift("a"), shift(error=59999)], [row(image="a")])
    assert before.equals(store.shifts(path))
    assert store.read(path).empty


def test_the_shifts_of_a_changed_image_go_with_its_rows(tmp_path: Path, row: Rows) -> None:
    path = written(tmp_path / "r.sqlite", [shift("a"), shift("b")], [row(image="a"), row(image="b")])
    with RunFile.open(path) as file:
        file.take("kodak", {"a": Recorded("1", is_present=True)}, ["a"])
        file.append([row(image="a")], [shift("a", error=7)])
    pixels = store.shifts(path).set_index("image")["psnr"]
    assert pixels["a"] - pixels["b"] == pytest.approx(10 * math.log10(60000 / 7))


@pytest.fixture
def of_lossless_rows(tmp_path: Path, row: Rows, write: Write, to_version_3: Callable[[Path], None]) -> Path:
    """A file of version 3 in which one shot has lossless rows, of which one has MS-SSIM; another has a lossy row."""
    lossless = {"image": "a", "error": 0, "ms_ssim": 1.0}
    rows = [
        row(**lossless, codec="identity", ms_ssim_clean=None),
        row(**lossless, codec="png"),
        row(image="b"),
        row(image="a", error=0, error_clean=0, corruption="none", severity=0),
    ]
    path = write(tmp_path / "old.sqlite", rows)
    to_version_3(path)
    return path


def test_an_old_file_tells_the_shifts_of_its_lossless_rows(of_lossless_rows: Path, tmp_path: Path) -> None:
    before = of_lossless_rows.read_bytes()
    old, expected = store.shifts(of_lossless_rows), store.shifts(written(tmp_path / "new.sqlite", [shift("a")]))
    assert old.equals(expected)
    store.merge([of_lossless_rows], tmp_path / "merged.sqlite")
    assert before == of_lossless_rows.read_bytes()
    written(of_lossless_rows, [])
    assert store.shifts(of_lossless_rows).equals(expected)
    assert store.shifts(tmp_path / "merged.sqlite").equals(expected)
    written(of_lossless_rows, [shift("b")])
    assert store.shifts(of_lossless_rows)["image"].tolist() == ["a", "b"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["first", "last"])
def test_merged_files_have_each_shift_once(order: tuple[int, int], tmp_path: Path) -> None:
    paths = [
        written(tmp_path / "1", [shift("a", ms_ssim=None), shift("b")]),
        written(tmp_path / "2", [shift("a"), shift("a", 7, severity=2)]),
    ]
    store.merge([paths[place] for place in order], tmp_path / "out")
    expected = store.shifts(written(tmp_path / "3", [shift("a"), shift("b"), shift("a", 7, severity=2)]))
    assert store.shifts(tmp_path / "out").equals(expected)


def test_files_that_disagree_on_a_shift_are_not_merged(tmp_path: Path) -> None:
    paths = [written(tmp_path / str(error), [shift(error=error)]) for error in (7, 8)]
    with pytest.raises(RunFileError, match=r"8 holds kodak/fog@3 kodim01 with a squared error .* of 7"):
        store.merge(paths, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_image_of_other_content_leaves_no_shift(tmp_path: Path, row: Rows) -> None:
    """The second file made the shot of an image that no codec coded, and that the first file has other content of."""
    paths = [written(tmp_path / "1", [shift()], [row()]), written(tmp_path / "2", [shift(error=7)])]
    for path, digest in zip(paths, "01", strict=True):
        with RunFile.open(path) as file:
            file.take("kodak", {"kodim01": Recorded(digest, is_present=True)})
    store.merge(paths, tmp_path / "out")
    assert store.shifts(tmp_path / "out").equals(store.shifts(paths[0]))
