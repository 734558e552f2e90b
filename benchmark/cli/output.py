"""What commands print: reports and data on stdout, everything else on stderr."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, NoReturn

import typer

from ..report.sheet import Format

if TYPE_CHECKING:
    from ..report.sheet import Report


def say(line: str) -> None:
    """Print a line on stderr."""
    typer.echo(line, err=True)


def refuse(sentence: str) -> NoReturn:
    """Print a sentence on stderr and end with exit code 2."""
    say(f"codecshift: {sentence}")
    raise SystemExit(2)


def show(report: Report, form: Format = Format.text, *, err: bool = False) -> None:
    """Print a report in a format."""
    from ..report.formats import render

    typer.echo(render(report, form), nl=False, err=err)


def duration(seconds: float) -> str:
    """Return seconds in words: "3 min 20 s"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def speak_utf8() -> None:
    """Write UTF-8 to files and pipes in every locale: readers expect it, and the C locale has no ±."""
    for stream, errors in ((sys.stdout, "surrogateescape"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):  # None where the caller closed it
            if stream.isatty():
                stream.reconfigure(errors="replace")  # a terminal has its own encoding
            else:
                stream.reconfigure(encoding="utf-8", errors=errors)


def flush() -> None:
    """Write buffered output, so that a full disk is reported as an error of the command, not at Python's exit."""
    if sys.stdout is None:  # closed by the caller
        return
    try:
        sys.stdout.flush()
    except OSError:
        drop_stdout()
        raise


def drop_stdout() -> None:
    """Discard output that could not be written: it is still buffered, and Python would write it again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
