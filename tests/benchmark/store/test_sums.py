"""A spectrum is in the sums once, with its row or not at all, and merged sums are of each image once."""

import re
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from codecshift.analysis.spectrum import radial
from codecshift.benchmark import store
from codecshift.benchmark.store import (
    SCHEMA_VERSION,
    SPECTRA_COLUMNS,
    Key,
    Row,
    RunFile,
    RunFileError,
    Spectra,
    Unshown,
    run_file,
)

Rows = Callable[..., Row]
Write = Callable[..., Path]


def pragma(path: Path, name: str) -> object:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]
    finally:
        connection.close()


CELL = ("kodak", "fog", 3, "jpeg", "q75")
CONDITION = ("kodak", "fog", 3, "", "")


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
    """Assert that a file has the sums and profiles of some images of one codec, and of some shots: the same images."""
    found, profiles = sums(path), store.profiles(path)
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
        of_images = profiles.xs((*place, quantity), level=[*range(5), 6])
        assert list(of_images.index) == sorted(names)
        np.testing.assert_allclose(of_images.mean(), radial(mean)[1], rtol=1e-6)
    assert {Key(*cell, image) for image in images} == {key for key in store.with_spectra(path) if key.codec == codec}
    assert store.with_profiles(path) == store.with_spectra(path)


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
    with pytest.raises(RunFileError, match=r"holds kodak/fog@3 jpeg:q75 a with bytes or errors that differ from"):
        write(path, [spectral("b"), spectral("a", **other)])
    assert before[0].equals(store.read(path))
    assert list(before[1]) == list(sums(path))
    assert all(n == 1 for n, _ in sums(path).values())


def test_a_row_in_the_sums_is_not_taken_away(tmp_path: Path, row: Rows, spectral: Rows, write: Write) -> None:
    path = write(tmp_path / "r.sqlite", [spectral("a")])
    write(path, [row(image="a", status="failed", message="why")])
    assert store.read(path)["status"].tolist() == ["ok"]
    is_of(path, "a")


@pytest.mark.parametrize("statements", range(1, 17))
def test_a_spectrum_is_there_with_its_row_or_not_at_all(
    statements: int, tmp_path: Path, spectral: Rows, write: Write
) -> None:
    """However many statements of the second row were carried out when the process died, or was interrupted."""
    path, copy = write(tmp_path / "r.sqlite", [spectral("a")]), tmp_path / "left" / "r.sqlite"
    copy.parent.mkdir()

    def leave_behind() -> None:
        for suffix in ("", "-wal"):
            shutil.copy(f"{path}{suffix}", f"{copy}{suffix}")

    with suppress(InterruptedError), RunFile.open(path) as file:
        connection, done = file._connection, 0

        class Dying:
            def execute(self, *arguments: object) -> sqlite3.Cursor:
                nonlocal done
                if done == statements:
                    leave_behind()
                    raise InterruptedError
                done += 1
                return connection.execute(*arguments)

        file._connection = Dying()  # type: ignore[assignment]
        file.append([spectral("b")])
        file.flush()
        leave_behind()

    for left in (path, copy):
        is_of(left, "ab" if len(store.read(left)) == 2 else "a")
        write(left, [spectral("b")])
        is_of(left, "ab")


IMAGES = tuple("abcdefgh")


def appended(path: Path, rows: Sequence[Row], after_each: Callable[[], None] = lambda: None) -> list[str]:
    """Append rows one by one, and return the statements that wrote sums."""
    statements: list[str] = []
    with RunFile.open(path) as file:
        file.begin("r", {}, "now", 1)
        file._connection.set_trace_callback(statements.append)
        for row in rows:
            file.append([row])
            after_each()
    return [one for one in statements if re.match("(INSERT|UPDATE).* spectra ", one)]


