"""Heatmaps of a run file: what a plan measures is what its window shows, and what is chosen is what is read."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from codecshift.benchmark.plan.names import UnknownName
from codecshift.benchmark.report import heatmap as maps
from codecshift.benchmark.report.evidence import Choice, Evidence
from codecshift.benchmark.store import Row
from codecshift.corruptions import fourier
from codecshift.corruptions.corruption import CLEAN, SEVERITIES

Rows = Callable[..., Row]
Write = Callable[..., Path]


@pytest.fixture
def held(tmp_path: Path, row: Rows, write: Write) -> Path:
    """A run file of two codecs, two sets, two strengths, full band of quarters and low band of two."""
    waves = [*fourier.every_wave(4), *fourier.lowest_waves(2)]
    rows = [
        row(set=of, codec=codec, point=point, image=image, corruption=name, severity=severity)
        for of, images in (("kodak", ("kodim01", "kodim02")), ("sample", ("astronaut",)))
        for image in images
        for codec, point in (("jpeg", "q50"), ("jpeg", "q75"), ("webp", "q50"))
        for name, severity in [(CLEAN, 0), *((wave.name, strength) for wave in waves for strength in (3, 5))]
    ]
    return write(tmp_path / "r.sqlite", rows)


def read(path: Path, choice: Choice | None = None, **more: Any) -> list[maps.Heatmap]:
    return maps.read(Evidence.open(path, choice or Choice()), **more)


def labels(found: Sequence[maps.Heatmap]) -> list[tuple[str, float, str]]:
    return [(one.set, one.rms, f"{one.codec}:{one.point}") for one in found]


# --- what is measured


@pytest.mark.parametrize(("name", "steps", "rows"), [("full", None, 514), ("low", None, 2112), ("full", 8, 34)])
def test_a_plan_measures_what_its_window_shows(name: str, steps: int | None, rows: int) -> None:
    frequencies = maps.frequencies(name, steps)
    plan = maps.plan(frequencies, [4])
    window = frequencies.window(frequencies.steps)
    measured = {window.canonical(fourier.parse(wave)[:2]) for wave, _ in plan.conditions()[1:]}
    assert plan.conditions()[0] == (CLEAN, 0)
    assert {severity for _, severity in plan.conditions()[1:]} == {4}
    assert measured == {window.canonical((i, j)) for i in window.i for j in window.j}
    assert len(plan.conditions()) == 1 + rows
    assert plan.measures == ("bpp", "psnr")


def test_strengths_have_a_severity() -> None:
    assert [maps.severity(rms) for rms in fourier.RMS] == list(SEVERITIES)


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        (lambda: maps.severity(3), "expected an RMS of 1, 2, 4, 8, 16 grey levels, got 3"),
        (lambda: maps.frequencies("ful", None), r"unknown band 'ful'.*did you mean 'full'"),
        (lambda: maps.frequencies("full", 1), "expected 2 to 256 frequency steps, got 1"),
        (lambda: maps.frequencies("low", 1000), "expected 2 to 256 frequency steps, got 1000"),
    ],
    ids=["rms", "band", "one-step", "too-many"],
)
def test_what_cannot_be_measured_is_refused(wrong: Callable[[], object], fault: str) -> None:
    with pytest.raises(UnknownName, match=fault):
        wrong()


# --- what is read


def test_all_there_is_is_read_unless_something_is_chosen(held: Path) -> None:
    codecs = ("jpeg:q50", "jpeg:q75", "webp:q50")
    every = [(of, rms, codec) for of in ("kodak", "sample") for rms in (4.0, 16.0) for codec in codecs]
    assert labels(read(held)) == every
    assert {one.window for one in read(held)} == {maps.full_window(4)}


def test_what_is_chosen_is_read(held: Path) -> None:
    found = read(held, Choice(sets=["kodak"], codecs=["webp", "jpeg:q75"], severities=[5]), shown=maps.low_window(2))
    assert labels(found) == [("kodak", 16.0, "jpeg:q75"), ("kodak", 16.0, "webp:q50")]
    assert {one.window for one in found} == {maps.low_window(2)}
    assert {one.images for one in found} == {("kodim01", "kodim02")}
    (one,) = read(held, Choice(sets=["kodak"], codecs=["webp"], severities=[3]), images={"kodak": ["kodim02"]})
    assert one.images == ("kodim02",)


@pytest.mark.parametrize(
    ("choice", "shown", "fault"),
    [
        (Choice(severities=[3], codecs=["webp"], corruptions=["none"]), None, "a heatmap needs rows of waves"),
        (Choice(), maps.full_window(8), "no rows of 9 x 5 frequencies in steps of 1/8 .*: the file has"),
    ],
    ids=["no-waves", "window"],
)
def test_what_is_not_there_is_told(held: Path, choice: Choice, shown: maps.Window | None, fault: str) -> None:
    with pytest.raises(maps.NoHeatmap, match=f"holds no heatmap: {fault}"):
        read(held, choice, shown=shown)


# --- what is told


def test_a_heatmap_in_words(held: Path) -> None:
    (sheet,) = maps.report(read(held, Choice(sets=["kodak"], codecs=["webp"], severities=[3]))).sheets
    lines = sheet.lines
    assert [line[:4] for line in lines] == [["webp:q50", name, 2, 10] for name in ("bpp", "PSNR", "PSNR clean")]
    assert lines[0][4:9] == ["4.000", "+0.000", "+0.000", "+0.000", "+0.000"]
    assert {len(line) for line in lines} == {len(sheet.columns)}
    assert len(sheet.notes) == 1


def test_what_failed_or_is_missing_is_told(tmp_path: Path, row: Rows, write: Write) -> None:
    waves = fourier.every_wave(4)
    rows = [row(corruption=CLEAN, severity=0), *(row(corruption=wave.name) for wave in waves[2:])]
    rows.append(row(corruption=waves[0].name, status="failed", message="broken"))
    (sheet,) = maps.report(read(write(tmp_path / "r.sqlite", rows))).sheets
    assert sheet.notes[1:] == ["jpeg:q75: 1 row failed or skipped.", "jpeg:q75: 2 frequencies missing."]
    assert sheet.lines[0][3] == 8


def test_figures_come_with_a_caption_and_are_the_same_each_time(held: Path, tmp_path: Path) -> None:
    found = read(held, Choice(sets=["kodak"]))
    files = maps.draw(found, tmp_path / "one")
    assert sorted(path.name for path in files) == [
        f"fourier-heatmap-kodak-rms{rms}.{suffix}" for rms in (16, 4) for suffix in ("pdf", "png", "txt")
    ]
    for path, again in zip(files, maps.draw(found, tmp_path / "two"), strict=True):
        assert path.read_bytes() == again.read_bytes()
    caption = files[2].read_text(encoding="utf-8")
    assert "kodak, RMS 4 grey levels, 5 x 3 frequencies in steps of 1/4 cycle per pixel" in caption
    assert "jpeg:q50 (2 images), jpeg:q75 (2 images), webp:q50 (2 images)" in caption
    assert maps.RULE in caption
