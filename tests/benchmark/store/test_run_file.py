"""The run file keeps what was committed, whatever happens, and refuses what it cannot keep."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from codecshift.benchmark import store
from codecshift.benchmark.store import Key, Row, RunFile, RunFileError

Rows = Callable[..., Row]
Write = Callable[..., Path]


# --- rows go in and come out


def test_a_row_takes_the_place_of_the_one_of_its_key(tmp_path: Path, row: Rows, write: Write) -> None:
    path = write(tmp_path / "r.sqlite", [row(status="failed", message="why"), row(image="other")])
    write(path, [row(nbytes=7)])
    assert {row().key: "ok", row(image="other").key: "ok"} == store.statuses(path)
    assert sorted(store.read(path)["nbytes"]) == [7, 100]


@pytest.mark.parametrize("status", ["failed", "skipped"])
def test_an_ok_row_is_never_replaced_by_one_that_is_not(status: str, tmp_path: Path, row: Rows, write: Write) -> None:
    path = write(tmp_path / "r.sqlite", [row(image="a"), row(image="b", status="failed", message="first")])
    before = store.rows_under(path, "kodak", "fog")
    write(path, [row(image=image, status=status, message="then") for image in "ab"])
    first, second = store.rows_under(path, "kodak", "fog")
    assert first == before[0]
    assert (second.status, second.message) == (status, "then")


def test_statuses_faults_and_runs(tmp_path: Path, row: Rows, write: Write) -> None:
    rows = [row(image="a"), row(image="b", status="failed", message="why", run="s"), row(image="c", status="skipped")]
    path = write(tmp_path / "r.sqlite", rows, {"sets": "é", "n": 1})
    assert [row.status for row in rows] == list(store.statuses(path).values())
    assert store.faults(path)[["image", "status", "message"]].to_numpy().tolist() == [
        ["b", "failed", "why"],
        ["c", "skipped", ""],
    ]
    assert [*Key._fields, "status", "message"] == store.faults(path).columns.tolist()
    assert store.runs(path) == {run: {"sets": "é", "n": 1} for run in "rs"}
    with RunFile.open(path) as file:
        assert file.statuses() == store.statuses(path)
        assert file.runs() == store.runs(path)


def test_a_status_outside_the_three_is_refused(tmp_path: Path, row: Rows, write: Write) -> None:
    path = write(tmp_path / "r.sqlite", [row()])
    with pytest.raises(RunFileError, match="CHECK"):
        write(path, [row(image="x", status="perhaps")])
    assert list(store.statuses(path)) == [row().key]


@pytest.mark.parametrize(
    "name", ["a b.sqlite", "we?ird#n%41me", pytest.param("ü.db", marks=pytest.mark.needs("names"))]
)
def test_any_file_name_will_do(name: str, tmp_path: Path, row: Rows, write: Write) -> None:
    assert len(store.read(write(tmp_path / name, [row()]))) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]


# --- one writer, any number of readers


def test_readers_see_what_is_committed_while_a_writer_works(tmp_path: Path, row: Rows) -> None:
    path = tmp_path / "r.sqlite"
    with RunFile.open(path) as file:
        file.begin("r", {}, "now", 1)
        for count in (1, 2):
            file.append([row(image=str(count))])
            script = f"from codecshift.benchmark import store; print(len(store.read({str(path)!r})))"
            assert (
                f"{count}\n"
                == subprocess.run(
                    [sys.executable, "-c", script], check=True, capture_output=True, encoding="utf-8"
                ).stdout
            )
            assert count == len(store.read(path))


def test_readers_by_a_symbolic_link_see_the_same(tmp_path: Path, row: Rows) -> None:
    path, link = tmp_path / "r.sqlite", tmp_path / "link.sqlite"
    link.symlink_to(path)
    with RunFile.open(path) as file:
        file.begin("r", {}, "now", 1)
        file.append([row()])
        assert len(store.read(path)) == 1
        assert len(store.read(link)) == 1


def test_a_second_writer_is_refused(tmp_path: Path, row: Rows, write: Write) -> None:
    path = tmp_path / "r.sqlite"
    with RunFile.open(path) as file:
        file.begin("r", {}, "now", 1)
        with pytest.raises(RunFileError, match=r"r\.sqlite: another codecshift run is writing to it"):
            write(path, [row(image="intruder")])
        file.append([row()])
    assert list(store.statuses(path)) == [row().key]


def test_two_runs_that_start_at_once_do_not_harm_the_file(
    tmp_path: Path, row: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second finds no file, and by the time that it connects the first has made it and holds it."""
    path = tmp_path / "r.sqlite"
    connect = sqlite3.connect
    first = RunFile.open(path)
    files = []

    def overtaken(*arguments: object, **more: object) -> sqlite3.Connection:
        monkeypatch.setattr(sqlite3, "connect", connect)
        file = first.__enter__()
        file.begin("r", {}, "now", 1)
        files.append(file)
        return connect(*arguments, **more)

    monkeypatch.setattr(sqlite3, "connect", overtaken)
    with pytest.raises(RunFileError, match="another codecshift run is writing to it"), RunFile.open(path):
        pass
    files[0].append([row()])
    first.__exit__(None, None, None)
    assert path.exists()
    assert list(store.statuses(path)) == [row().key]


