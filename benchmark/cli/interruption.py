"""Ctrl-C ends the program and every process it started within a second, with exit code 130.

Only the standard library is imported here, because Ctrl-C may come while the commands are being loaded.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

INTERRUPTED = 130
"""The exit code of a program that was ended by Ctrl-C: 128 plus the number of the signal."""

GRACE = 0.6
"""Seconds that an interrupted command has to stop by itself, so that it ends within one second."""

SAVING_GRACE = 60.0
"""The same for a command that saves its work when it is interrupted."""

_grace = GRACE


def save_when_interrupted() -> None:
    """Give this command time to save its work when it is interrupted."""
    global _grace  # noqa: PLW0603 - a process runs one command
    _grace = SAVING_GRACE


@contextlib.contextmanager
def ending_on_ctrl_c() -> Iterator[None]:
    """Raise KeyboardInterrupt on Ctrl-C and SIGTERM, and end the process with exit code 130 in any case.

    Python delivers a signal to the main thread between two of its instructions: while a library computes, that may take
    seconds. Libraries may also turn KeyboardInterrupt into another exception, or swallow it. A separate thread
    therefore receives the signal at once, and ends the process if the main thread does not.
    """
    global _grace  # noqa: PLW0603 - a process runs one command
    _grace = GRACE
    received: list[int] = []

    def interrupt(number: int, _frame: object) -> NoReturn:
        received.append(number)
        raise KeyboardInterrupt

    # Ignored signals stay ignored: under nohup, or in the background of a script, Ctrl-C is not meant for this process.
    numbers = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) is not signal.SIG_IGN]
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    wakeup = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reader, frozenset(numbers)), name="ctrl-c", daemon=True).start()
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    except KeyboardInterrupt:  # raised without a signal
        raise SystemExit(INTERRUPTED) from None
    finally:
        if received:
            _leave()
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup)
        writer.close()
        atexit.register(_end_quickly)


def _watch(reader: socket.socket, numbers: frozenset[signal.Signals]) -> None:
    """End the process some time after one of the signals; return once no more can arrive."""
    with reader:
        while received := reader.recv(1):
            if received[0] in numbers:
                time.sleep(_grace)
                _end_descendants()
                os._exit(INTERRUPTED)


def _leave() -> NoReturn:
    """End the process without waiting for threads or collecting garbage, which takes seconds after some figures."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or None
            stream.flush()
    atexit._run_exitfuncs()
    _end_descendants()
    os._exit(INTERRUPTED)


def _end_quickly() -> None:
    """Let the rest of the process be interrupted without a traceback, and collect no garbage."""
    gc.freeze()
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))


def _end_descendants() -> None:
    """End the processes that this one started, and their descendants, if the system lists them."""
    stopped: list[int] = []
    while new := [process for process in _descendants() if process not in stopped]:
        for process in new:  # a stopped process starts no others
            with contextlib.suppress(OSError):
                os.kill(process, signal.SIGSTOP)
        stopped += new
    for process in stopped:
        with contextlib.suppress(OSError):
            os.kill(process, signal.SIGKILL)


def _descendants() -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            # The program name, in brackets, may contain any character.
            parent = int(entry.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.parent.name))
    family = [os.getpid()]
    for process in family:
        family += children.get(process, [])
    return family[1:]
