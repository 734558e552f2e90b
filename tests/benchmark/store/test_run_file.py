"""The run file keeps what was committed, whatever happens, and refuses what it cannot keep."""

import math
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from codecshift.benchmark import store
from codecshift.benchmark.store import (
    APPLICATION_ID,
    SCHEMA_VERSION,
    SPECTRA_COLUMNS,
    TABLE_COLUMNS,
    Key,
    Row,
    RunFile,
    RunFileError,
    Spectra,
)

Rows = Callable[..., Row]
Write = Callable[..., Path]

CONTRACT = (
    "set, corruption, severity, codec, point, image, height, width, nbytes, bpp, psnr, psnr_clean, ms_ssim, "
    "ms_ssim_clean, encode_s, decode_s, status, run"
)


def pragma(path: Path, name: str) -> object:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]
    finally:
        connection.close()


# --- rows go in and come out


def test_the_columns_are_those_of_the_contract() -> None:
    assert CONTRACT.split(", ") == list(TABLE_COLUMNS)


def test_bpp_and_psnr_are_derived_by_the_definition(tmp_path: Path, row: Rows, write: Write) -> None:
    table = store.read(write(tmp_path / "r.sqlite", [row()]))
    assert list(table.columns) == list(TABLE_COLUMNS)
    (one,) = table.to_dict("records")
    assert one["bpp"] == 8 * 100 / (20 * 10)
    # The mean squared errors are 6000 / 600 = 10 and 60000 / 600 = 100.
    assert one["psnr"] == pytest.approx(20 * math.log10(255) - 10, abs=1e-12)
    assert one["psnr_clean"] == pytest.approx(20 * math.log10(255) - 20, abs=1e-12)
    same = {name: getattr(row(), name) for name in TABLE_COLUMNS if name not in {"bpp", "psnr", "psnr_clean"}}
    assert same == {name: one[name] for name in same}


def test_the_types_of_columns_do_not_depend_on_the_rows(tmp_path: Path, row: Rows, write: Write) -> None:
    full = store.read(write(tmp_path / "full.sqlite", [row()])).dtypes.astype(str)
    failed = store.read(write(tmp_path / "failed.sqlite", [row(status="failed", message="why")])).dtypes.astype(str)
    empty = store.read(write(tmp_path / "empty.sqlite", [])).dtypes.astype(str)
    assert full["severity"] == "int64"
    assert set(full[["height", "width", "nbytes"]]) == {"Int64"}
    floats = ["bpp", "psnr", "psnr_clean", "ms_ssim", "ms_ssim_clean", "encode_s", "decode_s"]
    assert set(full[floats]) == {"float64"}
    assert full.to_dict() == failed.to_dict()
    assert full.to_dict() == empty.to_dict()


def test_a_lossless_row_is_infinite_and_a_failed_one_missing(tmp_path: Path, row: Rows, write: Write) -> None:
    rows = [row(image="a", error=0), row(image="b", status="failed", message="why")]
    table = store.read(write(tmp_path / "r.sqlite", rows)).set_index("image")
    assert table.loc["a", "psnr"] == math.inf
    assert math.isfinite(table.loc["a", "psnr_clean"])
    numbers = ["height", "width", "nbytes", "bpp", "psnr", "psnr_clean", "ms_ssim", "ms_ssim_clean", "encode_s"]
    assert table.loc["b", [*numbers, "decode_s"]].isna().all()
    assert table.loc["b", "status"] == "failed"


def test_an_image_too_small_for_ms_ssim_has_a_psnr(tmp_path: Path, row: Rows, write: Write) -> None:
    table = store.read(write(tmp_path / "r.sqlite", [row(ms_ssim=None, ms_ssim_clean=None)]))
    assert math.isnan(table["ms_ssim"][0])
    assert math.isfinite(table["psnr"][0])


def test_the_largest_error_of_a_gigapixel_image_is_kept_exactly(tmp_path: Path, row: Rows, write: Write) -> None:
    error = 255**2 * 3 * 10**9 + 1
    path = write(tmp_path / "r.sqlite", [row(error=error, height=10**5, width=10**4)])
    assert store.read(path)["psnr"][0] == pytest.approx(0, abs=1e-9)
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT error FROM rows").fetchone() == (error,)
    connection.close()


