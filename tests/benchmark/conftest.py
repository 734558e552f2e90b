"""What the tests of the trunk share: tiny photographs, rows made by hand, codecs that misbehave, and the command."""

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import skimage.data
from codecshift.benchmark.store import COLUMNS, Key, Row, RunFile, Shift
from codecshift.codecs import registry
from codecshift.codecs.registry import catalogue

# Started in the background by a script, a process ignores Ctrl-C, and so would what the tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

HEIGHT, WIDTH = 170, 190
BAD_CODECS = '''
"""Codecs that fail in every way there is, but not on the pictures they are tried with when they are opened."""
import ctypes, os, signal, sys, threading
from contextlib import contextmanager

from codecshift.codecs.identity import Identity
from codecshift.codecs.protocol import Point, Spec


class Misbehaving(Identity):
    def __init__(self, misbehave):
        self.misbehave = misbehave

    def decode(self, data):
        seen = super().decode(data)
        if seen.shape in {(64, 64, 3), (8, 8, 3)}:
            return seen
        if "BAD_CODECS_LOG" in os.environ:
            with open(os.environ["BAD_CODECS_LOG"], "a") as log:
                log.write("tried\\n")
        return self.misbehave(seen)


def factory(misbehave):
    @contextmanager
    def load():
        yield Misbehaving(misbehave)

    return load


def hangs(_):
    """Never return, and leave the processor to other tests."""
    threading.Event().wait()


def hangs_deaf_to_the_alarm(seen):
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    hangs(seen)


class Panic(BaseException):
    pass


def panics(_):
    raise Panic("as extension modules written in Rust do")


def interrupts(_):
    raise KeyboardInterrupt


KEPT = []


def leak(seen):
    KEPT.append(b"x" * (50 * 2**20))
    return seen


def count_threads(seen):
    """Log the threads of this process, those of its libraries included, once they had much to compute."""
    import cv2, numpy

    matrix = numpy.ones((800, 800))
    cv2.GaussianBlur(matrix @ matrix, (31, 31), 5)
    if "torch" in sys.modules:
        sys.modules["torch"].from_numpy(matrix).matmul(sys.modules["torch"].from_numpy(matrix))
    with open(os.environ["BAD_CODECS_LOG"], "a") as log:
        log.write(f"{len(os.listdir('/proc/self/task'))} {os.environ['OMP_NUM_THREADS']}\\n")
    return seen


counts = factory(count_threads)
leaks = factory(leak)
quits = factory(lambda seen: os._exit(0))
segfault = factory(lambda seen: ctypes.string_at(0))
exits = factory(lambda seen: os._exit(3))
hang = factory(hangs)
deaf = factory(hangs_deaf_to_the_alarm)
sysexit = factory(lambda seen: sys.exit(3))
panic = factory(panics)
interrupt = factory(interrupts)
brightens = factory(lambda seen: seen // 2 + 128)  # breaks no law but that of a codec called lossless


def spec(name, **more):
    return Spec(name=name, load=f"codecshift_bad_codecs:{name}", points=(Point("p"),), **more)


def specs():
    names = ("segfault", "exits", "quits", "leaks", "hang", "deaf", "sysexit", "panic", "interrupt")
    return [*map(spec, (*names, "counts")), spec("brightens", lossless=True)]


def broken():
    raise RuntimeError("this plugin is broken")
'''


@pytest.fixture(scope="session")
def photographs() -> dict[str, np.ndarray]:
    """Crops of a photograph, just large enough for MS-SSIM."""
    astronaut = skimage.data.astronaut()
    corners = {"hair": (0, 100), "suit": (300, 150), "hull": (60, 300)}
    return {name: astronaut[y : y + HEIGHT, x : x + WIDTH].copy() for name, (y, x) in corners.items()}


@pytest.fixture(scope="session")
def save_set(
    photographs: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, Sequence[str]], Path]:
    """Return a function that writes some of the photographs as PNG into a new folder of a given name."""

    def save(name: str, images: Sequence[str]) -> Path:
        folder = tmp_path_factory.mktemp("sets") / name
        folder.mkdir()
        for image in images:
            PIL.Image.fromarray(photographs[image]).save(folder / f"{image}.png")
        return folder

    return save


@pytest.fixture(scope="session")
def pair(save_set: Callable[[str, Sequence[str]], Path]) -> Path:
    """A folder of two photographs."""
    return save_set("pair", ["hair", "suit"])


@pytest.fixture(scope="session")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that, on the path, is an installed distribution offering misbehaving codecs by real entry points."""
    folder = tmp_path_factory.mktemp("plugins")
    info = folder / "codecshift_bad_codecs-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: codecshift-bad-codecs\nVersion: 0.1\n", encoding="utf-8"
    )
    (info / "entry_points.txt").write_text(
        "[codecshift.codecs]\nbad = codecshift_bad_codecs:specs\nfaulty = codecshift_bad_codecs:broken\n",
        encoding="utf-8",
    )
    (folder / "codecshift_bad_codecs.py").write_text(BAD_CODECS, encoding="utf-8")
    return folder


@pytest.fixture
def with_plugins(plugins: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The plugins installed, in this process and in the workers it starts; `few_codecs`, if wanted too, comes first."""
    monkeypatch.syspath_prepend(plugins)
    catalogue.cache_clear()
    yield
    catalogue.cache_clear()


