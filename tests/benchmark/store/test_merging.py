"""A merged file is the union of the rows of several, the best of those that repeat."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from codecshift.benchmark import store
from codecshift.benchmark.store import Row, RunFileError

Rows = Callable[..., Row]
Write = Callable[..., Path]


def test_merging_is_the_union(tmp_path: Path, row: Rows, write: Write) -> None:
    first = write(tmp_path / "1", [row(image="a"), row(image="b", run="s")])
    second = write(tmp_path / "2", [row(image="c", run="t"), row(image="a", encode_s=9.0)])
    assert store.merge([first, second], tmp_path / "out") == (3, 1)
    merged = store.read(tmp_path / "out")
    assert merged["image"].tolist() == ["a", "b", "c"]
    assert merged["run"].tolist() == ["r", "s", "t"]
    assert {**store.runs(first), **store.runs(second)} == store.runs(tmp_path / "out")


@pytest.mark.parametrize("bad", ["failed", "skipped"])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["ok-last", "ok-first"])
def test_of_a_repeated_row_the_one_that_is_ok_stays(
    bad: str, order: tuple[int, int], tmp_path: Path, row: Rows, write: Write
) -> None:
    paths = [write(tmp_path / "bad", [row(status=bad, message="why")]), write(tmp_path / "good", [row()])]
    assert store.merge([paths[place] for place in order], tmp_path / "out") == (1, 1)
    assert list(store.statuses(tmp_path / "out").values()) == ["ok"]


@pytest.mark.parametrize("other", [{"nbytes": 99}, {"error": 1}, {"error_clean": 1}, {"ms_ssim": 0.1}], ids=str)
def test_rows_that_disagree_are_refused(other: dict[str, object], tmp_path: Path, row: Rows, write: Write) -> None:
    first, second = write(tmp_path / "1", [row()]), write(tmp_path / "2", [replace(row(), **other)])
    with pytest.raises(RunFileError, match=r"disagree on kodak/fog@3 jpeg:q75 kodim01"):
        store.merge([first, second], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_merging_overwrites_nothing(tmp_path: Path, row: Rows, write: Write) -> None:
    path = write(tmp_path / "1", [row()])
    before = path.read_bytes()
    with pytest.raises(RunFileError, match="exists already: merging writes a new file"):
        store.merge([path], path)
    assert before == path.read_bytes()


def test_merging_reads_what_a_killed_run_left(
    left_by_a_killed_writer: Path, tmp_path: Path, row: Rows, write: Write
) -> None:
    other = write(tmp_path / "2", [row(image="third")])
    assert store.merge([left_by_a_killed_writer, other], tmp_path / "out") == (3, 0)
    assert np.array_equal(store.read(tmp_path / "out")["image"], ["kodim01", "other", "third"])


def bare(path: Path, rows: Sequence[Row], write: Write) -> Path:
    provenance = {"sets": {}, "corruptions": {}, "codecs": {}, "measures": {"bpp": 1, "psnr": 1}}
    return write(path, [replace(row, ms_ssim=None, ms_ssim_clean=None, run="bare") for row in rows], provenance)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["whole-last", "whole-first"])
def test_of_a_repeated_row_the_one_with_ms_ssim_stays(
    order: tuple[int, int], tmp_path: Path, row: Rows, write: Write
) -> None:
    paths = [bare(tmp_path / "bare", [row()], write), write(tmp_path / "whole", [row()])]
    assert store.merge([paths[place] for place in order], tmp_path / "out") == (1, 1)
    (merged,) = store.rows_under(tmp_path / "out", "kodak", "fog")
    assert merged == row()
