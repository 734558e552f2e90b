"""Ctrl-C ends every command with exit code 130 wherever it is, and nothing that it started goes on."""

import os
import select
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

Start = Callable[..., "subprocess.Popen[str]"]
Command = Callable[..., "subprocess.CompletedProcess[str]"]

AT_A_CALL = """
import functools, os, signal, sys
module, _, function = os.environ["INTERRUPT_AT"].partition(":")
def interrupted(original):
    @functools.wraps(original)
    def call(*arguments, **options):
        os.kill(os.getpid(), signal.SIGINT)
        return original(*arguments, **options)
    return call
class Watching:
    def find_spec(self, name, path=None, target=None):
        if name != module:
            return None
        sys.meta_path.remove(self)
        if function == "<module>":
            os.kill(os.getpid(), signal.SIGINT)
        import importlib.util
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module
        def loaded(made):
            load(made)
            for owner in (made, *(value for value in vars(made).values() if isinstance(value, type))):
                if function in vars(owner):
                    setattr(owner, function, interrupted(vars(owner)[function]))
        spec.loader.exec_module = loaded
        return spec
if "-P" not in sys.orig_argv and "-B" not in sys.orig_argv:  # not in the processes that a command starts
    sys.meta_path.insert(0, Watching())
"""
"""A sitecustomize that sends its process Ctrl-C when a function is called, "<module>" for the import of a module."""

DEAF = """
import os, subprocess, sys, time, types
commands = types.ModuleType("codecshift.benchmark.cli.app")
def run():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"], start_new_session=True)
    while True:
        try:
            print("working", flush=True)
            time.sleep(1000)
        except BaseException:
            pass
commands.run = run
sys.modules[commands.__name__] = commands
from codecshift.benchmark.cli import main
main()
"""
"""A command that swallows every exception, in a library or a plugin, and waits for a process."""

PACKAGE = "codecshift."
MOMENTS: Mapping[str, tuple[Sequence[str], str]] = {
    "loading": (["sets"], "benchmark.cli.app:<module>"),
    "loading-a-library": (["corruptions"], "corruptions.table:<module>"),
    "rows": (["rows", "FILE"], "benchmark.store.reading:read"),
    "leaderboard": (["leaderboard", "FILE"], "analysis.ranking.contest:resampled_ratings"),
    "claims": (["claims", "FILE"], "analysis.claims.records:<module>"),
    "spectra": (["spectra", "FILE"], "benchmark.report.evidence:open"),
    "figures-codec": (["figures", "FILE", "--data-dir", "DIR", "--only", "reconstructions"], "codecs.pillow:encode"),
    "figures": (["figures", "FILE", "--only", "rd-clean"], "benchmark.report.figures:save"),
    "export": (["export", "FILE", "out"], "benchmark.store.files:write_together"),
    "merge": (["merge", "FILE", "--out", "merged.sqlite"], "benchmark.store.merging:merge"),
    "run": (["run", "--codec", "jpeg"], "benchmark.measure.pools.processes:flown"),
    "dry-run": (["run", "--codec", "jpeg", "--dry-run"], "benchmark.measure.pools.processes:flown"),
    "match": (["run", "--codec", "jpeg", "--match", "bpp=1"], "benchmark.measure.pools.processes:flown"),
    "heatmap": (["heatmap", "--of", "2"], "benchmark.measure.pools.processes:flown"),
    "download": (["run", "--set", "kodak", "--download"], "requests.api:get"),
    "generate": (["generate", "sample-c", "--out", "out"], "benchmark.measure.pools.processes:flown"),
    "codecs": (["codecs"], "codecs.isolated:_answer"),
    "doctor": (["doctor"], "codecs.isolated:_answer"),
    "check": (["check", "jpeg:q50"], "codecs.isolated:_answer"),
    "corruptions": (["corruptions", "--measure", "sample"], "benchmark.sets.bands:measure"),
}
"""A command and the call during which Ctrl-C reaches it."""
LIKE_ANOTHER = {"claims", "spectra", "leaderboard", "dry-run", "match", "heatmap", "doctor"}
"""Those that read as `rows` does, or wait for processes as `run` and `codecs` do."""


@pytest.fixture
def mark() -> Iterator[dict[str, str]]:
    """A variable of the environment by which everything that a command started is found; at the end nothing is left."""
    mark = {"COMMAND_MARK": uuid.uuid4().hex}
    yield mark
    for process in marked(mark):
        os.kill(process, signal.SIGKILL)


def marked(mark: Mapping[str, str]) -> list[int]:
    """Return the processes with a mark in their environment."""
    ((name, value),) = mark.items()
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            environment = entry.read_bytes()
        except OSError:
            continue
        if f"{name}={value}\0".encode() in environment:
            found.append(int(entry.parent.name))
    return found


def ends(mark: Mapping[str, str]) -> bool:
    """Say whether all processes with a mark end by themselves: those of multiprocessing see the end of their parent."""
    for process in marked(mark):
        try:
            descriptor = os.pidfd_open(process)
        except ProcessLookupError:
            continue
        with os.fdopen(descriptor):
            poll = select.poll()
            poll.register(descriptor)
            if not poll.poll(5000):
                return False
    return True


@pytest.mark.needs("proc")
@pytest.mark.parametrize(
    ("arguments", "moment"),
    [
        pytest.param(*case, id=name, marks=pytest.mark.needs("slow") if name in LIKE_ANOTHER else ())
        for name, case in MOMENTS.items()
    ],
)
def test_ctrl_c_ends_every_command(
    arguments: Sequence[str],
    moment: str,
    mark: dict[str, str],
    measured: Path,
    pair: Path,
    tmp_path: Path,
    environment: dict[str, str],
    command: Command,
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(AT_A_CALL, encoding="utf-8")
    at = moment if moment.startswith("requests") else PACKAGE + moment
    names = {"FILE": str(measured), "DIR": str(pair.parent)}
    done = command(
        *(names.get(argument, argument) for argument in arguments),
        cwd=tmp_path,
        env={**mark, "INTERRUPT_AT": at, "PYTHONPATH": str(tmp_path / "site")},
    )
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert ends(mark)


@pytest.mark.needs("proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminate"])
def test_a_command_that_swallows_ctrl_c_is_ended_with_all_that_it_started(
    number: signal.Signals, mark: dict[str, str], environment: dict[str, str]
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", DEAF], stdout=subprocess.PIPE, encoding="utf-8", env=environment | mark
    )
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == "working\n"
        process.send_signal(number)
        assert process.wait(30) == 130
    assert ends(mark)


def test_a_command_that_ignores_ctrl_c_goes_on_ignoring_it(environment: dict[str, str]) -> None:
    """A script that starts a command in its background, or nohup, has it ignore Ctrl-C."""
    program = (
        "import os, signal, sys, types\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "commands = types.ModuleType('codecshift.benchmark.cli.app')\n"
        "commands.run = lambda: os.kill(os.getpid(), signal.SIGINT)\nsys.modules[commands.__name__] = commands\n"
        "from codecshift.benchmark.cli import main\nmain()\n"
    )
    done: Any = subprocess.run([sys.executable, "-c", program], env=environment, check=False)
    assert done.returncode == 0
