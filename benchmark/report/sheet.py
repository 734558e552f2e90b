"""The model of a table: columns that format their values, lines of values, and notes below them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeGuard

if TYPE_CHECKING:
    from ...analysis.statistics import Interval

Value: TypeAlias = "str | int | float | Interval | None"


class Format(StrEnum):
    """The formats that a report can be printed in."""

    text = "text"
    markdown = "markdown"
    csv = "csv"
    json = "json"
    latex = "latex"
    html = "html"


def has_interval(value: Value) -> TypeGuard[Interval]:
    """Return whether a value has an interval with known ends."""
    return not isinstance(value, str | int | float | None) and value.known


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a sheet.

    `form` is the format specification of its numbers, e.g. "+.1f", and `unit` follows them, e.g. " dB". A line break in
    `name` breaks the heading in text only.
    """

    name: str
    side: Literal["left", "right"] = "left"
    form: str = ""
    unit: str = ""

    def show(self, value: Value) -> str:
        """Return a value as text: "-" for an unknown number (NaN), "" for None."""
        if value is None or isinstance(value, str):
            return value or ""
        number = value if isinstance(value, int | float) else value.estimate
        return "-" if math.isnan(number) else f"{number:{self.form}}{self.unit}"

    def margin(self, value: Value) -> str:
        """Return half the width of a value's interval, e.g. "±1.5%", or "" if it has none."""
        return f"±{value.margin:{self.form.lstrip('+')}}{self.unit}" if has_interval(value) else ""

    def ends(self, value: Value) -> str:
        """Return a value and the ends of its interval, if it has one: "+2.0% [+0.5%, +3.5%]"."""
        ends = f" [{self.show(value.low)}, {self.show(value.high)}]" if has_interval(value) else ""
        return self.show(value) + ends


def number(name: str, form: str = "", unit: str = "") -> Column:
    """Return a right-aligned column of numbers."""
    return Column(name, "right", form, unit)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table for readers: each line has a value for each column."""

    columns: Sequence[Column]
    lines: Sequence[Sequence[Value]]
    title: str = ""
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What a command prints: sheets for readers, and the same data in full precision for programs.

    `records` are the lines of the CSV, by default those of the sheets. `document` is the content of the JSON, by
    default the records.
    """

    sheets: Sequence[Sheet]
    records: Sequence[Mapping[Any, Any]] | None = None
    document: Any = None
