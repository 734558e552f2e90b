"""Readers see a consistent state at any moment, wherever the file lies, and leave nothing behind."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from codecshift.benchmark import store
from codecshift.benchmark.store import Row, RunFile, RunFileError, schema, snapshots

Rows = Callable[..., Row]
Write = Callable[..., Path]

SITTINGS = 150
"""How often the writer opens, writes and closes the file."""

WRITER = f"""
import sys
from pathlib import Path
from codecshift.benchmark.store import Key, Row, RunFile

def row(image):
    return Row("kodak", "fog", 3, "jpeg", "q75", image, *[7] * 3, *[1] * 2, *[0.5] * 2, "ok", "", "r" + image[:3])

for sitting in range({SITTINGS}):
    with RunFile.open(Path(sys.argv[1])) as file:
        file.begin(f"r{{sitting:03}}", {{"codecs": {{}}, "padding": "x" * 5000}}, "now", 1)
        for batch in range(3):
            file.append([row(f"{{sitting:03}}-{{batch}}-{{half}}") for half in "ab"])
"""
READER = """
import sys
from pathlib import Path
from codecshift.benchmark import store
from codecshift.benchmark.store import schema

path, last, reads = Path(sys.argv[1]), 0, 0
while last < 6 * int(sys.argv[2]):
    with schema.reading(path) as connection:
        rows = connection.execute("SELECT image, run FROM rows").fetchall()
        again = connection.execute("SELECT image, run FROM rows").fetchall()
        runs = store.reading.Reader(connection).runs()
    assert rows == again, "two queries of one reading saw different states"
    assert len(rows) % 2 == 0, "half a batch was seen"
    assert len(rows) >= last, "committed rows were lost"
    assert {run for _, run in rows} <= set(runs), "rows without their run"
    last, reads = len(rows), reads + 1
