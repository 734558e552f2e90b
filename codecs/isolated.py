"""Calls that run in a child process, so that third-party codecs may crash or hang without harm to the caller."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import IO, Any, ParamSpec, TypeVar

from .memory import LEAST_SHARE, resident

Given = ParamSpec("Given")
Back = TypeVar("Back")

_THREADS = ("BLIS", "MKL", "NUMBA", "NUMEXPR", "OMP", "OPENBLAS", "OPJ", "RAYON")
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in _THREADS} | {"VECLIB_MAXIMUM_THREADS": "1"}
"""Environment variables that libraries read on loading, to learn how many threads they may start."""

_START_LIMIT = 60.0  # seconds for the start of the interpreter on a busy machine
_ORPHANED = 10.0  # seconds after the limit when a child ends itself if its parent has not ended it
_FAREWELL = 1.0  # seconds that a child gets to end by itself after its last call
_MOST_HELD = LEAST_SHARE
_SERVE = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from {module} import serve; serve()"


class NoAnswer(Exception):
    """The process of a call died or hung; the message says which, e.g. "its process died of SIGSEGV"."""


class Raised(Exception):
    """A call raised in its process; the message is the exception, e.g. "ValueError: no such file"."""


class Isolated:
    """A child process that runs one call after another; a context manager.

    The process starts at the first call, and is replaced after a call that crashed it, timed out, or left it with much
    memory. Arguments are pickled. Results return as JSON, so that unpickling never imports a plugin here.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def __enter__(self) -> Isolated:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._end(0 if kind else _FAREWELL)  # after an exception such as Ctrl-C, do not wait

    def call(self, function: Callable[Given, Back], *args: Given.args, **kwargs: Given.kwargs) -> Back:
        """Call a function of this package in the child process and return its result as plain data.

        Raises NoAnswer if the process dies or hangs, and Raised if the call raises.
        """
        process = self._process or self._start()
        assert process.stdin is not None  # noqa: S101 - it was started with a pipe
        with contextlib.suppress(OSError):  # if the process has died, `_answer` reports it
            pickle.dump((function, args, kwargs, self.limit + _ORPHANED), process.stdin)
            process.stdin.flush()
        answer = self._answer(process, self.limit)
        if answer["resident"] > _MOST_HELD:  # a leak must not fill the memory call by call
            self._end(_FAREWELL)
        if "raised" in answer:
            raise Raised(answer["raised"])
        value: Back = answer["value"]
        return value

    def _start(self) -> subprocess.Popen[bytes]:
        command = (sys.executable, "-P", "-c", _SERVE.format(module=__name__), json.dumps(search_path()))
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **ONE_THREAD},
            start_new_session=True,  # so that programs started by a codec can be ended with it
        )
        self._process, self._lines = process, queue.SimpleQueue()
        threading.Thread(target=_pass_on, args=(process.stdout, self._lines.put), daemon=True).start()
        self._answer(process, _START_LIMIT)
        return process

    def _answer(self, process: subprocess.Popen[bytes], limit: float) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=limit)
        except queue.Empty:
            # The process may be dead although the pipe is open: a program that it started can keep the pipe open.
            code = process.poll()
            self._end(0)
            raise NoAnswer(ended(code, limit) if code is not None else f"no answer within {limit:g} s") from None
        if not line:
            code = self._end(_FAREWELL)
            raise NoAnswer(ended(code, limit))
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _end(self, patience: float) -> int:
        """End the process and everything it started, and return its exit code."""
        process, self._process = self._process, None
        if process is None:
            return 0
        assert process.stdin is not None  # noqa: S101 - it was started with a pipe
        with contextlib.suppress(OSError):
            process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()
        return process.wait()


def search_path() -> list[str]:
    """Return the module search path of this process, without the current folder that `python -c` puts first."""
    return [str(place) for place in sys.path if place]


def ended(code: int, limit: float) -> str:
    """Return in words how a process ended: by itself, by a signal, or by the alarm after `limit` seconds."""
    if code >= 0:
        return f"its process ended with exit code {code}"
    if -code == getattr(signal, "SIGALRM", None):
        return f"no answer within {limit:g} s"
    return f"its process died of {signal.Signals(-code).name}"


def _pass_on(stream: IO[bytes], put: Callable[[bytes], None]) -> None:
    """Call `put` with each line of a stream, and with b"" at its end."""
    with stream:
        for line in stream:
            put(line)
    put(b"")


def serve() -> None:
    """Run the calls from standard input until it ends; this is the main function of the child process."""
    calls = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # A codec must not print into the answers or read from the calls.
    os.dup2(2, 1)
    with open(os.devnull, encoding="utf-8") as nothing:  # noqa: PTH123 - a file descriptor is wanted
        os.dup2(nothing.fileno(), 0)

    def reply(**answer: object) -> None:
        answers.write(json.dumps(answer | {"resident": resident()}) + "\n")
        answers.flush()

    reply()
    while True:
        try:
            function, args, kwargs, limit = pickle.load(calls)  # noqa: S301 - from the process that started this one
        except EOFError:
            break
        # Usually the parent ends this process after the limit. If the parent was killed, this alarm does.
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, limit)
        try:
            reply(value=function(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - a codec may raise SystemExit and the like
            reply(raised=f"{type(error).__name__}: {error}")