def test_rows_come_in_the_order_of_their_key(tmp_path: Path, row: Rows, write: Write) -> None:
    rows = [row(image=image, severity=severity) for severity in (5, 1, 3) for image in ("b", "a")]
    table = store.read(write(tmp_path / "r.sqlite", rows))
    expected = [(severity, image) for severity in (1, 3, 5) for image in ("a", "b")]
    assert expected == list(zip(table["severity"], table["image"], strict=True))


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


def test_a_file_says_when_its_runs_sat_and_with_how_many_jobs(tmp_path: Path, row: Rows) -> None:
    path = tmp_path / "r.sqlite"
    for started, jobs in (("2026-01-02T03:04:05+00:00", 2), ("2026-01-02T04:00:00+00:00", 16)):
        with RunFile.open(path) as file:
            file.begin("r", {}, started, jobs)
    assert store.sittings(path).to_dict("records") == [
        {"run": "r", "started": "2026-01-02T03:04:05+00:00", "jobs": 2},
        {"run": "r", "started": "2026-01-02T04:00:00+00:00", "jobs": 16},
    ]


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


def test_the_file_says_what_it_is(tmp_path: Path, row: Rows, write: Write) -> None:
    path = write(tmp_path / "r.sqlite", [row()])
    assert int.from_bytes(b"CSFT", "big") == APPLICATION_ID
    assert pragma(path, "application_id") == APPLICATION_ID
    assert pragma(path, "user_version") == SCHEMA_VERSION
    assert pragma(path, "journal_mode") == "wal"


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


@pytest.fixture
def left_by_a_killed_writer(tmp_path: Path, row: Rows) -> Path:
    """A run file as a killed writer leaves it: its rows are still in the write-ahead log."""
    original, path = tmp_path / "original.sqlite", tmp_path / "left" / "r.sqlite"
    path.parent.mkdir()
    with RunFile.open(original) as file:
        file.begin("r", {}, "now", 1)
        file.append([row(), row(image="other")])
        for suffix in ("", "-wal"):
            shutil.copy(f"{original}{suffix}", f"{path}{suffix}")
    return path


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


# --- what is no run file


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


# --- merging


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


# --- spectra

CELL = ("kodak", "fog", 3, "jpeg", "q75")
CONDITION = ("kodak", "fog", 3, "", "")
VERSION_1 = """
    CREATE TABLE runs (id TEXT PRIMARY KEY, provenance TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE sittings (run TEXT NOT NULL REFERENCES runs, started TEXT NOT NULL, jobs INTEGER NOT NULL);
    CREATE TABLE rows (
        "set" TEXT NOT NULL, corruption TEXT NOT NULL, severity INTEGER NOT NULL,
        codec TEXT NOT NULL, point TEXT NOT NULL, image TEXT NOT NULL,
        height INTEGER, width INTEGER, nbytes INTEGER, error INTEGER, error_clean INTEGER,
        ms_ssim REAL, ms_ssim_clean REAL, encode_s REAL, decode_s REAL,
        status TEXT NOT NULL CHECK (status IN ('ok', 'failed', 'skipped')), message TEXT NOT NULL,
        run TEXT NOT NULL REFERENCES runs,
        PRIMARY KEY ("set", corruption, severity, codec, point, image)
    ) WITHOUT ROWID;
    PRAGMA application_id = 1129530964;
    PRAGMA user_version = 1;
    PRAGMA journal_mode = WAL;
    INSERT INTO runs VALUES ('r', '{}');
    INSERT INTO sittings VALUES ('r', 'then', 2);
    INSERT INTO rows VALUES ('kodak', 'fog', 3, 'jpeg', 'q75', 'kodim01',
        20, 10, 100, 6000, 60000, 0.75, 0.5, 0.25, 0.125, 'ok', '', 'r');
"""
"""A file as version 1 made it."""


def power(seed: str) -> np.ndarray:
    return np.random.default_rng(list(seed.encode())).random((64, 33)).astype(np.float32).astype(np.float64)


def of_row(image: str, codec: str = "jpeg") -> Spectra:
    """Return spectra that tell whose they are."""
    return Spectra(
        {("G", "Y"): power(f"G {codec} {image}"), ("R", "Y"): power(f"R {codec} {image}")},
        {("shift", "Y"): power(f"shift {image}")},
    )