print(reads)
"""

UNPRIVILEGED = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.geteuid() == 0 else ()
"""Root writes wherever it likes; without its capabilities it obeys the modes of files and folders."""
obeys_modes = pytest.mark.skipif(
    bool(UNPRIVILEGED) and not shutil.which("setpriv"), reason="root obeys no file modes without setpriv"
)
two_accounts = pytest.mark.skipif(
    not UNPRIVILEGED or not shutil.which("setpriv"), reason="only root can act as an account that may not write"
)


@pytest.fixture
def archive(tmp_path: Path, row: Rows, write: Write) -> Iterator[Path]:
    """A run file of one row in a folder of its own, which may be made read-only."""
    folder = tmp_path / "archive"
    folder.mkdir()
    yield write(folder / "r.sqlite", [row()])
    folder.chmod(0o755)


def python(script: str, *arguments: object, unprivileged: bool = False) -> subprocess.Popen[str]:
    command = [*(UNPRIVILEGED if unprivileged else ()), sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")


def rows_read(path: Path) -> int:
    """Return how many rows a reader without the rights of root finds."""
    script = "import sys; from codecshift.benchmark import store; print(len(store.read(sys.argv[1])))"
    process = python(script, path, unprivileged=True)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 0, error
    return int(out)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# --- while a writer starts, writes, checkpoints and ends


@pytest.mark.parametrize("may_write", [True, pytest.param(False, marks=two_accounts)], ids=["writable", "read-only"])
def test_every_read_is_of_a_consistent_state(may_write: bool, archive: Path) -> None:
    """Also of a reader whose account may not write where the file lies."""
    archive.unlink()
    with RunFile.open(archive):
        pass
    if not may_write:
        archive.parent.chmod(0o555)  # which the writer, root, does not care about
    writer, reader = python(WRITER, archive), python(READER, archive, SITTINGS, unprivileged=not may_write)
    try:
        _, error = writer.communicate(timeout=120)
        assert writer.returncode == 0, error
        reads, error = reader.communicate(timeout=60)
        assert reader.returncode == 0, error
        assert int(reads) > 1
    finally:
        writer.kill()
        reader.kill()
    archive.parent.chmod(0o755)
    assert len(store.read(archive)) == 6 * SITTINGS
    assert [archive] == list(archive.parent.iterdir())


def test_a_reading_is_of_one_moment(archive: Path, row: Rows, write: Write) -> None:
    """What a writer commits between two queries of one reading is seen by neither."""
    with schema.reading(archive) as connection:
        write(archive, [row(image="later", run="later")])
        reader = store.reading.Reader(connection)
        assert (len(reader.statuses()), list(reader.runs())) == (1, ["r"])
    assert len(store.statuses(archive)) == 2
    assert [archive] == list(archive.parent.iterdir())


def test_a_reading_changes_nothing(archive: Path) -> None:
    before = contents(archive.parent)
    with schema.reading(archive) as connection, pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM rows")
    store.read(archive)
    assert contents(archive.parent) == before


# --- where nothing can be written


READ_ONLY = {"file": (0o444, 0o755), "folder": (0o644, 0o555), "both": (0o444, 0o555)}


@obeys_modes
@pytest.mark.parametrize(("file_mode", "folder_mode"), READ_ONLY.values(), ids=READ_ONLY)
@pytest.mark.parametrize("beside", [(), ("-wal",), ("-wal", "-shm")], ids=["alone", "log", "log-and-index"])
def test_a_run_file_in_a_read_only_place_is_read(
    beside: Sequence[str], file_mode: int, folder_mode: int, tmp_path: Path, archive: Path, row: Rows
) -> None:
    """Also with the log that a killed writer left, which holds rows, and leaving everything as it was."""
    path = tmp_path / "copied" / "r.sqlite"
    path.parent.mkdir()
    if beside:
        with RunFile.open(archive) as file:
            file.append([row(image="in the log")])
            for part in ("", *beside):
                shutil.copy(f"{archive}{part}", f"{path}{part}")
    else:
        shutil.copy(archive, path)
    for part in path.parent.iterdir():
        part.chmod(file_mode)
    before = contents(path.parent)
    path.parent.chmod(folder_mode)
    try:
        assert rows_read(path) == 1 + bool(beside)
        assert contents(path.parent) == before
    finally:
        path.parent.chmod(0o755)


def test_a_file_that_never_stands_still_is_not_read_by_halves(
    archive: Path, row: Rows, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the right to write there, and with a writer that ends whenever a reader tries to share its locks."""
    archive.chmod(0o444)
    read_bytes, images = Path.read_bytes, iter(range(1000))

    def written_behind(path: Path) -> bytes:
        content = read_bytes(path)
        if path == archive:
            archive.chmod(0o644)
            write(archive, [row(image=str(next(images)))])
            archive.chmod(0o444)
        return content

    monkeypatch.setattr(Path, "read_bytes", written_behind)
    monkeypatch.setattr(snapshots, "_begin", refuses)
    with pytest.raises(RunFileError, match="is being written, and this account may only read there: try again"):
        store.read(archive)
    assert next(images) == 2 * snapshots.TRIES


def refuses(_connection: sqlite3.Connection) -> None:
    raise sqlite3.OperationalError("attempt to write a readonly database")


def test_a_file_that_may_not_be_read_is_named_with_the_reason(archive: Path) -> None:
    archive.chmod(0)
    script = "import sys; from codecshift.benchmark import store; store.read(sys.argv[1])"
    _, error = python(script, archive, unprivileged=True).communicate(timeout=60)
    assert error.splitlines()[-1].endswith(f"{archive} cannot be a run file: Permission denied")


# --- what is damaged


def _cut_off(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _overwritten(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))


def _without_a_table(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE rows")
    connection.close()


@pytest.mark.parametrize("damage", [_cut_off, _overwritten, _without_a_table], ids=lambda damage: damage.__name__)
def test_a_damaged_run_file_is_called_that(
    damage: Callable[[Path], None], tmp_path: Path, row: Rows, write: Write
) -> None:
    path = write(tmp_path / "r.sqlite", [row(image=f"{number:03}" * 20) for number in range(200)])
    damage(path)
    before = contents(tmp_path)
    with pytest.raises(
        RunFileError, match=r"r\.sqlite: it is a damaged run file \(.*\): restore a copy of it, or meas"
    ):
        store.read(path)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("content", [b"", None], ids=["empty", "database"])
def test_a_file_of_a_run_that_has_just_begun_holds_nothing_yet(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    path.touch()
    if content is None:
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.close()
    with pytest.raises(RunFileError, match="holds nothing yet: wait for the run that made it, or start that run again"):
        store.read(path)
    assert [path] == list(tmp_path.iterdir())
