"""Every format of a report holds the same cells, and each is valid by an independent reader of it."""

import csv
import io
import json
import math
import xml.etree.ElementTree as ET
from dataclasses import dataclass

import pytest
from codecshift.benchmark.report.formats import WIDEST, WIDTH, render
from codecshift.benchmark.report.sheet import Column, Format, Report, Sheet, number


@dataclass
class Ranged:
    estimate: float
    low: float
    high: float

    @property
    def known(self) -> bool:
        return math.isfinite(self.low)

    @property
    def margin(self) -> float:
        return (self.high - self.low) / 2


SHEET = Sheet(
    (Column("codec"), number("rate", "+.1f", "%"), number("n"), Column("a|b & <c>_d")),
    [
        ("jpeg", Ranged(12.34, 10, 14), 24, "50 % of $x | y"),
        ("webp", Ranged(-3.0, math.nan, math.nan), None, "<b> & \\"),
        ("none", math.nan, 0, ""),
    ],
    "Kodak & <friends>: 24 images",
    ["First note, with 5 % and a_b.", "Second " + "note " * 40],
)
REPORT = Report([SHEET])
CELLS = [
    ["jpeg", "+12.3% [+10.0%, +14.0%]", "24", "50 % of $x | y"],
    ["webp", "-3.0%", "", "<b> & \\"],
    ["none", "-", "0", ""],
]


def test_text_fits_and_has_half_an_interval_below_its_number() -> None:
    lines = render(REPORT, Format.text).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert lines[0] == SHEET.title
    (place,) = (at for at, line in enumerate(lines) if line.split()[:1] == ["jpeg"])
    assert lines[place].split()[1:3] == ["+12.3%", "24"]
    assert lines[place + 1].split() == ["±2.0%"]
    assert lines[place + 2].split()[:2] == ["webp", "-3.0%"]
    assert "First note, with 5 % and a_b." in lines


def test_markdown_has_a_cell_for_each_value() -> None:
    lines = render(REPORT, Format.markdown).splitlines()
    assert lines[:2] == ["**Kodak & &lt;friends>: 24 images**", ""]
    assert lines[-4:] == ["", SHEET.notes[0], "", SHEET.notes[1]]
    table = [line.strip("|").replace("\\|", "\0").split("|") for line in lines if line.startswith("|")]
    cells = [[cell.strip().replace("\0", "|").replace("&lt;", "<") for cell in line] for line in table]
    assert cells[0] == [column.name for column in SHEET.columns]
    assert cells[1] == [":---", "---:", "---:", ":---"]
    assert cells[2:] == CELLS


def test_html_is_a_plain_table() -> None:
    tree = ET.fromstring(f"<body>{render(REPORT, Format.html)}</body>")  # noqa: S314 - it is ours
    (table,) = tree.findall("table")
    assert table.findtext("caption") == SHEET.title
    assert [cell.text for cell in table.findall("thead/tr/th")] == [column.name for column in SHEET.columns]
    rows = [[cell.text or "" for cell in line] for line in table.findall("tbody/tr")]
    assert rows == CELLS
    assert [note.text for note in tree.findall("p")] == list(SHEET.notes)


def test_latex_is_a_table_of_booktabs() -> None:
    text = render(REPORT, Format.latex)
    assert r"\caption{Kodak \& " in text
    assert all(rule in text for rule in (r"\toprule", r"\midrule", r"\bottomrule", r"\begin{tabular}{lrrl}"))
    (line,) = (line for line in text.splitlines() if line.strip().startswith("jpeg"))
    assert line.split("&")[1].strip() == r"+12.3\% [+10.0\%, +14.0\%]"
    assert r"50 \% of \$x" in line
    assert r"with 5 \% and a\_b." in text


def test_csv_and_json_are_the_records_and_the_document() -> None:
    records = [{"codec": "jpeg", "rate": 0.1 + 0.2, "n": None}, {"codec": "webp", "rate": math.nan, "n": 3}]
    report = Report([SHEET], records, {"entries": records, "end": math.inf})
    first, second = csv.DictReader(io.StringIO(render(report, Format.csv)))
    assert first == {"codec": "jpeg", "rate": "0.30000000000000004", "n": ""}
    assert second == {"codec": "webp", "rate": "", "n": "3"}
    document = json.loads(render(report, Format.json))
    assert document == {"entries": [records[0], {**records[1], "rate": None}], "end": None}


def test_a_sheet_alone_is_its_own_data() -> None:
    report = Report([Sheet((Column("set"), number("images")), [("kodak", 24), ("sample", 4)])])
    assert render(report, Format.csv) == "set,images\nkodak,24\nsample,4\n"
    assert json.loads(render(report, Format.json)) == [{"set": "kodak", "images": 24}, {"set": "sample", "images": 4}]


@pytest.mark.parametrize("needed", ["spectra", "spectra " * 20])
def test_a_command_at_the_end_of_a_note_is_on_one_line(needed: str) -> None:
    command = "codecshift run --set kodak --spectra " + "--codec jpeg " * 10 + "--out r.sqlite"
    note = f"H1 missing: {needed.strip()}: {command}"
    text = render(Report([Sheet((Column("claim"),), [("H1",)], notes=[note])]), Format.text)
    *_, prose, last = text.splitlines()
    if needed == "spectra":
        assert last == note
    else:
        assert last == f"    {command}"
        assert prose.endswith("spectra:")


@pytest.mark.parametrize("form", [form for form in Format if form not in {Format.csv, Format.json}])
def test_a_column_without_any_value_is_not_shown(form: Format) -> None:
    columns = (Column("codec"), number("MS-SSIM"), Column("reason"), number("n"))
    lines = [("jpeg", math.nan, "", 1), ("webp", math.nan, "-", math.nan)]
    shown = Sheet((columns[0], columns[3]), [(line[0], line[3]) for line in lines])
    assert render(Report([Sheet(columns, lines)]), form) == render(Report([shown]), form)


def test_data_keeps_every_column() -> None:
    report = Report([Sheet((Column("codec"), number("MS-SSIM")), [("jpeg", math.nan)])])
    assert render(report, Format.csv) == "codec,MS-SSIM\njpeg,\n"


@pytest.mark.parametrize("form", Format)
def test_a_sheet_without_lines_can_be_printed(form: Format) -> None:
    assert render(Report([Sheet((Column("codec"),), [])]), form).endswith("\n")


def test_a_long_name_is_broken_at_a_hyphen() -> None:
    figures = ["+12.3%"] * 9
    columns = [Column("codec"), *(Column(figure) for figure in figures)]
    lines = [["hyperprior-pruned95-cs" * 2 + "-of-mine", *figures], ["jpeg", *figures]]
    text = render(Report([Sheet(columns, lines)]), Format.text).splitlines()
    assert max(map(len, text)) <= WIDTH
    names = [line.split()[0] for line in text if line[1:2].isalpha()]
    assert names == ["codec", "hyperprior-pruned95-cshyperprior-", "pruned95-cs-of-mine", "jpeg"]
    assert sum("+12.3%" in line for line in text) == 3


def test_a_name_that_makes_a_table_a_little_wider_is_whole() -> None:
    figures = ["+12.3%"] * 9
    columns = [Column("codec"), *(Column(figure) for figure in figures)]
    name = "hyperprior-pruned95-cs" * 2
    text = render(Report([Sheet(columns, [[name, *figures]])]), Format.text)
    assert name in text
    assert WIDTH < max(map(len, text.splitlines())) <= WIDEST