@pytest.fixture
def spectral(row: Rows) -> Rows:
    """Return a function that makes a row with the spectra of its image and codec."""

    def make(image: str, codec: str = "jpeg", **fields: object) -> Row:
        return row(image=image, codec=codec, spectra=of_row(image, codec), **fields)

    return make


def sums(path: Path) -> dict[tuple[object, ...], tuple[int, np.ndarray]]:
    """Return what a file holds by set, corruption, severity, codec, point, quantity: n and the mean power."""
    return {tuple(one[:6]): (one.n, one.power) for one in store.spectra(path).itertuples(index=False)}


def is_of(path: Path, images: Sequence[str], codec: str = "jpeg", shots: Sequence[str] | None = None) -> None:
    """Assert that the sums of a file are those of some images of one codec, and of some shots: of the same images."""
    found = sums(path)
    cell = (*CELL[:3], codec, "q75")
    for place, quantity, of, names in (
        (cell, "G", codec, images),
        (cell, "R", codec, images),
        (CONDITION, "shift", "", shots or images),
    ):
        n, mean = found[*place, quantity]
        assert n == len(names)
        expected = np.mean([power(" ".join(filter(None, (quantity, of, name)))) for name in names], axis=0)
        np.testing.assert_allclose(mean, expected, rtol=1e-6)
    assert {Key(*cell, image) for image in images} == {key for key in store.with_spectra(path) if key.codec == codec}


def test_the_mean_of_spectra_is_kept_for_each_cell(tmp_path: Path, spectral: Rows, write: Write) -> None:
    path = write(tmp_path / "r.sqlite", [spectral("a"), spectral("b")])
    write(path, [spectral("c")])
    is_of(path, "abc")
    table = store.spectra(path)
    assert list(table.columns) == list(SPECTRA_COLUMNS)
    assert list(table["quantity"]) == ["shift", "G", "R"]
    assert set(table["channel"]) == {"Y"}
    assert all(one.dtype == np.float64 and one.shape == (64, 33) for one in table["power"])


def test_a_shot_counts_once_whatever_codecs_it_went_through(tmp_path: Path, spectral: Rows, write: Write) -> None:
    path = write(tmp_path / "r.sqlite", [spectral("a"), spectral("a", "webp")])
    write(path, [spectral("a", "avif"), spectral("b", "avif")])
    for codec, images in (("jpeg", "a"), ("webp", "a"), ("avif", "ab")):
        is_of(path, images, codec, shots="ab")


def test_rows_without_spectra_are_in_no_sum(tmp_path: Path, row: Rows, spectral: Rows, write: Write) -> None:
    path = write(tmp_path / "r.sqlite", [row(image="c"), row(image="d", status="failed", message="why")])
    assert store.spectra(path).empty
    assert list(store.spectra(path).columns) == list(SPECTRA_COLUMNS)
    write(path, [spectral("a")])
    is_of(path, "a")


def test_a_spectrum_is_added_once(tmp_path: Path, row: Rows, spectral: Rows, write: Write) -> None:
    path = write(tmp_path / "r.sqlite", [spectral("a"), spectral("b")])
    write(path, [spectral("a"), row(image="b")])
    is_of(path, "ab")


def test_a_row_that_was_there_before_stays_and_its_spectrum_is_added(
    tmp_path: Path, row: Rows, spectral: Rows, write: Write
) -> None:
    path = write(tmp_path / "r.sqlite", [row(image="a"), row(image="b", status="failed", message="why")])
    write(path, [spectral("a", encode_s=9.0, run="later"), spectral("b", run="later")])
    is_of(path, "ab")
    table = store.read(path)
    assert table["encode_s"].tolist() == [0.25, 0.25]
    assert table["run"].tolist() == ["r", "later"]
    assert table["status"].tolist() == ["ok", "ok"]


@pytest.mark.parametrize("other", [{"nbytes": 99}, {"error": 1}, {"error_clean": 1}], ids=str)
@pytest.mark.parametrize("was_in", [False, True], ids=["without", "with"])
def test_a_spectrum_of_something_else_than_the_row_is_refused(
    other: dict[str, object], was_in: bool, tmp_path: Path, row: Rows, spectral: Rows, write: Write
) -> None:
    first = spectral("a") if was_in else row(image="a")
    path = write(tmp_path / "r.sqlite", [first])
    before = store.read(path), sums(path)
    with pytest.raises(RunFileError, match=r"holds kodak/fog@3 jpeg:q75 a with other bytes or errors than it has now"):
        write(path, [spectral("b"), spectral("a", **other)])
    assert before[0].equals(store.read(path))
    assert list(before[1]) == list(sums(path))
    assert all(n == 1 for n, _ in sums(path).values())


