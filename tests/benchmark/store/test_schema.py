"""What is no run file is refused and left alone, and old files are upgraded when they are written."""

import os
import sqlite3
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from codecshift.benchmark import store
from codecshift.benchmark.store import APPLICATION_ID, SCHEMA_VERSION, Row, RunFile, RunFileError

Rows = Callable[..., Row]
Write = Callable[..., Path]


def pragma(path: Path, name: str) -> object:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]
    finally:
        connection.close()


def test_the_file_says_what_it_is(tmp_path: Path, row: Rows, write: Write) -> None:
    path = write(tmp_path / "r.sqlite", [row()])
    assert int.from_bytes(b"CSFT", "big") == APPLICATION_ID
    assert pragma(path, "application_id") == APPLICATION_ID
    assert pragma(path, "user_version") == SCHEMA_VERSION
    assert pragma(path, "journal_mode") == "wal"


def _text(path: Path) -> None:
    path.write_text("set,corruption,severity\n" * 100, encoding="utf-8")


def _short_text(path: Path) -> None:
    path.write_text("hello", encoding="utf-8")


def _other_database(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (x)")
    connection.commit()
    connection.close()


def _newer(path: Path) -> None:
    with RunFile.open(path):
        pass
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()


WRONG = {
    "text": (_text, "is not a codecshift run file"),
    "short-text": (_short_text, "is not a codecshift run file"),
    "other-database": (_other_database, "is a database, but not a codecshift run file"),
    "newer-schema": (
        _newer,
        rf"newer codecshift \(schema {SCHEMA_VERSION + 1}, this one knows {SCHEMA_VERSION}\): upgrade with pip install",
    ),
}


@pytest.mark.parametrize(("make", "sentence"), WRONG.values(), ids=WRONG)
def test_what_is_no_run_file_is_refused_and_left_alone(
    make: Callable[[Path], None], sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    make(path)
    before = path.read_bytes()
    with pytest.raises(RunFileError, match=sentence), RunFile.open(path):
        pass
    for reading in (store.read, store.statuses, store.runs, store.faults):
        with pytest.raises(RunFileError, match=sentence):
            reading(path)
    with pytest.raises(RunFileError, match=sentence):
        store.merge([path], tmp_path / "merged")
    assert before == path.read_bytes()
    assert [path] == list(tmp_path.iterdir())


def test_a_folder_is_no_run_file(tmp_path: Path) -> None:
    with pytest.raises(RunFileError, match="is a folder, expected the path of a run file"), RunFile.open(tmp_path):
        pass
    with pytest.raises(RunFileError, match="no run file at"):
        store.read(tmp_path)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "r.sqlite"
    with pytest.raises(RunFileError, match=r"there is no folder .*nowhere to write r\.sqlite in"), RunFile.open(path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_is_not_made_by_reading(tmp_path: Path) -> None:
    for reading in (store.read, store.statuses, store.runs, store.faults):
        with pytest.raises(RunFileError, match="no run file at"):
            reading(tmp_path / "r.sqlite")
    assert list(tmp_path.iterdir()) == []


def test_a_read_only_file_is_refused(tmp_path: Path, row: Rows, write: Write) -> None:
    path = write(tmp_path / "r.sqlite", [row()])
    path.chmod(0o444)
    with pytest.raises(RunFileError, match="is read-only: give another --out, or make it writable"), RunFile.open(path):
        pass
    assert len(store.read(path)) == 1


@pytest.mark.needs("proc")  # a folder in which even root makes no file
def test_a_place_where_no_file_can_be_made_is_refused() -> None:
    refused = pytest.raises(RunFileError, match="it cannot be opened there")
    with refused, RunFile.open(Path("/proc/r.sqlite")):
        pass


def test_a_device_is_refused_and_not_removed(tmp_path: Path) -> None:
    """`--out /dev/null` as root: on a device node of our own, never on the machine's."""
    device = tmp_path / "null"
    try:
        os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    except (AttributeError, PermissionError):
        pytest.skip("making a device node needs root")
    with pytest.raises(RunFileError), RunFile.open(device):
        pass
    assert [device] == list(tmp_path.iterdir())


def test_an_upgraded_file_has_the_tables_of_a_new_one(of_version_1: Path, tmp_path: Path) -> None:
    schemas = []
    for path in (of_version_1, tmp_path / "new.sqlite"):
        with RunFile.open(path) as file:
            found = file._connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
            schemas.append([(name, " ".join((sql or "").split())) for name, sql in found])
    assert schemas[0] == schemas[1]


# --- a file that version 4 made

RUN_OF_4 = "c17e3743f94a"


def test_a_file_of_version_4_is_read_as_it_is_and_upgraded_when_it_is_written(of_version_4: Path) -> None:
    before = of_version_4.read_bytes()
    rows, shifts, statuses = store.read(of_version_4), store.shifts(of_version_4), store.statuses(of_version_4)
    assert before == of_version_4.read_bytes()
    assert list(rows.columns) == list(store.TABLE_COLUMNS)
    assert rows["ms_ssim"].notna().tolist() == (rows["image"] == "hair").tolist()
    assert rows.loc[2, ["ms_ssim", "ms_ssim_clean"]].tolist() == pytest.approx(
        [0.970283315211625, 0.569274369074216], abs=1e-12
    )
    assert shifts.loc[0, ["ms_ssim"]].tolist() == pytest.approx([0.592402466852557], abs=1e-12)
    whole = store.rows_under(of_version_4, "folder:pair", "fog")
    with RunFile.open(of_version_4) as file:
        assert file.rows_under("folder:pair", "fog") == whole
        assert file.statuses() == statuses
    assert pragma(of_version_4, "user_version") == SCHEMA_VERSION
    assert store.read(of_version_4).equals(rows)
    assert store.shifts(of_version_4).equals(shifts)
    assert [*store.runs(of_version_4)] == [RUN_OF_4]


def test_a_file_of_version_4_is_merged_with_a_new_one(of_version_4: Path, tmp_path: Path, write: Write) -> None:
    old = store.rows_under(of_version_4, "folder:pair", "fog")
    more = [replace(old[2], image="other"), replace(old[2], scores={("vmaf", "shown"): 70.0})]
    new = write(tmp_path / "new.sqlite", more, store.runs(of_version_4)[RUN_OF_4])
    assert store.merge([of_version_4, new], tmp_path / "out") == (9, 1)
    merged = {row.key: row for row in store.rows_under(tmp_path / "out", "folder:pair", "fog")}
    assert merged[old[2].key].scores == {**old[2].scores, ("vmaf", "shown"): 70.0}
    assert merged[more[0].key] == more[0]
    assert store.shifts(tmp_path / "out").equals(store.shifts(of_version_4))


def test_what_a_file_of_version_4_lacks_is_decided_by_the_sizes_of_its_images(of_version_4: Path) -> None:
    """Every large image has MS-SSIM, and no image has what was not asked; the small one is too small for MS-SSIM."""
    every = store.statuses(of_version_4)
    assert len(every) == 8
    assert store.statuses(of_version_4, ["psnr", "ms_ssim"]) == every
    connection = sqlite3.connect(of_version_4)
    connection.execute("UPDATE rows SET ms_ssim_clean = NULL WHERE codec = 'jpeg'")
    connection.commit()
    connection.close()
    lacking = {key for key in every if (key.codec, key.image) == ("jpeg", "hair")}
    assert store.statuses(of_version_4, ["ms_ssim"]).keys() == every.keys() - lacking
    with RunFile.open(of_version_4) as file:
        assert file.statuses(["ms_ssim"]).keys() == every.keys() - lacking
