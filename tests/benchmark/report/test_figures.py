"""The figures of a run file: what is written, the same every time, and what is said of the rest."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from codecshift.analysis.figures import FIGURES, Chosen, NothingToDraw
from codecshift.benchmark.plan.names import UnknownName
from codecshift.benchmark.report import figures as drawing
from codecshift.benchmark.report.evidence import Choice, Evidence
from codecshift.benchmark.store import Row

Write = Callable[..., Path]


@pytest.fixture
def drawn(tmp_path: Path, row: Callable[..., Row], write: Write) -> Path:
    """A run file of clean rows, of two codecs at four points."""
    return write(tmp_path / "r.sqlite", [one for codec in ("jpeg", "webp") for one in curve(row, codec=codec)])


def curve(row: Callable[..., Row], **more: Any) -> list[Row]:
    """Return four rows that rise, 3 dB for twice the rate."""
    clean = {"corruption": "none", "severity": 0, **more}
    return [
        row(**{"point": f"q{step}", "nbytes": 5 * 2**step, "error": 8000 >> step, "error_clean": 8000 >> step} | clean)
        for step in range(4)
    ]


def figures(path: Path, out: Path, *names: str, formats: tuple[str, ...] = ("png",), **more: Any) -> list[Path]:
    return list(drawing.figures(Evidence.open(path), out, names, formats, out, **more))


def test_the_same_file_gives_the_same_bytes_in_every_format(drawn: Path, tmp_path: Path) -> None:
    once, again = (
        figures(drawn, tmp_path / name, "rd-clean", formats=("png", "pdf", "svg")) for name in ("once", "again")
    )
    assert [path.name for path in once] == [f"rd-clean-kodak.{end}" for end in ("png", "pdf", "svg", "txt")]
    for first, second in zip(once, again, strict=True):
        assert first.read_bytes() == second.read_bytes()
        assert b"20" + b"26-" not in first.read_bytes()


def test_users_settings_of_matplotlib_change_nothing(drawn: Path, tmp_path: Path) -> None:
    import matplotlib as mpl

    (plain, _) = figures(drawn, tmp_path / "plain", "rd-clean")
    with mpl.rc_context({"lines.linewidth": 9, "font.size": 20, "axes.facecolor": "pink"}):
        (styled, _) = figures(drawn, tmp_path / "styled", "rd-clean")
    assert plain.read_bytes() == styled.read_bytes()


def test_a_caption_says_what_was_used(drawn: Path, tmp_path: Path) -> None:
    (*_, caption) = figures(drawn, tmp_path / "out", "rd-clean")
    text = " ".join(caption.read_text(encoding="utf-8").split())
    assert text.startswith("Quality over bpp on clean images, by each measure of the run. Set kodak: 1 image.")
    assert "8 of 8 rows (clean images, measured, lossy settings only)" in text
    assert text.endswith("Rows in all: 8 measured, 0 failed or skipped. Run r.")


def test_what_cannot_be_drawn_is_reported_and_listed_and_the_rest_drawn(drawn: Path, tmp_path: Path) -> None:
    said: list[str] = []
    written = figures(drawn, tmp_path / "out", skipped=said.append)
    kinds = {path.name.removesuffix("-kodak.png") for path in written if path.suffix == ".png"}
    lacking = {line.split(" is not drawn: ")[0] for line in said}
    assert {"rd-clean", "rate-curves", "bits-by-corruption"} <= kinds
    assert kinds | lacking == set(FIGURES)
    assert not kinds & lacking
    assert all("codecshift " in line.split(" is not drawn: ")[1] for line in said)
    (sheet,) = drawing.states_report(Evidence.open(drawn), tmp_path).sheets
    assert [name for name, _ in sheet.lines] == list(FIGURES)
    assert {name for name, state in sheet.lines if state == "cannot be drawn"} == lacking
    assert [note.partition(": ")[0] for note in sheet.notes] == [name for name in FIGURES if name in lacking]
    for name in lacking:
        with pytest.raises(NothingToDraw):
            figures(drawn, tmp_path / "out", name)


def test_a_figure_asked_for_that_cannot_be_drawn_is_refused(drawn: Path, tmp_path: Path) -> None:
    with pytest.raises(NothingToDraw, match=r"^rd-corrupted: rows of a lossy codec under .* codecshift run"):
        figures(drawn, tmp_path / "out", "rd-corrupted")
    with pytest.raises(UnknownName, match="did you mean 'rd-corrupted'"):
        figures(drawn, tmp_path / "out", "rd-corupted")


def test_each_set_has_its_figures_and_one_may_lack_them(tmp_path: Path, row: Callable[..., Row], write: Write) -> None:
    path = write(tmp_path / "r.sqlite", [*curve(row), *(row(set="folder:mine", status="failed"),)])
    said: list[str] = []
    written = figures(path, tmp_path / "out", "rd-clean", skipped=said.append)
    assert [path.name for path in written] == ["rd-clean-kodak.png", "rd-clean-kodak.txt"]
    (line,) = said
    assert line.startswith("rd-clean of folder:mine is not drawn: rows of a lossy codec on clean images")


def test_waves_are_drawn_in_no_figure_of_corruptions(
    tmp_path: Path, row: Callable[..., Row], curves: Callable[..., list[Row]], path: Path, write: Write
) -> None:
    wave = {"corruption": "fourier_3_m5_of_32", "severity": 3}
    waves = [row(**fields | wave) for fields in map(asdict, curves())]
    both = write(tmp_path / "both.sqlite", [*curves(), *waves])
    for file, folder in ((both, "both"), (path, "path")):
        assert len(figures(file, tmp_path / folder, "rate-curves", "bits-by-corruption")) == 4
    for drawn in (tmp_path / "path").glob("*.png"):  # the captions tell how many rows were left aside
        assert drawn.read_bytes() == (tmp_path / "both" / drawn.name).read_bytes()


def test_points_on_fewer_images_leave_every_curve_as_it_is(
    tmp_path: Path, curves: Callable[..., list[Row]], write: Write
) -> None:
    """As a heatmap or a search for matched points leaves them."""
    ladder = curves(images="abcdef")
    clean = [one for one in curves(images="ab") if (one.corruption, one.codec) == ("none", "anchor")]
    few = [replace(one, point=f"x{one.point}") for one in clean]
    both, alone = write(tmp_path / "both.sqlite", ladder + few), write(tmp_path / "alone.sqlite", ladder)
    names = ("rate-curves", "rd-clean", "bits-by-corruption")
    for file, folder in ((both, "both"), (alone, "alone")):
        assert len(figures(file, tmp_path / folder, *names)) == 2 * len(names)
    for drawn in (tmp_path / "alone").glob("*.png"):
        assert drawn.read_bytes() == (tmp_path / "both" / drawn.name).read_bytes(), drawn.name


def test_rows_image_and_width_can_be_chosen_and_the_caption_says_so(
    tmp_path: Path, curves: Callable[..., list[Row]], write: Write
) -> None:
    path = write(tmp_path / "r.sqlite", curves(images="ab"))
    choice = Choice(corruptions=["fog"], codecs=["big"])
    ((_, material),) = drawing.drawn_from(Evidence.open(path, choice), tmp_path, image="b", width=5)
    assert material.names() == ["big"]
    assert set(material.rows["corruption"]) <= {"none", "fog"}
    assert material.chosen == Chosen(("fog",), (), "b", 5)
    with pytest.raises(UnknownName, match="unknown image 'c': expected one of a, b"):
        next(drawing.drawn_from(Evidence.open(path), tmp_path, image="c"))
    *_, caption = drawing.figures(Evidence.open(path, choice), tmp_path, ["rate-curves"], ["png"], tmp_path)
    assert "Chosen: codecs big; corruptions fog." in caption.read_text(encoding="utf-8")


def test_an_anchor_can_be_chosen_as_on_the_leaderboard(tmp_path: Path, path: Path) -> None:
    written = {
        anchor: figures(path, tmp_path / str(anchor), "ranking", anchor=anchor)[0].read_bytes()
        for anchor in (None, "anchor", "big")
    }
    assert written[None] == written["anchor"] != written["big"]
    with pytest.raises(NothingToDraw, match="short has no score here: expected an anchor among anchor, big"):
        figures(path, tmp_path / "short", "ranking", anchor="short")
