"""A merged file is the union of the rows of several, the best of those that repeat."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from codecshift.benchmark import store
from codecshift.benchmark.store import Recorded, Row, RunFile, RunFileError, Unshown

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


OTHER_SCORE = {"scores": {("ms_ssim", "shown"): 0.1}}


@pytest.mark.parametrize("other", [{"nbytes": 99}, {"error": 1}, {"error_clean": 1}, OTHER_SCORE], ids=str)
def test_rows_that_disagree_are_refused(other: dict[str, object], tmp_path: Path, row: Rows, write: Write) -> None:
    first, second = write(tmp_path / "1", [row()]), write(tmp_path / "2", [replace(row(), **other)])
    with pytest.raises(RunFileError, match=r"disagree on kodak/fog@3 jpeg:q75 kodim01"):
        store.merge([first, second], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_merging_overwrites_nothing(tmp_path: Path, row: Rows, write: Write) -> None:
    path = write(tmp_path / "1", [row()])
    before = path.read_bytes()
    with pytest.raises(RunFileError, match="exists already, and merging writes a new file: give"):
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
    return write(path, [replace(row, scores={}, run="bare") for row in rows], provenance)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["whole-last", "whole-first"])
def test_of_a_repeated_row_the_one_with_ms_ssim_stays(
    order: tuple[int, int], tmp_path: Path, row: Rows, write: Write
) -> None:
    paths = [bare(tmp_path / "bare", [row()], write), write(tmp_path / "whole", [row()])]
    assert store.merge([paths[place] for place in order], tmp_path / "out") == (1, 1)
    (merged,) = store.rows_under(tmp_path / "out", "kodak", "fog")
    assert merged == row()


# --- what is merged may be compared


def file_of(
    path: Path, rows: list[Row], write: Write, digests: dict[str, str], *, gone: str = "", version: int = 1
) -> Path:
    """Return a run file of rows of images of given digests; those named in `gone` are no longer in the set."""
    provenance = {"sets": {"kodak": {"digest": path.name}}, "corruptions": {"fog": version}}
    with RunFile.open(write(path, rows, provenance)) as file:
        file.take("kodak", {image: Recorded(digest, image not in gone) for image, digest in digests.items()})
    return path


def test_files_of_different_images_of_a_set_are_merged(tmp_path: Path, row: Rows, write: Write) -> None:
    first = file_of(tmp_path / "1", [row(image="a"), row(image="b")], write, {"a": "0", "b": "1"}, gone="ab")
    second = file_of(tmp_path / "2", [row(image="c", run="s")], write, {"b": "1", "c": "2"})
    assert store.merge([first, second], tmp_path / "out") == (3, 0)
    assert store.recorded(tmp_path / "out")["kodak"] == {
        "a": Recorded("0", is_present=False),
        "b": Recorded("1", is_present=True),
        "c": Recorded("2", is_present=True),
    }


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["first", "last"])
def test_an_image_that_is_not_the_same_in_two_files_is_named(
    order: tuple[int, int], tmp_path: Path, row: Rows, write: Write
) -> None:
    paths = [
        file_of(tmp_path / "1", [row(image="a"), row(image="b")], write, {"a": "0", "b": "1"}),
        file_of(tmp_path / "2", [row(image="b", run="s")], write, {"a": "0", "b": "2"}),
    ]
    with pytest.raises(RunFileError, match="hold rows of kodak/b, but measured different images"):
        store.merge([paths[place] for place in order], tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["first", "last"])
def test_of_an_image_measured_in_one_file_that_content_counts(
    order: tuple[int, int], tmp_path: Path, row: Rows, write: Write
) -> None:
    """In the other file it was damaged, or nothing of it was measured."""
    failed = row(image="b", codec="webp", status="failed", message="why", run="s")
    paths = [
        file_of(tmp_path / "1", [row(image="b")], write, {"b": "1"}),
        file_of(tmp_path / "2", [row(image="a", run="s"), failed], write, {"a": "0", "b": "2"}),
    ]
    with RunFile.open(paths[1]) as file:
        file.mark([Unshown("kodak", "b", "none", 0, "damaged"), Unshown("kodak", "c", "none", 0, "damaged")])
    assert store.merge([paths[place] for place in order], tmp_path / "out") == (2, 0)
    assert store.recorded(tmp_path / "out")["kodak"]["b"] == Recorded("1", is_present=True)
    assert [shot.image for shot in store.unshown(tmp_path / "out")] == ["c"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["first", "last"])
def test_a_shot_that_was_measured_is_not_one_that_cannot_be_made(
    order: tuple[int, int], tmp_path: Path, row: Rows, write: Write
) -> None:
    paths = [
        file_of(tmp_path / "1", [row(image="a"), row(image="b")], write, {"a": "0", "b": "1"}),
        file_of(tmp_path / "2", [row(image="c", run="s")], write, {"a": "0", "b": "1", "c": "2"}),
    ]
    with RunFile.open(paths[1]) as file:
        file.mark([Unshown("kodak", "a", "none", 0, ""), *(Unshown("kodak", "b", "fog", at, "") for at in (2, 3))])
    store.merge([paths[place] for place in order], tmp_path / "out")
    assert [shot[1:4] for shot in store.unshown(tmp_path / "out")] == [("b", "fog", 2)]


def test_files_that_a_report_would_refuse_are_not_merged(tmp_path: Path, row: Rows, write: Write) -> None:
    first = file_of(tmp_path / "1", [row(image="a")], write, {"a": "0"})
    second = file_of(tmp_path / "2", [row(image="b", run="s")], write, {"b": "1"}, version=2)
    with pytest.raises(
        RunFileError,
        match=r"cannot be compared: corruption 'fog' is not the same .* \(1 and 2\); leave a file out, or measure",
    ):
        store.merge([first, second], tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2"]


def test_a_set_of_an_old_file_is_compared_as_a_whole(tmp_path: Path, row: Rows, write: Write) -> None:
    new = file_of(tmp_path / "1", [row(image="a")], write, {"a": "0"})
    same, other = (
        write(tmp_path / name, [row(image="b", run=name)], {"sets": {"kodak": {"digest": digest}}})
        for name, digest in (("same", "1"), ("other", "9"))
    )
    with pytest.raises(RunFileError, match=r"set 'kodak' is not the same in all runs \(1 and 9\)"):
        store.merge([new, other], tmp_path / "out")
    assert store.merge([new, same], tmp_path / "out") == (2, 0)


def test_a_merge_that_ends_in_the_middle_leaves_nothing(
    tmp_path: Path, row: Rows, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "1", [row()])

    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(RunFile, "fill", fail)
    with pytest.raises(KeyboardInterrupt):
        store.merge([path], tmp_path / "out")
    assert [each.name for each in tmp_path.iterdir()] == ["1"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path, row: Rows, write: Write) -> None:
    path = write(tmp_path / "1", [row()])
    with pytest.raises(RunFileError, match=r"there is no folder .*nowhere to write out in$"):
        store.merge([path], tmp_path / "nowhere" / "out")


def test_merging_does_as_an_upgrade(of_version_2: Path, tmp_path: Path) -> None:
    store.merge([of_version_2], tmp_path / "out")
    with RunFile.open(of_version_2):
        pass
    assert store.unshown(tmp_path / "out") == store.unshown(of_version_2) != []
    assert store.faults(tmp_path / "out").equals(store.faults(of_version_2))
