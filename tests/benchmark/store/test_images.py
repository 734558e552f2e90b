"""A run file knows the content of each image that its rows are of, and the shots that could not be made."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
from codecshift.analysis.spectrum import GRID
from codecshift.benchmark import store
from codecshift.benchmark.store import SCHEMA_VERSION, Recorded, Row, RunFile, Spectra, Unshown

Rows = Callable[..., Row]
Write = Callable[..., Path]

EXPECTED_OF_VERSION_2 = [
    Unshown("kodak", "bad", "none", 0, "bad.png: image file is truncated"),
    Unshown("kodak", "moved", "none", 0, "moved.png is not the file it was: restore it"),
    Unshown("kodak", "tiny", "fog", 3, "ValueError: fog needs at least 32 pixels a side"),
]
OF_A_CODEC = "encode: RuntimeError: image: too large"


def test_a_file_of_version_2_is_read_as_it_is(of_version_2: Path) -> None:
    before = of_version_2.read_bytes()
    assert (store.recorded(of_version_2), store.unshown(of_version_2)) == ({}, [])
    assert len(store.faults(of_version_2)) == 8
    assert before == of_version_2.read_bytes()


def test_an_upgrade_takes_the_failures_of_images_from_the_codecs(of_version_2: Path) -> None:
    before = store.read(of_version_2)
    with RunFile.open(of_version_2) as file:
        assert file.unshown() == EXPECTED_OF_VERSION_2
        assert file.images() == {}
    assert store.faults(of_version_2)["message"].tolist() == [OF_A_CODEC]
    after, kept = store.read(of_version_2), before[before["status"] == "ok"]
    assert after[after["status"] == "ok"].reset_index(drop=True).equals(kept.reset_index(drop=True))
    connection = sqlite3.connect(of_version_2)
    assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    connection.close()


def test_an_upgraded_file_has_the_tables_of_a_new_one(of_version_2: Path, tmp_path: Path) -> None:
    schemas = []
    for path in (of_version_2, tmp_path / "new.sqlite"):
        with RunFile.open(path) as file:
            schema = file._connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
            schemas.append([(name, " ".join((sql or "").split())) for name, sql in schema])
    assert schemas[0] == schemas[1]


def test_images_and_marks_are_kept_by_set(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    shots = [Unshown("a", "x", "fog", 3, "too small"), Unshown("b", "x", "none", 0, "damaged")]
    images = {"x": Recorded("0", is_present=True), "y": Recorded("1", is_present=False)}
    with RunFile.open(path) as file:
        file.take("a", images)
        file.take("b", {"x": Recorded("2", is_present=True)})
        file.mark(shots)
        file.mark(shots[:1])
    assert store.recorded(path) == {"a": images, "b": {"x": Recorded("2", is_present=True)}}
    assert store.unshown(path) == shots
    with RunFile.open(path) as file:
        file.unmark("a", ["x"])
    assert store.unshown(path) == shots[1:]


def flat(level: float) -> np.ndarray:
    return np.full(GRID, level)


def test_the_rows_of_a_changed_image_go_with_the_sums_that_hold_it(tmp_path: Path, row: Rows, write: Write) -> None:
    """A sum cannot give back one image; what else is in it stays as rows whose spectra are not taken."""

    def spectral(**fields: object) -> Row:
        return row(**fields, spectra=Spectra({("G", "Y"): flat(1)}, {("shift", "Y"): flat(2)}))

    rows = [
        *(spectral(image=image, codec=codec) for image in "ab" for codec in ("jpeg", "webp")),
        *(spectral(image="b", severity=severity) for severity in (1, 2)),
        row(image="a", severity=2),
        spectral(image="a", set="other"),
    ]
    path = write(tmp_path / "r.sqlite", rows)
    with RunFile.open(path) as file:
        file.mark([Unshown("kodak", image, "snow", 1, "why") for image in "ab"])
        removed = file.take("kodak", {image: Recorded("1", is_present=True) for image in "ab"}, ["a"])
        assert (removed.rows, removed.conditions) == (3, 1)
        file.append([spectral(image="a", severity=severity) for severity in (2, 3)])
    assert store.with_profiles(path) == store.with_spectra(path)
    assert {key[:3] for key in store.profiles(path).index if not key[3]} == {
        *(("kodak", "fog", severity) for severity in (1, 2, 3)),
        ("other", "fog", 3),
    }
    table = store.spectra(path)
    sums = {tuple(line[:5]): line.n for line in table.itertuples(index=False)}
    assert sums == {
        ("kodak", "fog", 1, "", ""): 1,
        ("kodak", "fog", 1, "jpeg", "q75"): 1,
        ("kodak", "fog", 2, "", ""): 2,
        ("kodak", "fog", 2, "jpeg", "q75"): 2,
        ("kodak", "fog", 3, "", ""): 1,
        ("kodak", "fog", 3, "jpeg", "q75"): 1,
        ("other", "fog", 3, "", ""): 1,
        ("other", "fog", 3, "jpeg", "q75"): 1,
    }
    assert {(key.set, key.severity, key.codec, key.image) for key in store.with_spectra(path)} == {
        *(("kodak", severity, "jpeg", "b") for severity in (1, 2)),
        *(("kodak", severity, "jpeg", "a") for severity in (2, 3)),
        ("other", 3, "jpeg", "a"),
    }
    assert len(store.read(path)[lambda rows: (rows["set"] == "kodak") & (rows["severity"] == 3)]) == 3
    assert [shot.image for shot in store.unshown(path)] == ["b"]
