"""Progress on stderr, with the time left: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from .output import duration, say

_SECONDS_BETWEEN_LINES = 15
_SHOWN_SEARCHES = 3


class Progress:
    """The progress of named tasks, counted in `unit`; a context manager."""

    def __init__(self, unit: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self._unit = unit
        self._tasks: dict[str, Any] = {}
        self._first: dict[str, int] = {}
        self._next_line = 0.0
        amount = TextColumn("{task.percentage:>3.0f}%") if unit == "download" else MofNCompleteColumn()
        console = Console(stderr=True)
        self._live = console.is_terminal
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            amount,
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            disable=not self._live,
        )

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def matching(self, done: int, total: int, searches: Sequence[object]) -> None:
        """Show how many of the rows wanted so far are done, and which searches go on."""
        hidden = len(searches) - _SHOWN_SEARCHES
        shown = ", ".join(map(str, searches[:_SHOWN_SEARCHES])) + (f" and {hidden} more" if hidden > 0 else "")
        self.show("matching", done, total, shown)

    def task(self, name: str, done: int, total: int) -> None:
        """Show how far a task is; a total of 0 means unknown."""
        self.show(name, done, total or None, "")

    def show(self, name: str, done: int, total: int | None, note: str) -> None:
        """Show how far a task is, with a note; a total of None means unknown."""
        if self._live:
            if name not in self._tasks:
                self._tasks[name] = self._bar.add_task(name, total=total, note=note)
            self._bar.update(self._tasks[name], completed=done, total=total, note=note)
            return
        now = time.monotonic()
        if name not in self._tasks:
            self._tasks[name] = now
            self._first[name] = done  # what was done before says nothing of the time that is left
            self._next_line = now + _SECONDS_BETWEEN_LINES
        elif now >= self._next_line and done > self._first[name] and total:
            self._next_line = now + _SECONDS_BETWEEN_LINES
            left = (now - self._tasks[name]) * (total - done) / (done - self._first[name])
            say(f"{name}: {done} of {total} {self._unit}, {note + ', ' if note else ''}{duration(left)} left")