def test_a_row_in_the_sums_is_not_taken_away(tmp_path: Path, row: Rows, spectral: Rows, write: Write) -> None:
    path = write(tmp_path / "r.sqlite", [spectral("a")])
    write(path, [row(image="a", status="failed", message="why")])
    assert store.read(path)["status"].tolist() == ["ok"]
    is_of(path, "a")


@pytest.mark.parametrize("statements", range(1, 12))
def test_a_spectrum_is_there_with_its_row_or_not_at_all(
    statements: int, tmp_path: Path, spectral: Rows, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many statements of the second row were carried out when the process died."""
    path, copy = write(tmp_path / "r.sqlite", [spectral("a")]), tmp_path / "left" / "r.sqlite"
    copy.parent.mkdir()

    def die_after(count: int) -> None:
        with RunFile.open(path) as file:
            connection, done = file._connection, 0

            class Dying:
                in_transaction = False

                def execute(self, *arguments: object) -> sqlite3.Cursor:
                    nonlocal done
                    if done == count:
                        raise InterruptedError
                    done += 1
                    return connection.execute(*arguments)

            file._connection = Dying()  # type: ignore[assignment]
            with suppress(InterruptedError):
                file.append([spectral("b")])
            for suffix in ("", "-wal"):
                shutil.copy(f"{path}{suffix}", f"{copy}{suffix}")

    die_after(statements)
    images = "ab" if len(store.read(copy)) == 2 else "a"
    is_of(copy, images)
    write(copy, [spectral("b")])
    is_of(copy, "ab")


@pytest.fixture
def of_version_1(tmp_path: Path) -> Path:
    path = tmp_path / "old.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(VERSION_1)
    connection.close()
    return path


def test_a_file_of_version_1_is_read_as_it_is(of_version_1: Path, row: Rows, tmp_path: Path, write: Write) -> None:
    before = of_version_1.read_bytes()
    new = write(tmp_path / "new.sqlite", [row()])
    assert store.read(of_version_1).equals(store.read(new))
    assert store.spectra(of_version_1).empty
    assert store.with_spectra(of_version_1) == set()
    assert store.sittings(of_version_1).to_numpy().tolist() == [["r", "then", 2]]
    assert before == of_version_1.read_bytes()
    assert store.merge([of_version_1], tmp_path / "out") == (1, 0)
    assert pragma(tmp_path / "out", "user_version") == SCHEMA_VERSION


def test_a_file_of_version_1_is_upgraded_when_it_is_written(
    of_version_1: Path, row: Rows, spectral: Rows, write: Write
) -> None:
    before = store.read(of_version_1)
    with RunFile.open(of_version_1) as file:
        assert file.with_spectra() == set()
    assert before.equals(store.read(of_version_1))
    assert pragma(of_version_1, "user_version") == SCHEMA_VERSION == 2
    write(of_version_1, [spectral("kodim01"), spectral("b")])
    is_of(of_version_1, ["kodim01", "b"])


def test_an_upgraded_file_has_the_tables_of_a_new_one(of_version_1: Path, tmp_path: Path) -> None:
    schemas = []
    for path in (of_version_1, tmp_path / "new.sqlite"):
        with RunFile.open(path) as file:
            found = file._connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
            schemas.append([(name, " ".join((sql or "").split())) for name, sql in found])
    assert schemas[0] == schemas[1]


def test_a_cell_takes_at_most_25_kib(tmp_path: Path, row: Rows, write: Write) -> None:
    codecs = [f"codec-of-a-long-name-{number}" for number in range(40)]
    rows = [row(image=f"a-long-name-{image:03}", codec=codec) for image in range(24) for codec in codecs]
    plain = write(tmp_path / "plain.sqlite", rows).stat().st_size
    full = (
        write(tmp_path / "full.sqlite", [replace(one, spectra=of_row(one.image, one.codec)) for one in rows])
        .stat()
        .st_size
    )
    assert (full - plain) / len(codecs) < 19 * 1024


# --- merging spectra


def parts(tmp_path: Path, write: Write, *rows: Sequence[Row]) -> list[Path]:
    return [write(tmp_path / str(number), some) for number, some in enumerate(rows)]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)], ids=str)
@pytest.mark.parametrize(
    "images",
    [("ab", "c", "d"), ("ab", "ab", "ab"), ("abc", "b", ""), ("ab", "abcd", "cd"), ("ab", "bc", "abc")],
    ids="+".join,
)
def test_merged_spectra_are_of_each_image_once(
    images: Sequence[str], order: Sequence[int], tmp_path: Path, spectral: Rows, write: Write
) -> None:
    files = parts(tmp_path, write, *([spectral(image) for image in some] for some in images))
    store.merge([files[place] for place in order], tmp_path / "out")
    is_of(tmp_path / "out", sorted(set("".join(images))))


def test_merged_codecs_share_the_spectra_of_their_shots(tmp_path: Path, spectral: Rows, write: Write) -> None:
    files = parts(
        tmp_path, write, [spectral("a"), spectral("b")], [spectral(image, "webp") for image in "abc"], [spectral("c")]
    )
    store.merge(files, tmp_path / "out")
    is_of(tmp_path / "out", "abc")
    is_of(tmp_path / "out", "abc", "webp")


def test_spectra_of_images_that_overlap_in_part_are_refused(tmp_path: Path, spectral: Rows, write: Write) -> None:
    files = parts(tmp_path, write, [spectral("a"), spectral("b")], [spectral("b"), spectral("c")])
    with pytest.raises(RunFileError, match=r"spectra of kodak/fog@3( jpeg:q75)? cannot be added: some of their images"):
        store.merge(files, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_rows_with_and_without_spectra_merge(tmp_path: Path, row: Rows, spectral: Rows, write: Write) -> None:
    files = parts(tmp_path, write, [row(image=image) for image in "abc"], [spectral("b")])
    assert store.merge(files, tmp_path / "out") == (3, 1)
    is_of(tmp_path / "out", "b")
    write(tmp_path / "out", [spectral("a")])
    is_of(tmp_path / "out", "ab")


def test_spectra_taken_in_different_ways_are_not_merged(tmp_path: Path, spectral: Rows, write: Write) -> None:
    files = [
        write(tmp_path / window, [spectral(window, run=window)], {"spectra": {"window": window}})
        for window in ("none", "hann")
    ]
    with pytest.raises(
        RunFileError, match=r'cannot be added: they were taken with {"window": "hann"} and {"window": "'
    ):
        store.merge(files, tmp_path / "out")
    assert not (tmp_path / "out").exists()


# --- rows of runs that left a measure out


def bare(path: Path, rows: Sequence[Row], write: Write) -> Path:
    provenance = {"sets": {}, "corruptions": {}, "codecs": {}, "measures": {"bpp": 1, "psnr": 1}}
    return write(path, [replace(row, ms_ssim=None, ms_ssim_clean=None, run="bare") for row in rows], provenance)


def test_a_row_that_lacks_a_measure_is_not_there_for_who_wants_it(tmp_path: Path, row: Rows, write: Write) -> None:
    failed = replace(row(image="b", status="failed", message="why"), run="bare")
    path = bare(tmp_path / "1", [row(image="a"), failed], write)
    assert len(store.statuses(path)) == len(store.statuses(path, ["psnr"])) == 2
    assert store.statuses(path, ["psnr", "ms_ssim"]) == {failed.key: "failed"}
    assert len(store.rows_under(path, "kodak", "fog")) == len(store.rows_under(path, "kodak", "fog", ["bpp"])) == 2
    assert [one.image for one in store.rows_under(path, "kodak", "fog", ["ms_ssim"])] == ["b"]
    with RunFile.open(path) as file:
        assert file.statuses(["ms_ssim"]) == {failed.key: "failed"}
        assert [one.image for one in file.rows_under("kodak", "fog", ["ms_ssim"])] == ["b"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["whole-last", "whole-first"])
def test_of_a_repeated_row_the_one_with_ms_ssim_stays(
    order: tuple[int, int], tmp_path: Path, row: Rows, write: Write
) -> None:
    paths = [bare(tmp_path / "bare", [row()], write), write(tmp_path / "whole", [row()])]
    assert store.merge([paths[place] for place in order], tmp_path / "out") == (1, 1)
    (merged,) = store.rows_under(tmp_path / "out", "kodak", "fog")
    assert merged == row()
