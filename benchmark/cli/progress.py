"""Progress on stderr with the time left: a bar on a terminal, otherwise an occasional line."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .output import duration, say

SILENCE = 2.5
"""Seconds after which a command that is still running prints what it is doing."""

_SECONDS_BETWEEN_LINES = 15
_SHOWN_SEARCHES = 3


@dataclass(slots=True)
class _Task:
    """How far a task is, for lines; the time left ignores the `first` parts, which were done before it began."""

    name: str
    began: float
    first: int
    done: int
    total: int | None
    note: str

    def line(self, unit: str) -> str:
        parts = [f"{self.done} of {self.total} {unit}"] if self.total else []
        parts += [self.note] if self.note else []
        if self.total and self.done > self.first:
            elapsed = time.monotonic() - self.began
            parts.append(f"{duration(elapsed * (self.total - self.done) / (self.done - self.first))} left")
        return f"{self.name}: {', '.join(parts)}" if parts else f"{self.name} ..."


class Progress:
    """The progress of named tasks, counted in `unit`; a context manager.

    Until the first task is reported, `preparing` says what is happening.
    """

    def __init__(self, unit: str, preparing: str = "") -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self._unit = unit
        self._bars: dict[str, Any] = {}
        self._task = _Task(preparing, time.monotonic(), 0, 0, None, "") if preparing else None
        self._ended = threading.Event()
        self._lines = threading.Thread(target=self._say_lines, name="progress", daemon=True)
        amount = TextColumn("{task.percentage:>3.0f}%") if unit == "download" else MofNCompleteColumn()
        console = Console(stderr=True)
        self._live = console.is_terminal
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            *([amount] if unit else []),
            TimeElapsedColumn(),
            *([TextColumn("left"), TimeRemainingColumn()] if unit else []),
            TextColumn("{task.fields[note]}"),
            console=console,
            disable=not self._live,
            transient=not unit,
        )

    def __enter__(self) -> Progress:
        self._bar.start()
        if self._task:
            self.show(self._task.name, 0, None, "")
        if not self._live:
            self._lines.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._bar.stop()
        if not self._live:
            self._lines.join()

    def matching(self, done: int, total: int, searches: Sequence[object]) -> None:
        """Show how many of the rows requested so far are done, and which searches are running."""
        hidden = len(searches) - _SHOWN_SEARCHES
        shown = ", ".join(map(str, searches[:_SHOWN_SEARCHES])) + (f" and {hidden} more" if hidden > 0 else "")
        self.show("matching", done, total, shown)

    def task(self, name: str, done: int, total: int) -> None:
        """Show how far a task is; a total of 0 means unknown."""
        self.show(name, done, total or None, "")

    def show(self, name: str, done: int, total: int | None, note: str) -> None:
        """Show how far a task is, with a note; a total of None means unknown."""
        if self._live:
            if name not in self._bars:
                if self._bars and self._task and self._task.total is None:
                    self._bar.update(self._bars[self._task.name], visible=False)  # the preparation is over
                self._bars[name] = self._bar.add_task(name, total=total, note=note)
            self._bar.update(self._bars[name], completed=done, total=total, note=note)
        current = self._task
        if current is None or current.name != name:
            self._task = _Task(name, time.monotonic(), done, done, total, note)
        else:
            current.done, current.total, current.note = done, total, note

    def _say_lines(self) -> None:
        """Print how far the current task is: first after SILENCE, then at longer intervals, until it ends."""
        pause: float = SILENCE
        while not self._ended.wait(pause):
            if self._task and (self._task.total is None or self._task.done < self._task.total):
                say(self._task.line(self._unit))
                pause = _SECONDS_BETWEEN_LINES


@contextlib.contextmanager
def working(name: str) -> Iterator[None]:
    """Print what is being done, for work without countable parts, if it takes longer than a moment."""
    with Progress("", name):
        yield
