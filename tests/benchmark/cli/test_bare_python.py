"""What a system or a build of Python lacks is told in one sentence, with what to do about it, and exit code 2."""

import importlib
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from codecshift.benchmark.cli import errors

Command = Callable[..., "subprocess.CompletedProcess[str]"]

BLOCKED = """
import sys
class Lacking:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Lacking())
sys.modules.pop({name!r}, None)
"""
RUN = ("run", "--codec", "jpeg", "--images", "1", "--corruption", "frost", "--severity", "3", "--jobs", "1")


def without(folder: Path, name: str) -> dict[str, str]:
    """Return the environment of a Python that was built without an extension module."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(BLOCKED.format(name=name), encoding="utf-8")
    return {"PYTHONPATH": str(folder)}


@pytest.mark.parametrize("module", ["_sqlite3", "_lzma", "_bz2", "_ctypes", "_ssl"])
def test_a_python_without_a_module_does_without_or_says_so(module: str, tmp_path: Path, command: Command) -> None:
    done = command(*RUN, cwd=tmp_path, env=without(tmp_path / "site", module))
    assert "Traceback" not in done.stderr
    if done.returncode:
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert f"was built without its module {module[1:]}: use another Python" in done.stderr
    if module == "_sqlite3":  # nothing goes without
        assert done.returncode == 2


def test_a_library_the_system_lacks_is_named(tmp_path: Path, command: Command) -> None:
    (tmp_path / "site" / "cv2").mkdir(parents=True)
    cannot = "libGL.so.1: cannot open shared object file: No such file or directory"
    (tmp_path / "site" / "cv2" / "__init__.py").write_text(f"raise ImportError({cannot!r})\n", encoding="utf-8")
    done = command(*RUN, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path / "site")})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("codecshift: OpenCV needs libGL.so.1, which this system lacks, because ")
    assert "--no-deps opencv-python-headless" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            ImportError("libfoo.so.2: cannot open shared object file: No such file or directory", name="numpy"),
            "this system lacks libfoo.so.2, which numpy needs: install the package that provides it",
        ),
        (
            ModuleNotFoundError("No module named 'pandas'", name="pandas"),
            "pandas cannot be loaded (No module named 'pandas'): install codecshift again, pip install -c "
            "constraints.txt .",
        ),
    ],
    ids=["library", "package"],
)
def test_each_kind_of_import_error_has_a_way_out(error: ImportError, sentence: str) -> None:
    assert errors.unloadable(error) == sentence


@pytest.mark.parametrize("name", ["codecshift.benchmark.nowhere", None])
def test_a_fault_of_our_own_keeps_its_traceback(name: str | None) -> None:
    assert errors.unloadable(ImportError("cannot import name 'x'", name=name)) == ""


@pytest.mark.parametrize("name", errors.FORESEEN)
def test_an_error_meant_for_users_is_told_without_importing_anything(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, _, kind = name.rpartition(".")
    raised: type[Exception] = getattr(importlib.import_module(f"codecshift.{module}"), kind)
    error = raised.__new__(raised)  # without its arguments, which differ

    def refuse(*_: object) -> None:
        raise AssertionError("something was imported to tell of an error")

    monkeypatch.setattr("builtins.__import__", refuse)
    foreseen = errors.foreseen(error)
    monkeypatch.undo()
    assert foreseen
    assert not errors.foreseen(RuntimeError("a fault of ours"))
    assert sys.modules[f"codecshift.{module}"]


def test_a_process_with_nothing_set_prints_the_same(
    tmp_path: Path, environment: dict[str, str], command: Command
) -> None:
    """No HOME, no locale, no terminal, no temporary folder, few files, files of one's own alone, no standard input."""
    arguments = ("run", "--codec", "jpeg", "--images", "1", "--corruption", "none", "--corruption", "frost")
    plain = command(*arguments, cwd=tmp_path, env={"COLUMNS": "80"})
    assert plain.returncode == 0, plain.stderr
    bare = tmp_path / "bare folder"
    bare.mkdir()
    code = "from codecshift.benchmark.cli import main; main()"
    start = shlex.join((sys.executable, "-c", code, *arguments))
    launch = f"umask 077; ulimit -n 256; exec {start} <&-"
    done = subprocess.run(
        ("/bin/sh", "-c", launch),
        cwd=bare,
        env={
            "PATH": "/nowhere",
            "PYTHONPATH": environment["PYTHONPATH"],
            "LC_ALL": "C",
            "PYTHONCOERCECLOCALE": "0",
            "PYTHONUTF8": "0",
            "TERM": "dumb",
            "TMPDIR": "/nowhere",
        },
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [file.name for file in bare.iterdir()] == ["quick.sqlite"]
    assert done.stdout.decode("utf-8") == plain.stdout
