"""Commands run in this process, and a run file to run them on."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from codecshift.benchmark.store import Row

Rows = Callable[..., Row]
Write = Callable[..., Path]
Command = Callable[..., "subprocess.CompletedProcess[str]"]
Say = Callable[..., Any]


class Said(NamedTuple):
    """What a command said, and the code it ended with."""

    code: int
    out: str
    err: str


@pytest.fixture
def say(here: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    """Return a function that runs a command in this process, in an empty folder, with no data folder."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TERM", "dumb")

    def run(*arguments: object) -> Said:
        done = here(*arguments)
        return Said(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def measured(pair: Path, tmp_path_factory: pytest.TempPathFactory, command: Command) -> Path:
    """A run file of two images on clean images and two corruptions, with curves of two codecs and lossless rows."""
    path = tmp_path_factory.mktemp("measured") / "r.sqlite"
    done = command(
        *("run", "--set", f"folder:{pair}", "--codec", "jpeg", "--codec", "webp", "--codec", "identity"),
        *("--corruption", "none", "--corruption", "fog", "--corruption", "shot_noise", "--severity", 2, "--out", path),
    )
    assert done.returncode == 0, done.stderr
    (path.parent / "out.txt").write_text(done.stdout, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def everything() -> Callable[[Path], dict[str, bytes]]:
    """Return a function that reads every file below a folder."""

    def read(folder: Path) -> dict[str, bytes]:
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    return read


@pytest.fixture(scope="session")
def one_sentence() -> Callable[[Any], str]:
    """Return a function that asserts that a command was refused by one line on stderr, and returns it."""

    def check(said: Any) -> str:
        assert said.code == 2, said
        assert said.out == ""
        assert "Traceback" not in said.err
        lines = said.err.splitlines()
        assert len(lines) == 1, said.err
        assert lines[0].startswith("codecshift: ")
        return lines[0]

    return check


@pytest.fixture(scope="session")
def complaints() -> Callable[[str], list[str]]:
    """Return a function that gives the lines of standard error, but for what a slow machine is told it waits for."""
    return lambda error: [line for line in error.splitlines() if not line.startswith("reading ")]
