"""Run files as an older version and as a killed writer leave them."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from codecshift.benchmark.store import Row, RunFile

Rows = Callable[..., Row]
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


VERSION_2 = (
    VERSION_1
    + """
    ALTER TABLE rows ADD COLUMN spectra INTEGER NOT NULL DEFAULT 0 CHECK (spectra IN (0, 1));
    CREATE TABLE spectra (
        "set" TEXT NOT NULL, corruption TEXT NOT NULL, severity INTEGER NOT NULL,
        codec TEXT NOT NULL, point TEXT NOT NULL, quantity TEXT NOT NULL, channel TEXT NOT NULL,
        n INTEGER NOT NULL, power BLOB NOT NULL,
        PRIMARY KEY ("set", corruption, severity, codec, point, quantity, channel)
    );
    PRAGMA user_version = 2;
"""
)
"""A file as version 2 made it, before anything was added."""


@pytest.fixture
def of_version_2(tmp_path: Path) -> Path:
    """A file of version 2 in which one image was damaged, one too small for fog, and one refused by a codec."""
    path = tmp_path / "second.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(VERSION_2)
    no_values = (None,) * 9
    for corruption, severity, codec, image, message in (
        *(("none", 0, codec, "bad", "image: UnreadableImage: bad.png: image file is truncated") for codec in "ab"),
        *(("fog", 3, codec, "bad", "image: UnreadableImage: bad.png: image file is truncated") for codec in "ab"),
        ("none", 0, "a", "moved", "image: SetError: moved.png is not the file it was: restore it"),
        *(("fog", 3, codec, "tiny", "image: ValueError: fog needs at least 32 pixels a side") for codec in "ab"),
        ("fog", 3, "b", "kodim01", "encode: RuntimeError: image: too large"),
    ):
        values = ("kodak", corruption, severity, codec, "p", image, *no_values, "failed", message, "r", 0)
        connection.execute(f"INSERT INTO rows VALUES ({', '.join('?' * len(values))})", values)  # noqa: S608
    connection.commit()
    connection.close()
    return path


@pytest.fixture
def of_version_1(tmp_path: Path) -> Path:
    path = tmp_path / "old.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(VERSION_1)
    connection.close()
    return path


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