# --- ends that nobody planned


def test_a_full_disk_keeps_what_was_committed(tmp_path: Path, row: Rows) -> None:
    path = tmp_path / "r.sqlite"
    done = 0

    def fill() -> None:
        nonlocal done
        with RunFile.open(path) as file:
            file.begin("r", {}, "now", 1)
            (pages,) = file._connection.execute("PRAGMA page_count").fetchone()
            file._connection.execute(f"PRAGMA max_page_count = {pages + 3}")
            while done < 10_000:
                file.append([row(image=f"{done:05}a"), row(image=f"{done:05}b")])
                done += 1

    with pytest.raises(RunFileError, match=r"the disk is full; everything committed before is kept"):
        fill()
    assert 0 < done < 10_000
    assert len(store.read(path)) == 2 * done
    with RunFile.open(path) as file:  # space was freed
        file.append([row(image="after")])
    assert len(store.read(path)) == 2 * done + 1


def test_an_error_inside_keeps_what_was_appended(tmp_path: Path, row: Rows) -> None:
    path = tmp_path / "r.sqlite"

    def interrupted() -> None:
        with RunFile.open(path) as file:
            file.begin("r", {}, "now", 1)
            file.append([row()])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(store.statuses(path)) == [row().key]


def test_a_file_left_by_a_killed_writer_is_read(left_by_a_killed_writer: Path) -> None:
    assert len(store.read(left_by_a_killed_writer)) == 2
    assert len(store.statuses(left_by_a_killed_writer)) == 2


def test_a_file_left_by_a_killed_writer_is_resumed(left_by_a_killed_writer: Path, row: Rows, write: Write) -> None:
    with RunFile.open(left_by_a_killed_writer) as file:
        assert len(file.statuses()) == 2
        file.append([row(image="third")])
    assert len(store.read(left_by_a_killed_writer)) == 3
    assert [path.name for path in left_by_a_killed_writer.parent.iterdir()] == ["r.sqlite"]


def test_a_run_killed_while_the_file_was_made_can_be_resumed(tmp_path: Path, row: Rows, write: Write) -> None:
    """Between the first two statements on a new file, it is a database that holds nothing."""
    path = tmp_path / "r.sqlite"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    assert len(store.read(write(path, [row()]))) == 1


def test_an_archive_on_a_medium_that_cannot_be_written_is_read(tmp_path: Path, row: Rows, write: Write) -> None:
    (tmp_path / "archive").mkdir()
    path = write(tmp_path / "archive" / "r.sqlite", [row()])
    path.chmod(0o444)
    path.parent.chmod(0o555)
    try:
        assert len(store.read(path)) == 1
        assert [path] == list(path.parent.iterdir())
    finally:
        path.parent.chmod(0o755)


# --- rows of runs that left a measure out


def bare(path: Path, rows: Sequence[Row], write: Write) -> Path:
    provenance = {"sets": {}, "corruptions": {}, "codecs": {}, "measures": {"bpp": 1, "psnr": 1}}
    return write(path, [replace(row, scores={}, run="bare") for row in rows], provenance)


def test_a_row_that_lacks_a_measure_is_not_there_for_who_wants_it(tmp_path: Path, row: Rows, write: Write) -> None:
    failed = replace(row(image="b", status="failed", message="why"), run="bare")
    path = bare(tmp_path / "1", [row(image="a", height=161, width=161), failed], write)
    assert len(store.statuses(path)) == len(store.statuses(path, ["psnr"])) == 2
    assert store.statuses(path, ["psnr", "ms_ssim"]) == {failed.key: "failed"}
    assert len(store.rows_under(path, "kodak", "fog")) == len(store.rows_under(path, "kodak", "fog", ["bpp"])) == 2
    assert [one.image for one in store.rows_under(path, "kodak", "fog", ["ms_ssim"])] == ["b"]
    with RunFile.open(path) as file:
        assert file.statuses(["ms_ssim"]) == {failed.key: "failed"}
        assert [one.image for one in file.rows_under("kodak", "fog", ["ms_ssim"])] == ["b"]


@pytest.mark.parametrize("size", [(160, 300), (300, 160), (8, 8)], ids=str)
def test_a_row_of_an_image_too_small_for_a_measure_lacks_nothing(
    size: tuple[int, int], tmp_path: Path, row: Rows, write: Write
) -> None:
    """Else every further run with MS-SSIM measures it again, and has no MS-SSIM to add."""
    small = row(height=size[0], width=size[1])
    path = bare(tmp_path / "1", [small], write)
    assert store.statuses(path, ["psnr", "ms_ssim"]) == {small.key: "ok"}
    assert len(store.rows_under(path, "kodak", "fog", ["ms_ssim"])) == 1