def test_a_sum_is_written_once_for_many_rows(tmp_path: Path, spectral: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sums of the codec and one of the shots, until the seconds are over that they may wait."""
    now = 0.0
    monkeypatch.setattr(run_file.time, "monotonic", lambda: now)

    def wait() -> None:
        nonlocal now
        now += run_file.FLUSH_S / len(IMAGES)

    path = tmp_path / "r.sqlite"
    assert len(appended(path, [spectral(image) for image in IMAGES], wait)) == 3
    is_of(path, IMAGES)


@pytest.mark.parametrize("seconds", [0.0, 1.0, 2.5, 100.0], ids=str)
def test_whatever_moment_a_process_is_killed_at_rows_and_sums_agree(
    seconds: float, tmp_path: Path, row: Rows, spectral: Rows, monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    """Rows come once a second, and sums are written so many seconds apart, or at the end."""
    now = 0.0
    monkeypatch.setattr(run_file.time, "monotonic", lambda: now)
    monkeypatch.setattr(run_file, "FLUSH_S", seconds)
    path = tmp_path / "r.sqlite"
    counts = []

    def killed() -> None:
        nonlocal now
        now += 1
        copy = tmp_path / str(len(counts)) / "r.sqlite"
        copy.parent.mkdir()
        for suffix in ("", "-wal"):
            shutil.copy(f"{path}{suffix}", f"{copy}{suffix}")
        counts.append(len(store.read(copy)))
        assert counts[-1] == len(store.read(path))
        if counts[-1]:
            is_of(copy, IMAGES[: counts[-1]])
        write(copy, [spectral(image) for image in IMAGES])
        is_of(copy, IMAGES)

    appended(path, [spectral(image) for image in IMAGES], killed)
    is_of(path, IMAGES)
    assert all(count == second + 1 or second - count < seconds for second, count in enumerate(counts))
    assert (counts == list(range(1, len(IMAGES) + 1))) == (seconds == 0)


def test_a_row_without_spectra_is_committed_at_once_unless_others_wait(
    tmp_path: Path, row: Rows, spectral: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_file.time, "monotonic", lambda: 0.0)
    path, counts = tmp_path / "r.sqlite", []
    rows = [row(image="a"), spectral("b"), row(image="c")]
    appended(path, rows, lambda: counts.append(len(store.read(path))))
    assert counts == [1, 1, 1]
    assert len(store.read(path)) == 3
    is_of(path, "b")


@pytest.mark.parametrize("deed", ["mark", "unmark", "take"])
def test_what_else_is_recorded_commits_no_row_without_its_sums(
    deed: str, tmp_path: Path, spectral: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_file.time, "monotonic", lambda: 0.0)
    path = tmp_path / "r.sqlite"
    with RunFile.open(path) as file:
        file.begin("r", {}, "now", 1)
        file.append([spectral("a")])
        if deed == "mark":
            file.mark([Unshown("kodak", "b", "fog", 3, "damaged")])
        elif deed == "unmark":
            file.unmark("kodak", ["b"])
        else:
            file.take("kodak", {})
        assert len(store.with_spectra(path)) == 1
        is_of(path, "a")  # a reader that comes now, or after a kill


def test_sums_do_not_pile_up_in_memory(tmp_path: Path, spectral: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_file.time, "monotonic", lambda: 0.0)
    monkeypatch.setattr(run_file, "MOST_SUMS", 6)
    path, counts = tmp_path / "r.sqlite", []
    appended(
        path, [spectral("a", codec) for codec in ("jpeg", "webp", "avif")], lambda: counts.append(len(store.read(path)))
    )
    assert counts == [0, 0, 3]


def test_nothing_more_is_written_after_a_row_that_was_refused(tmp_path: Path, row: Rows, spectral: Rows) -> None:
    path = tmp_path / "r.sqlite"
    with RunFile.open(path) as file:
        file.begin("r", {}, "now", 1)
        file.append([row(image="a")])
        with pytest.raises(RunFileError, match="with bytes or errors that differ"):
            file.append([spectral("b"), spectral("a", nbytes=99)])
        with pytest.raises(RunFileError, match="left in the middle of a row: run the same command again"):
            file.append([spectral("c")])
    assert [key.image for key in store.statuses(path)] == ["a"]
    assert store.spectra(path).empty


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
    assert pragma(of_version_1, "user_version") == SCHEMA_VERSION
    write(of_version_1, [spectral("kodim01"), spectral("b")])
    is_of(of_version_1, ["kodim01", "b"])


def test_sums_of_version_3_get_their_profiles_and_stay(
    tmp_path: Path, spectral: Rows, write: Write, to_version_3: Callable[[Path], None]
) -> None:
    path = write(tmp_path / "r.sqlite", [spectral("a"), spectral("b")])
    to_version_3(path)
    assert store.with_profiles(path) == set()
    assert store.profiles(path).empty
    write(path, [spectral("a")])
    assert {key.image for key in store.with_profiles(path)} == {"a"}
    assert {n for n, _ in sums(path).values()} == {2}
    write(path, [spectral("b")])
    is_of(path, "ab")


def test_a_cell_takes_at_most_19_kib_and_600_bytes_an_image(tmp_path: Path, row: Rows, write: Write) -> None:
    codecs = [f"codec-of-a-long-name-{number}" for number in range(40)]
    rows = [row(image=f"a-long-name-{image:03}", codec=codec) for image in range(24) for codec in codecs]
    plain = write(tmp_path / "plain.sqlite", rows).stat().st_size
    full = (
        write(tmp_path / "full.sqlite", [replace(one, spectra=of_row(one.image, one.codec)) for one in rows])
        .stat()
        .st_size
    )
    assert (full - plain) / len(codecs) < 19 * 1024 + 24 * 600


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
    with pytest.raises(RunFileError, match=r"spectra of kodak/fog@3( jpeg:q75)? cannot be added: only some of"):
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
        RunFileError, match=r"setting of spectra 'window' is not the same in all runs \(none and hann\)"
    ):
        store.merge(files, tmp_path / "out")
    assert not (tmp_path / "out").exists()
