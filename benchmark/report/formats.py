"""The formats of a report: text for a terminal, Markdown, CSV, JSON, LaTeX (booktabs) and HTML."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import Any

from .sheet import Column, Format, Report, Sheet, Value, has_interval

WIDTH = 100
"""The width of text output in characters."""
WIDEST = 110
"""A table between WIDTH and this width is printed as it is; in a wider one, cells are broken to fit WIDTH."""

_SHORTEST_NAME = 12  # names in a narrower column are folded anywhere, not only at hyphens


def render(report: Report, form: Format) -> str:
    """Return a report in a format, ending in a newline: the records as csv or json, the sheets in all other formats.

    Columns without a value in any line are left out of a sheet.
    """
    if form is Format.csv:
        return _as_csv(report)
    if form is Format.json:
        return _as_json(report)
    return "\n".join(_SHEET_AS[form](_without_empty_columns(sheet)) for sheet in report.sheets)


def _without_empty_columns(sheet: Sheet) -> Sheet:
    """Return a sheet without the columns that have no value in any line; a sheet without lines keeps all columns."""
    places = [
        place
        for place, column in enumerate(sheet.columns)
        if not sheet.lines or any(column.show(line[place]) not in {"", "-"} for line in sheet.lines)
    ]
    lines = [[line[place] for place in places] for line in sheet.lines]
    return replace(sheet, columns=[sheet.columns[place] for place in places], lines=lines)


# --- data


def _as_csv(report: Report) -> str:
    """Return the records as CSV; unknown values are empty."""
    records = list(_records(report))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(records[0]) if records else [], lineterminator="\n")
    writer.writeheader()
    for record in records:
        writer.writerow({name: None if _is_nan(value) else value for name, value in record.items()})
    return buffer.getvalue()


def _as_json(report: Report) -> str:
    """Return the document as JSON; numbers that are unknown or not finite are null."""
    document = list(_records(report)) if report.document is None else report.document
    return json.dumps(_finite(document), indent=2, default=lambda value: value.item()) + "\n"


def _records(report: Report) -> Iterator[Mapping[str, Any]]:
    if report.records is not None:
        yield from report.records
        return
    for sheet in report.sheets:
        for line in sheet.lines:
            yield {column.name: value for column, value in zip(sheet.columns, line, strict=True)}


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _finite(value: Any) -> Any:
    """Return a document with None in place of infinities and NaN, which JSON does not have."""
    if isinstance(value, Mapping):
        return {str(name): _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _wrapped(note: str) -> list[str]:
    """Return a note wrapped to WIDTH; a command at its end is not wrapped, so that it can be copied.

    The command follows a sentence of one line, so that a search for a name finds both, and otherwise has its own line.
    """
    prose, colon, command = note.partition(": codecshift ")
    lines = textwrap.wrap(f"{prose}:" if colon else prose, WIDTH)
    if not colon:
        return lines
    return [f"{lines[0]} codecshift {command}"] if len(lines) == 1 else [*lines, f"    codecshift {command}"]


def _cells(sheet: Sheet, show: Callable[[Column, Value], str]) -> list[list[str]]:
    return [[show(column, value) for column, value in zip(sheet.columns, line, strict=True)] for line in sheet.lines]


# --- text


def _sheet_as_text(sheet: Sheet) -> str:
    lines: list[list[str]] = []
    for values in sheet.lines:
        pairs = list(zip(sheet.columns, values, strict=True))
        lines.append([column.show(value) for column, value in pairs])
        if any(has_interval(value) for value in values):
            lines.append([column.margin(value) for column, value in pairs])
    notes = [line for note in sheet.notes for line in _wrapped(note)]
    return "\n".join([*textwrap.wrap(sheet.title, WIDTH), *_drawn(sheet.columns, lines), *notes]).strip("\n") + "\n"


def _drawn(columns: Sequence[Column], lines: Sequence[Sequence[str]]) -> list[str]:
    from rich import box  # noqa: PLC0415 - the command line starts without it
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0)
    for column in columns:
        table.add_column(column.name, justify=column.side, overflow="fold")
    cells = [[column.name for column in columns], *lines]
    fits = _natural_width(cells) <= WIDEST
    for line in (cells if fits else _broken_at_hyphens(cells))[1:]:
        table.add_row(*line)
    console = Console(width=WIDEST if fits else WIDTH, highlight=False, markup=False)
    with console.capture() as capture:
        console.print(table)
    return [line.rstrip() for line in capture.get().splitlines()]


def _widths(columns: Iterable[Iterable[str]]) -> list[int]:
    """Return the width of each column, which is that of the longest line of its cells."""
    return [max((len(part) for cell in column for part in cell.splitlines()), default=0) for column in columns]


def _natural_width(lines: Sequence[Sequence[str]]) -> int:
    """Return the width of a table without any broken cell: a space is between columns, and one is on each side."""
    widths = _widths(zip(*lines, strict=True))
    return sum(widths) + len(widths) + 1


def _broken_at_hyphens(lines: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return the lines; if the table is too wide, the names in its widest column are broken at hyphens."""
    columns = [list(column) for column in zip(*lines, strict=True)]
    widths = _widths(columns)
    room = max(widths) - (_natural_width(lines) - WIDTH)
    names = columns[widths.index(max(widths))]
    if _SHORTEST_NAME <= room < max(widths) and not any(" " in name for name in names):
        names[:] = ["\n".join(textwrap.wrap(name, room)) for name in names]
    return [list(line) for line in zip(*columns, strict=True)]


