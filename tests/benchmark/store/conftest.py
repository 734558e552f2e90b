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


TO_VERSION_4 = """
    ALTER TABLE rows RENAME TO rows_5;
    ALTER TABLE shifts RENAME TO shifts_5;
    CREATE TABLE rows (
        "set" TEXT NOT NULL, corruption TEXT NOT NULL, severity INTEGER NOT NULL,
        codec TEXT NOT NULL, point TEXT NOT NULL, image TEXT NOT NULL,
        height INTEGER, width INTEGER, nbytes INTEGER, error INTEGER, error_clean INTEGER,
        ms_ssim REAL, ms_ssim_clean REAL, encode_s REAL, decode_s REAL,
        status TEXT NOT NULL CHECK (status IN ('ok', 'failed', 'skipped')), message TEXT NOT NULL,
        run TEXT NOT NULL REFERENCES runs, spectra INTEGER NOT NULL DEFAULT 0 CHECK (spectra IN (0, 1)),
        PRIMARY KEY ("set", corruption, severity, codec, point, image)
    ) WITHOUT ROWID;
    INSERT INTO rows SELECT "set", corruption, severity, codec, point, image, height, width, nbytes, error, error_clean,
        (SELECT value FROM scores WHERE measure = 'ms_ssim' AND reference = 'shown' AND row = id),
        (SELECT value FROM scores WHERE measure = 'ms_ssim' AND reference = 'clean' AND row = id),
        encode_s, decode_s, status, message, run, spectra FROM rows_5;
    CREATE TABLE shifts (
        "set" TEXT NOT NULL, corruption TEXT NOT NULL, severity INTEGER NOT NULL, image TEXT NOT NULL,
        height INTEGER NOT NULL, width INTEGER NOT NULL, error INTEGER NOT NULL, ms_ssim REAL,
        run TEXT NOT NULL REFERENCES runs,
        PRIMARY KEY ("set", corruption, severity, image)
    ) WITHOUT ROWID;
    INSERT INTO shifts SELECT "set", corruption, severity, image, height, width, error,
        (SELECT value FROM shift_scores WHERE measure = 'ms_ssim' AND shift = id), run FROM shifts_5;
    DROP TABLE scores;
    DROP TABLE shift_scores;
    DROP TABLE rows_5;
    DROP TABLE shifts_5;
    PRAGMA user_version = 4;
"""
"""What turns a file of today into one as version 4 made it."""


@pytest.fixture
def to_version_3() -> Callable[[Path], None]:
    """Return a function that removes from a file what versions 4 and 5 added."""

    def downgrade(path: Path) -> None:
        connection = sqlite3.connect(path)
        connection.executescript(f"{TO_VERSION_4} DROP TABLE profiles; DROP TABLE shifts; PRAGMA user_version = 3")
        connection.close()

    return downgrade


@pytest.fixture
def of_version_4(tmp_path: Path) -> Path:
    """A file that version 4 made: clean images and fog, identity and jpeg, one image too small for MS-SSIM."""
    return Path(shutil.copy(Path(__file__).with_name("version_4.db"), tmp_path / "fourth.sqlite"))


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