@pytest.fixture
def few_codecs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Three codecs built in instead of all: trying every one takes ten seconds where torch is installed."""
    few = tuple(spec for spec in registry.BUILT_IN if spec.name in {"identity", "jpeg", "webp"})
    monkeypatch.setattr(registry, "BUILT_IN", few)
    monkeypatch.setattr(registry, "NEURAL", ())
    catalogue.cache_clear()
    yield
    catalogue.cache_clear()


@pytest.fixture
def row() -> Callable[..., Row]:
    """Return a function that makes a row of run "r", every field of which can be given."""

    def make(**fields: Any) -> Row:
        base: dict[str, Any] = {"set": "kodak", "corruption": "fog", "severity": 3, "codec": "jpeg", "point": "q75"}
        base |= {"image": "kodim01", "height": 20, "width": 10, "nbytes": 100, "error": 6000, "error_clean": 60000}
        base |= {"encode_s": 0.25, "decode_s": 0.125, "status": "ok", "message": "", "run": "r"}
        similarities = {"ms_ssim": 0.75, "ms_ssim_clean": 0.5}
        if fields.get("status", "ok") != "ok":
            base |= dict.fromkeys(("height", "width", "nbytes", "error", "error_clean", "encode_s", "decode_s"))
            similarities = {}
        similarities |= {name: fields.pop(name) for name in ("ms_ssim", "ms_ssim_clean") if name in fields}
        references = {"ms_ssim": "shown", "ms_ssim_clean": "clean"}
        base["scores"] = {
            ("ms_ssim", references[name]): value for name, value in similarities.items() if value is not None
        }
        return Row(**base | fields)

    return make


@pytest.fixture
def write() -> Callable[..., Path]:
    """Return a function that writes a run file of given rows and shifts."""

    def make(
        path: Path, rows: Sequence[Row], provenance: dict[str, Any] | None = None, shifts: Sequence[Shift] = ()
    ) -> Path:
        with RunFile.open(path) as file:
            for run in sorted({row.run for row in rows} or {"r"}):
                file.begin(run, provenance or {"sets": {}, "corruptions": {}, "measures": {}, "codecs": {}}, "now", 1)
            file.append(rows, shifts)
        return path

    return make


@pytest.fixture
def spoil() -> Callable[..., None]:
    """Return a function that turns rows of a run file into rows that failed or were skipped."""

    def make(path: Path, keys: Sequence[Key], status: str) -> None:
        missing = ", ".join(f"{name} = NULL" for name in COLUMNS[6:13])
        where = " AND ".join(f'"{name}" = ?' for name in Key._fields)
        connection = sqlite3.connect(path)
        for key in keys:
            of_row = f"(SELECT id FROM rows WHERE {where})"  # noqa: S608
            connection.execute(f"DELETE FROM scores WHERE row IN {of_row}", key)  # noqa: S608
            update = f"UPDATE rows SET {missing}, status = ?, message = 'why' WHERE {where}"  # noqa: S608 - our columns
            connection.execute(update, (status, *key))
        connection.commit()
        connection.close()

    return make


@pytest.fixture(scope="session")
def environment(plugins: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a `codecshift` command: the plugins installed, no data folder, an empty cache."""
    kept = {name: value for name, value in os.environ.items() if name != "CODECSHIFT_DATA"}
    cache = str(tmp_path_factory.mktemp("cache"))
    return {**kept, "PYTHONPATH": str(plugins), "XDG_CACHE_HOME": cache, "COLUMNS": "200", "TERM": "dumb"}


@pytest.fixture(scope="session")
def start(environment: dict[str, str]) -> Callable[..., "subprocess.Popen[str]"]:
    """Return a function that starts a `codecshift` command in a session of its own, which runs the code `first`."""

    def started(*arguments: object, first: str = "", **more: Any) -> "subprocess.Popen[str]":
        code = f"{first}\nfrom codecshift.benchmark.cli import main; main()"
        command = [sys.executable, "-c", code, *map(str, arguments)]
        options: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8"}
        options |= {"env": environment | more.pop("env", {}), "start_new_session": True}
        return subprocess.Popen(command, **options | more)

    return started


@pytest.fixture(scope="session")
def command(start: Callable[..., "subprocess.Popen[str]"]) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Return a function that runs a `codecshift` command to its end; one that does not end is killed."""

    def run(*arguments: object, **more: Any) -> "subprocess.CompletedProcess[str]":
        process = start(*arguments, **more)
        try:
            out, err = process.communicate(timeout=120)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    return run


@pytest.fixture
def here(
    tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Return a function that does as `command` does, but in this process and in the folder `tmp_path`.

    There, stderr does not depend on how fast the machine is: nothing is said of progress.
    """
    monkeypatch.setattr("codecshift.benchmark.cli.progress.SILENCE", 3600)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CODECSHIFT_DATA", raising=False)
    for name in ("XDG_CACHE_HOME", "COLUMNS", "TERM"):
        monkeypatch.setenv(name, environment[name])

    def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
        from codecshift.benchmark.cli import main

        monkeypatch.setattr(sys, "argv", ["codecshift", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        said = capsys.readouterr()
        return subprocess.CompletedProcess(sys.argv, code, said.out, said.err)

    return run


@pytest.fixture(autouse=True)
def _signals_kept() -> Iterator[None]:
    """The command line takes SIGTERM over; here it gives it back, and no alarm of a worker's is left set."""
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0)
    assert multiprocessing.active_children() == []
