"""Modules of the current folder are never imported, by any process of ours; a current folder that is gone is told."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SHADOWED = ("random", "pickle", "json", "queue", "tempfile", "socket", "numpy", "cv2", "torch", "pebble", "pip")
"""Modules that processes of ours import: of the standard library, and of what is installed."""
LAUNCHER = "from codecshift.benchmark.cli import main\n\nif __name__ == '__main__':\n    main()\n"
PROGRAM = "import sys\n\nimport beside\n\nsys.stdout.buffer.write(beside.copied(sys.stdin.buffer.read()))\n"
DESCRIPTION = f"""
name = "copier"
encode = ['{sys.executable}', "{{here}}/copy.py"]
decode = ['{sys.executable}', "{{here}}/copy.py"]
picture = "ppm"
points = [{{ name = "p" }}]
"""
Launch = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def launch(environment: dict[str, str], tmp_path: Path) -> Launch:
    """Return a function that runs a command as its console script does: not by `-c`, which imports from the folder."""
    script = tmp_path / "bin" / "codecshift"
    script.parent.mkdir()
    script.write_text(LAUNCHER, encoding="utf-8")

    def run(*arguments: object, cwd: Path, first: str = "", **more: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, str(script), *map(str, arguments)]
        return subprocess.run(
            ["/bin/sh", "-c", f'{first} exec "$@"', "sh", *command],
            cwd=cwd,
            env=environment | more,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder whose modules would shadow ours, and leave a trace when they are imported."""
    folder = tmp_path / "hostile"
    (folder / "codecshift").mkdir(parents=True)
    for module in (*SHADOWED, "codecshift/__init__"):
        trace = f"open({str(folder / 'TRACE')!r}, 'a').write({module!r} + ' ')\n"
        (folder / f"{module}.py").write_text(trace, encoding="utf-8")
    return folder


@pytest.fixture
def copier(tmp_path: Path) -> Path:
    """A codec described in a file, whose program is a Python script with a module beside it."""
    folder = tmp_path / "copier"
    folder.mkdir()
    (folder / "copy.py").write_text(PROGRAM, encoding="utf-8")
    (folder / "beside.py").write_text("copied = bytes\n", encoding="utf-8")
    (folder / "copier.toml").write_text(DESCRIPTION, encoding="utf-8")
    return folder / "copier.toml"


@pytest.mark.parametrize("safe_path", ["", "1"], ids=["by-default", "with-PYTHONSAFEPATH"])
def test_a_run_imports_nothing_of_the_current_folder(
    safe_path: str, launch: Launch, hostile: Path, copier: Path, pair: Path
) -> None:
    codecs = ("--codec", "jpeg:q50", "--codec", "brightens:p")  # the second is a plugin's
    codecs += ("--codec-file", str(copier)) if not safe_path else ()  # its script then finds no module beside it
    arguments = ("run", "--set", f"folder:{pair}", *codecs, "--corruption", "none", "--jobs", 2, "--out", "r.sqlite")
    done = launch(*arguments, cwd=hostile, PYTHONSAFEPATH=safe_path)
    assert not (hostile / "TRACE").exists(), (hostile / "TRACE").read_text(encoding="utf-8")
    assert done.returncode == 0, done.stderr
    assert f"{4 if safe_path else 6} rows in" in done.stderr
    assert " 0 failed, 0 skipped" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [("check", "brightens:p"), ("run", "--codec", "brightens:p", "--images", "1", "--dry-run")],
    ids=["check", "dry-run"],
)
def test_no_other_command_does(arguments: tuple[str, ...], launch: Launch, hostile: Path) -> None:
    done = launch(*arguments, cwd=hostile)
    assert not (hostile / "TRACE").exists(), (hostile / "TRACE").read_text(encoding="utf-8")
    assert "Traceback" not in done.stderr


def test_nothing_is_imported_from_it_though_python_was_started_with_a_command(
    command: Launch, tmp_path: Path, pair: Path
) -> None:
    """`python -c` looks for modules there first. What the command imports later, and its processes, do not."""
    (tmp_path / "pebble.py").write_text("open('TRACE', 'a').write('pebble')\n", encoding="utf-8")
    done = command("run", "--set", f"folder:{pair}", "--codec", "jpeg:q50", "--corruption", "none", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "TRACE").exists()


GONE = "the current folder has been deleted or moved: change to a folder that exists, and run the command again"


def test_a_command_that_needs_a_folder_that_is_gone_says_so(launch: Launch, tmp_path: Path) -> None:
    gone, there = tmp_path / "gone", tmp_path / "there.sqlite"
    gone.mkdir()
    condition = ("--set", "sample", "--images", "1", "--codec", "jpeg:q50", "--corruption", "none")
    done = launch("run", *condition, "--out", there, cwd=gone, first='rmdir "$PWD";')
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"codecshift: {GONE}\n")
    assert not there.is_file()


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--set", "folder:photos", "--codec", "jpeg:q50"),
        ("run", "--set", "sample", "--codec", "jpeg:q50", "--dry-run", "--out", "{there}"),
        ("leaderboard", "r.sqlite"),
        ("generate", "sample", "--out", "{there}"),
    ],
    ids=["run-a-folder", "dry-run", "leaderboard", "generate"],
)
def test_so_does_every_other_one(
    arguments: tuple[str, ...], here: Launch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, there = tmp_path / "gone", tmp_path / "there.sqlite"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    done = here(*(word.format(there=there) for word in arguments))
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"codecshift: {GONE}\n")
    assert not there.is_file()


def test_a_command_that_needs_no_folder_works_without(launch: Launch, here: Launch, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    done = launch("sets", cwd=tmp_path / "gone", first='rmdir "$PWD";')
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(here("sets").stdout.split(os.linesep)[0])
