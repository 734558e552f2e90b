"""A line per codec point and condition."""

from pathlib import Path

from codecshift.benchmark.report import points
from codecshift.benchmark.report.evidence import Evidence


def test_points_are_a_line_per_cell_of_which_the_first_are_shown(path: Path) -> None:
    (sheet,) = points.report(Evidence.open(path)).sheets
    cells = 3 * (5 + 5 + 2)
    assert len(sheet.lines) == min(cells, points.MOST)
    assert {line[2] for line in sheet.lines} == {2}
