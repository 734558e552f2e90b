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