# --- markup


def _sheet_as_markdown(sheet: Sheet) -> str:
    rules = ["---:" if column.side == "right" else ":---" for column in sheet.columns]
    table = [[column.name for column in sheet.columns], rules, *_cells(sheet, Column.ends)]
    head = [f"**{_plain(sheet.title)}**", ""] if sheet.title else []
    notes = [line for note in sheet.notes for line in ("", _plain(note))]
    return "\n".join([*head, *map(_bar, table), *notes]) + "\n"


def _bar(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_plain(cell).replace('|', chr(92) + '|') for cell in cells)} |"


def _plain(text: str) -> str:
    """Return text on one line with "<" escaped, so that Markdown does not read it as HTML."""
    return text.replace("<", "&lt;").replace("\n", " ")


def _tabulated(sheet: Sheet, form: str) -> str:
    from tabulate import tabulate  # noqa: PLC0415 - the command line starts without it

    headings, sides = zip(*((column.name.replace("\n", " "), column.side) for column in sheet.columns), strict=True)
    cells = _cells(sheet, Column.ends)
    return str(tabulate(cells, headings, tablefmt=form, disable_numparse=True, colalign=sides if cells else None))


def _sheet_as_latex(sheet: Sheet) -> str:
    caption = [rf"\caption{{{_escaped_for_latex(sheet.title)}}}"] if sheet.title else []
    notes = [rf"\par\footnotesize {_escaped_for_latex(note)}" for note in sheet.notes]
    return "\n".join([r"\begin{table}", *caption, _tabulated(sheet, "latex_booktabs"), *notes, r"\end{table}"]) + "\n"


def _escaped_for_latex(text: str) -> str:
    """Return prose as LaTeX, escaped by the same rules as cells."""
    from tabulate import LATEX_ESCAPE_RULES  # noqa: PLC0415

    return "".join(LATEX_ESCAPE_RULES.get(letter, letter) for letter in text)


def _sheet_as_html(sheet: Sheet) -> str:
    caption = f"\n<caption>{escape(sheet.title)}</caption>" if sheet.title else ""
    padded = _tabulated(sheet, "html").replace("<table>", f"<table>{caption}", 1)
    table = re.sub(r"(<t[dh][^>]*>) *(.*?) *(</t[dh]>)", r"\1\2\3", padded)
    return "\n".join([table, *(f"<p>{escape(note)}</p>" for note in sheet.notes)]) + "\n"


_SHEET_AS: Mapping[Format, Callable[[Sheet], str]] = {
    Format.text: _sheet_as_text,
    Format.markdown: _sheet_as_markdown,
    Format.latex: _sheet_as_latex,
    Format.html: _sheet_as_html,
}
