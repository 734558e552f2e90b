"""One model of a table: columns that know how their values are shown, lines of values, and notes beside them."""

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
    """Say whether a value comes with an interval whose ends are known."""
    return not isinstance(value, str | int | float | None) and value.known


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a sheet.

    `form` is the format specification of its numbers, e.g. "+.1f", and `unit` follows them, e.g. " dB".
    """

    name: str
    side: Literal["left", "right"] = "left"
    form: str = ""
    unit: str = ""

    def show(self, value: Value) -> str:
        """Return a value as readers see it: "-" for a number that is not known, "" for None."""
        if value is None or isinstance(value, str):
            return value or ""
        number = value if isinstance(value, int | float) else value.estimate
        return "-" if math.isnan(number) else f"{number:{self.form}}{self.unit}"

    def margin(self, value: Value) -> str:
        """Return half the interval of a value, "±1.5%", or "" where it has none."""
        return f"±{value.margin:{self.form.lstrip('+')}}{self.unit}" if has_interval(value) else ""

    def ends(self, value: Value) -> str:
        """Return a value followed by the ends of its interval where it has one: "+2.0% [+0.5%, +3.5%]"."""
        ends = f" [{self.show(value.low)}, {self.show(value.high)}]" if has_interval(value) else ""
        return self.show(value) + ends


def number(name: str, form: str = "", unit: str = "") -> Column:
    """Return a column of numbers, which stands to the right."""
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
    """What a command prints: sheets for readers, and for programs the same with every digit.

    `records` are the lines of the CSV, by default those of the sheets; `document` is what the JSON holds, by default
    the records.
    """

    sheets: Sequence[Sheet]
    records: Sequence[Mapping[Any, Any]] | None = None
    document: Any = None
