"""Whatever a call does to its process, the next one is answered."""

import ctypes
import operator
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from codecshift.codecs import isolated
from codecshift.codecs.isolated import Isolated, NoAnswer, Raised, ended
from codecshift.codecs.registry import find

WORDS = "import sys, os, subprocess, time\n"


def test_a_call_returns_what_the_function_returns() -> None:
    with Isolated(30) as child:
        assert child.call(max, [3, 5]) == 5
        assert child.call(operator.attrgetter("name"), find("jpeg")[0]) == "jpeg"
        assert child.call(dict, a=[1, None, "ü", 0.5]) == {"a": [1, None, "ü", 0.5]}


def test_all_calls_are_worked_by_one_process_that_is_not_this_one() -> None:
    with Isolated(30) as child:
        first = child.call(os.getpid)
        assert first != os.getpid()
        assert child.call(os.getpid) == first
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)


def test_no_process_is_started_where_nothing_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subprocess.Popen", None)
    with Isolated(30):
        pass


def test_the_path_of_imports_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    with Isolated(30) as child:
        assert child.call(eval, "__import__('sys').path") == sys.path  # noqa: S307 - our own code


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("sys.exit(3)", "SystemExit: 3"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt: "),
    ],
    ids=["exception", "sys.exit", "interrupt"],
)
def test_what_is_raised_is_told(code: str, told: str) -> None:
    with Isolated(30) as child:
        first = child.call(os.getpid)
        with pytest.raises(Raised) as caught:
            child.call(exec, WORDS + code)
        assert str(caught.value) == told
        assert child.call(os.getpid) == first


@pytest.mark.parametrize(
    ("function", "argument", "told"),
    [
        (ctypes.string_at, 0, "its process died of SIGSEGV"),
        (os._exit, 3, "its process ended with exit code 3"),
        (os._exit, 0, "its process ended with exit code 0"),
        (signal.raise_signal, signal.SIGKILL, "its process died of SIGKILL"),
        (exec, WORDS + "while True: pass", "no answer within 0.5 s"),
    ],
    ids=["segfault", "exit", "exit-0", "killed", "hangs"],
)
def test_a_process_that_dies_or_hangs_is_told_and_replaced(function: object, argument: object, told: str) -> None:
    with Isolated(0.5) as child:
        first = child.call(os.getpid)
        with pytest.raises(NoAnswer) as caught:
            child.call(function, argument)  # type: ignore[arg-type]
        assert str(caught.value) == told
        assert child.call(os.getpid) != first


def test_what_is_printed_is_no_answer_and_there_is_nothing_to_read() -> None:
    with Isolated(30) as child:
        child.call(print, "a line")
        child.call(os.write, 1, b"another\n")
        child.call(exec, "import subprocess; subprocess.run(['echo', 'a third'])")
        assert child.call(eval, "__import__('sys').stdin.read()") == ""  # noqa: S307 - our own code


def test_programs_that_a_call_started_end_with_their_process(tmp_path: Path) -> None:
    """One of them holds the pipe of answers open: it must not be waited for."""
    pid = tmp_path / "pid"
    program = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    fork = f"if os.fork() == 0:\n    exec({program!r})\n"
    with Isolated(2) as child, pytest.raises(NoAnswer, match=r"^its process ended with exit code 5$"):
        child.call(exec, f"{WORDS}{fork}while not os.path.exists({str(pid)!r}): pass\nos._exit(5)")
    deadline = time.monotonic() + 10
    while is_running(int(pid.read_text(encoding="utf-8"))) and time.monotonic() < deadline:
        pass
    assert not is_running(int(pid.read_text(encoding="utf-8")))


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


ORPHANED = """
import os, sys
from codecshift.codecs import isolated
isolated._ORPHANED = 0
child = isolated.Isolated(1)
print(child.call(os.getpid), flush=True)
child._answer = lambda *_: os._exit(0)
child.call(exec, "while True: pass")
"""


def test_what_hangs_does_not_outlive_a_caller_that_was_killed() -> None:
    done = subprocess.run((sys.executable, "-c", ORPHANED), capture_output=True, encoding="utf-8", check=True)
    deadline = time.monotonic() + 10
    while is_running(int(done.stdout)) and time.monotonic() < deadline:
        pass
    assert not is_running(int(done.stdout))


def test_a_process_left_with_much_memory_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "_MOST_HELD", 200 * 2**20)
    with Isolated(30) as child:
        first = child.call(os.getpid)
        child.call(exec, "import sys; sys.kept = b'x' * (100 * 2**20)")
        assert child.call(os.getpid) == first
        child.call(exec, "import sys; sys.kept = b'x' * (300 * 2**20)")
        assert child.call(os.getpid) != first


def test_what_it_returns_must_be_plain() -> None:
    with Isolated(30) as child:
        with pytest.raises(Raised, match="TypeError: Object of type set is not JSON serializable"):
            child.call(set, [1])
        assert child.call(max, [3, 5]) == 5


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "its process ended with exit code 0"),
        (-signal.SIGSEGV, "its process died of SIGSEGV"),
        (-signal.SIGALRM, "no answer within 2.5 s"),
    ],
)
def test_the_words_for_an_end(code: int, words: str) -> None:
    assert ended(code, 2.5) == words


def test_libraries_start_one_thread_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    with Isolated(30) as child:
        assert child.call(os.getenv, "OMP_NUM_THREADS") == "1"
    assert os.environ["OMP_NUM_THREADS"] == "4"


def test_no_module_of_the_current_folder_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sched.py").write_text("raise RuntimeError('code of the current folder ran')\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")  # as in an interactive session, or by `python -c`
    with Isolated(30) as child:
        child.call(exec, "import sched")
