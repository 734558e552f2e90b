"""What is published says what the rows say, the same way each time."""

import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from codecshift.analysis.leaderboard import Entry, NotComparable
from codecshift.benchmark import store
from codecshift.benchmark.report import codecs as fairness
from codecshift.benchmark.report import figures as drawing
from codecshift.benchmark.report import publish
from codecshift.benchmark.store import Row, RunFileError
from codecshift.benchmark.store import facts as stated

Rows = Callable[..., Row]
Write = Callable[..., Path]

DOCUMENTED = [
    *("corruption", "severity", "point", "n", "n_failed", "n_lossless", "bpp_mean", "bpp_corpus"),
    *("psnr_mean", "psnr_of_mse", "ms_ssim_mean", "psnr_clean_mean", "psnr_clean_of_mse", "ms_ssim_clean_mean"),
    *("encode_s", "decode_s", "run"),
]


def curves(row: Rows, of: str = "kodak", *, images: Sequence[str] = ("a", "b"), **more: Any) -> list[Row]:
    """Three codecs of five points: at equal quality "big" takes twice the bytes of "anchor", "short" has no curve.

    Of images after the second, "big" takes a few bytes more or less.
    """
    rows = []
    for corruption, severity, factor in (("none", 0, 1.0), ("fog", 3, 1.5), ("gaussian_noise", 3, 2.0)):
        for place, image in enumerate(images):
            for codec, size, points in (("anchor", 1, 5), ("big", 2, 5), ("short", 1, 2)):
                for point in range(points):
                    error = round(10**6 * 4.0**-point * factor)
                    spread = 1 + 0.03 * (-1) ** place * (place // 2) * (codec == "big")
                    fields = {
                        "nbytes": round(1000 * 2**point * size * factor * spread),
                        "error": error,
                        "error_clean": 2 * error,
                    }
                    fields |= {"ms_ssim": 1 - 0.2 / 2**point, "ms_ssim_clean": 1 - 0.3 / 2**point}
                    fields |= {"image": image, "point": f"p{point}", "corruption": corruption, "severity": severity}
                    rows.append(row(set=of, codec=codec, height=200, width=100, **fields | more))
    return rows


@pytest.fixture
def path(tmp_path: Path, row: Rows, write: Write) -> Path:
    return write(tmp_path / "r.sqlite", curves(row))


@pytest.fixture
def sure(tmp_path: Path, row: Rows, write: Write) -> Path:
    """A run file of enough images for intervals."""
    return write(tmp_path / "s.sqlite", curves(row, images="abcdefgh"))


# --- leaderboards


@pytest.mark.parametrize("quality", ["psnr", "ms_ssim"])
def test_twice_the_bytes_are_a_bd_rate_of_100_percent(quality: Any, path: Path) -> None:
    board = publish.leaderboard(path, anchor="anchor", quality=quality)
    entries = {entry.codec: entry for entry in board.entries}
    assert [entry.codec for entry in board.entries] == ["anchor", "big", "short"]
    assert [entry.rank for entry in board.entries] == [1, 2, None]
    assert entries["anchor"].score == pytest.approx(0, abs=1e-9)
    for name in ("score", "clean", "low", "high"):
        assert getattr(entries["big"], name) == pytest.approx(100, abs=1e-6)
    assert math.isnan(entries["big"].medium)
    assert entries["big"].overlap == pytest.approx(1)
    assert entries["big"].inflation == pytest.approx(math.sqrt(1.5 * 2), rel=1e-3)
    assert "has 2 points" in entries["short"].reason


def test_a_leaderboard_can_be_of_a_part(path: Path) -> None:
    board = publish.leaderboard(path, corruptions=["fog"])
    assert board.conditions == (("none", 0), ("fog", 3))


def test_a_leaderboard_of_a_band_is_of_its_corruptions(path: Path) -> None:
    """The command line promises it: "A corruption, a band (low, medium, high), or none"."""
    board = publish.leaderboard(path, corruptions=["high"])
    assert board.conditions == (("none", 0), ("gaussian_noise", 3))


@pytest.mark.parametrize("part", [{"corruptions": ["fgo"]}, {"severities": [9]}, {"corruptions": ["snow"]}], ids=str)
def test_a_leaderboard_of_what_is_not_there_is_refused(part: dict[str, Any], path: Path) -> None:
    """Else a ranking on clean images is taken for one on what was asked for."""
    with pytest.raises((LookupError, ValueError)):
        publish.leaderboard(path, **part)


def test_a_set_must_be_chosen_where_there_are_several(tmp_path: Path, row: Rows, write: Write) -> None:
    path = write(tmp_path / "r.sqlite", curves(row) + curves(row, "sample"))
    assert publish.leaderboard(path, of="sample").set == "sample"
    with pytest.raises(NotComparable, match="choose one of kodak, sample"):
        publish.leaderboard(path)
    with pytest.raises(NotComparable, match="holds no rows of 'clic': expected one of kodak, sample"):
        publish.leaderboard(path, of="clic")


@pytest.mark.parametrize("anchor", ["nope", "short"])
def test_an_anchor_without_a_curve_is_refused(anchor: str, path: Path) -> None:
    with pytest.raises(NotComparable, match=f"{anchor} has no rate curve here: expected an anchor among anchor, big"):
        publish.leaderboard(path, anchor=anchor)


def test_an_empty_file_has_nothing_to_show(tmp_path: Path, write: Write) -> None:
    empty = write(tmp_path / "empty.sqlite", [])
    for show in (lambda: publish.leaderboard(empty), lambda: publish.export(empty, tmp_path / "out")):
        with pytest.raises(NotComparable, match="no rows"):
            show()
    assert not (tmp_path / "out").exists()


def conflicting(tmp_path: Path, row: Rows, write: Write) -> Path:
    path = write(tmp_path / "c.sqlite", curves(row, run="old"), provenance(fog=1))
    return write(path, [one for one in curves(row, run="new") if one.image == "a"], provenance(fog=2))


def provenance(**corruptions: int) -> dict[str, Any]:
    return {"sets": {}, "corruptions": corruptions, "measures": {}, "codecs": {}}


def test_rows_that_cannot_stand_side_by_side_are_not_published(tmp_path: Path, row: Rows, write: Write) -> None:
    path = conflicting(tmp_path, row, write)
    with pytest.raises(NotComparable, match=r"cannot be compared: corruption 'fog' is not the same"):
        publish.leaderboard(path)
    with pytest.raises(NotComparable, match=r"cannot be published as one: corruption 'fog' is not the same"):
        publish.export(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def same(first: object, second: object) -> bool:
    return first == second or (isinstance(first, float) and math.isnan(first) and second in {None, ""})


@pytest.mark.parametrize("file", ["path", "sure"])
def test_csv_json_and_the_board_agree(file: str, request: pytest.FixtureRequest) -> None:
    board = publish.leaderboard(request.getfixturevalue(file), resamples=500)
    assert board.intervals is not None
    lines = list(csv.DictReader(io.StringIO(publish.as_csv(board))))
    data = json.loads(publish.as_json(board))
    names = list(Entry.__dataclass_fields__)
    assert [line["codec"] for line in lines] == [one["codec"] for one in data["entries"]] == ["anchor", "big", "short"]
    for entry, line, one in zip(board.entries, lines, data["entries"], strict=True):
        assert [line[name] for name in ("set", "anchor", "quality")] == [board.set, board.anchor, board.quality]
        assert list(line)[: 3 + len(names)] == ["set", "anchor", "quality", *names]
        assert set(one) == {*names, "bd_rates", "tails", "intervals", "lost", "to_above", "to_best"}
        for name in names:
            value = getattr(entry, name)
            assert same(value, one[name]), name
            shown = "" if value is None or same(value, "") else str(value)
            assert shown == line[name], name
        for name, number in board.intervals.numbers[entry.codec].items():
            assert one["intervals"][name] == ([number.low, number.high] if number.known else None)
            ends = [line[f"{name}_from"], line[f"{name}_to"]]
            assert ends == ([str(number.low), str(number.high)] if number.known else ["", ""])
        for name in ("score", "inflation", "psnr_clean"):
            tail = board.tails[entry.codec, name]
            assert same(tail.cvar, one["tails"][name]["cvar"])
            assert [line[f"{name}_cases"], one["tails"][name]["cases"]] == [str(tail.cases), tail.cases]
        assert [line["confidence"], line["resamples"], line["seed"]] == ["0.95", "500", "24"]
    assert {name: data[name] for name in ("set", "anchor", "quality", "matched_bpp", "images")} == {
        "set": "kodak",
        "anchor": "anchor",
        "quality": "psnr",
        "matched_bpp": 0.5,
        "images": board.images,
    }
    assert data["intervals"] == {"confidence": 0.95, "images": board.images, "resamples": 500, "seed": 24}
    big = data["entries"][1]["bd_rates"]
    assert list(big) == ["none@0", "fog@3", "gaussian_noise@3"]
    assert big["fog@3"]["percent"] == pytest.approx(100)
    assert big["fog@3"]["inflation"] == pytest.approx(1.5, rel=1e-3)
    assert data["entries"][2]["bd_rates"]["fog@3"]["percent"] is None


def test_without_resamples_there_are_no_intervals(sure: Path) -> None:
    board = publish.leaderboard(sure, resamples=0)
    assert board.intervals is None
    data = json.loads(publish.as_json(board))
    assert data["intervals"] is None
    assert "intervals" not in data["entries"][0]
    (line, *_) = csv.DictReader(io.StringIO(publish.as_csv(board)))
    assert line["score_from"] == line["resamples"] == ""
    assert "±" not in "".join(map("".join, publish.lines(board)))
    assert not any("nterval" in line for line in publish.notes(board))


def test_intervals_stand_below_their_numbers(sure: Path) -> None:
    board = publish.leaderboard(sure)
    assert board.intervals is not None
    names = list(publish.COLUMNS)
    shown = [dict(zip(names, line, strict=True)) for line in publish.lines(board)]
    assert [line["codec"] for line in shown] == ["anchor", "", "big", "", "short", ""]
    score = board.intervals.numbers["big"]["score"]
    assert (shown[2]["BD-rate"], shown[3]["BD-rate"]) == ("+100.0%", f"±{score.margin:.1f}%")
    assert shown[3]["inflation"].startswith("±0.0")
    assert shown[3]["medium"] == shown[3]["n"] == shown[3]["overlap"] == ""
    said = " ".join(publish.notes(board))
    assert "±: half the 95% interval, from 10000 paired resamples of the 8 images." in said
    assert "No intervals" not in said


def test_neighbours_that_cannot_be_told_apart_are_marked(tmp_path: Path, row: Rows, write: Write) -> None:
    rows = curves(row, images="abcdefgh")
    twins = [replace(one, codec="twin", nbytes=one.nbytes) for one in rows if one.codec == "big" and one.nbytes]
    board = publish.leaderboard(write(tmp_path / "t.sqlite", rows + twins))
    marks = {line[1]: line[0] for line in publish.lines(board) if line[1]}
    assert marks == {"anchor": "1", "big": "2", "twin": "3=", "short": ""}
    assert "| 3= | twin |" in publish.as_markdown(board)
    assert "= after a rank: cannot be told apart from the codec above." in " ".join(publish.notes(board))


def test_with_few_images_there_are_no_intervals_and_it_is_said(path: Path) -> None:
    board = publish.leaderboard(path)
    assert [line[1] for line in publish.lines(board)] == ["anchor", "big", "short"]
    assert "No intervals: 2 images say too little of others, it takes at least 6." in publish.notes(board)


def test_what_lacks_an_interval_is_said(tmp_path: Path, row: Rows, write: Write) -> None:
    """Of one codec only some of the images; of another a setting that is out of reach in many resamples."""
    rows = [one for one in curves(row, images="abcdefgh") if one.codec != "big" or one.image in "abc"]
    board = publish.leaderboard(write(tmp_path / "l.sqlite", rows))
    assert "No intervals of big: it takes at least 6 images." in publish.notes(board)
    assert board.intervals is not None
    lost = {("anchor", "psnr_clean"): 0.25, ("anchor", "low"): 0.01}
    said = publish.notes(replace(board, intervals=replace(board.intervals, lost=lost)))
    assert "anchor: up to 25.0% of the resamples have no value of psnr_clean, too many for an interval." in said
    assert "anchor: up to 1.0% of the resamples have no value of low, left out of the interval." in said


def test_the_worst_cases_are_told_where_there_are_any(sure: Path) -> None:
    board = publish.leaderboard(sure, resamples=0)
    lines = publish.tail_lines(board)
    told = {codec: [line[1] for line in lines if line[0] == codec] for codec in ("big", "short")}
    # The cheapest setting of "big" takes 0.8 bpp, so that it is never at the matched 0.5.
    assert told == {"big": ["BD-rate", "inflation"], "short": ["inflation", "PSNR clean"]}
    (score,) = (line for line in lines if line[:2] == ["big", "BD-rate"])
    # Of 8 images under 2 corruptions the worst takes 2 x 1.09 of the anchor's bytes, a tenth of them is 1.6 cases.
    assert score[2:] == ["+100.0%", "+118.0%", "+118.0%", "16", "0"]
    table = publish.tails_as_markdown(board)
    assert "| big | BD-rate | +100.0% | +118.0% | +118.0% | 16 | 0 |" in table
    assert [line for line in table.splitlines() if len(line) > 100] == []


def test_markdown_is_a_table_that_says_the_same(path: Path) -> None:
    board = publish.leaderboard(path)
    lines = publish.as_markdown(board).splitlines()
    assert lines[0] == f"**{publish.title(board)}**"
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    assert cells[0] == list(publish.COLUMNS)
    assert all(set(cell) <= set(":-") for cell in cells[1])
    body = [dict(zip(cells[0], line, strict=True)) for line in cells[2:]]
    assert [(one["#"], one["codec"]) for one in body] == [("1", "anchor"), ("2", "big"), ("", "short")]
    assert body[1]["BD-rate"] == "+100.0%"
    assert body[1]["medium"] == "-"
    assert body[1]["overlap"] == "100%"
    assert publish.as_markdown(board).endswith("\n")


def test_markdown_has_the_ends_of_intervals(sure: Path) -> None:
    board = publish.leaderboard(sure)
    assert board.intervals is not None
    score = board.intervals.numbers["big"]["score"]
    text = publish.as_markdown(board)
    assert f"| +100.0% [+{score.low:.1f}%, +{score.high:.1f}%] |" in text
    assert "In brackets: the 95% interval" in text


def test_the_heading_says_what_the_ranking_is_of(path: Path) -> None:
    expected = "kodak: 2 images, 2 corruptions, severity 3; BD-rate (PSNR) against anchor"
    assert expected == publish.title(publish.leaderboard(path))


def test_the_heading_of_clean_images(tmp_path: Path, row: Rows, write: Write) -> None:
    path = write(tmp_path / "r.sqlite", [one for one in curves(row) if one.corruption == "none"])
    board = publish.leaderboard(path, quality="ms_ssim")
    assert publish.title(board) == "kodak: 2 images, clean images; BD-rate (MS-SSIM) against anchor"


def test_what_is_said_beside_the_table_fits_100_columns(path: Path) -> None:
    board = publish.leaderboard(path)
    too_long = [line for line in [publish.title(board), *publish.notes(board)] if len(line) > 100]
    assert too_long == []
    assert any(line.startswith("short is not ranked: ") for line in publish.notes(board))


# --- published tables


def test_an_export_is_one_table_per_codec_and_the_runs(path: Path, tmp_path: Path) -> None:
    written = publish.export(path, tmp_path / "out")
    assert [str(file.relative_to(tmp_path / "out")) for file in written] == [
        *("v1/kodak/anchor.csv", "v1/kodak/big.csv", "v1/kodak/short.csv", "v1/runs/r.json", "v1/codecs.csv")
    ]
    assert sorted(written) == sorted(file for file in (tmp_path / "out").rglob("*") if file.is_file())
    assert store.runs(path)["r"] == json.loads(written[-2].read_text(encoding="utf-8"))


FACTS = {"version": 1, "kind": "classical", "chroma": "4:2:0", "bit_depth": 8, "colour": "BT.601 full", "settings": "x"}
FACTS |= {"effort": "speed 6", "threads": 1, "process": False, "library": "libx 1, Pillow 2", "header_bytes": 30}
OLDER = {name: FACTS[name] for name in ("version", "kind", "chroma", "bit_depth", "colour", "settings", "library")}


def of_codecs(**codecs: dict[str, Any]) -> dict[str, Any]:
    return {"sets": {"kodak": {"digest": "0", "images": 2}}, "corruptions": {}, "measures": {}, "codecs": codecs}


def test_an_export_says_what_every_codec_was_set_to_in_every_run_that_lies_there(
    tmp_path: Path, row: Rows, write: Write
) -> None:
    """A run of an earlier version noted less; that is empty, not wrong."""
    out = tmp_path / "out"
    older = write(tmp_path / "older.sqlite", curves(row, run="older"), of_codecs(big=OLDER, anchor=OLDER))
    newer = write(tmp_path / "newer.sqlite", curves(row, of="clic", run="newer"), of_codecs(anchor=FACTS))
    publish.export(older, out)
    target = publish.export(newer, out)[-1]
    assert target == out / "v1" / "codecs.csv"
    lines = list(csv.DictReader(io.StringIO(target.read_text(encoding="utf-8"))))
    assert [(line["codec"], line["run"]) for line in lines] == [
        *(("anchor", "newer"), ("anchor", "older"), ("big", "older"))
    ]
    assert list(lines[0]) == ["codec", "run", *stated.FACTS]
    assert lines[0] == {"codec": "anchor", "run": "newer"} | {name: str(value) for name, value in FACTS.items()}
    unknown = dict.fromkeys(("effort", "threads", "process", "header_bytes"), "")
    assert lines[2] == {"codec": "big", "run": "older"} | {name: str(value) for name, value in OLDER.items()} | unknown
    before = target.read_bytes()
    publish.export(older, out)
    assert target.read_bytes() == before


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"codecs": 5}', '{"codecs": {"jpeg": 5}}'])
def test_what_is_no_provenance_among_the_published_is_named_and_nothing_written(
    text: str, path: Path, tmp_path: Path
) -> None:
    (tmp_path / "out" / "v1" / "runs").mkdir(parents=True)
    stray = tmp_path / "out" / "v1" / "runs" / "stray.json"
    stray.write_text(text, encoding="utf-8")
    with pytest.raises(NotComparable, match=rf"^{stray} is not the provenance of a run: move it elsewhere$"):
        publish.export(path, tmp_path / "out")
    assert [file for file in (tmp_path / "out").rglob("*") if file.is_file()] == [stray]


def test_a_leaderboard_carries_what_its_codecs_were_set_to(tmp_path: Path, row: Rows, write: Write) -> None:
    rows = [*curves(row, run="one"), *(one for one in curves(row, run="two", image="c") if one.image == "c")]
    path = write(tmp_path / "r.sqlite", rows[:1], of_codecs(anchor=FACTS, big=FACTS, absent=FACTS))
    path = write(tmp_path / "r.sqlite", [one for one in rows[1:] if one.run == "one"])
    board = publish.leaderboard(path)
    facts = publish.facts_behind(path, board)
    assert [(line["codec"], line["run"]) for line in facts] == [("anchor", "one"), ("big", "one")]
    assert json.loads(publish.as_json(board, facts))["codecs"] == facts
    markdown = publish.as_markdown(board, [*facts, {**facts[0], "run": "another"}])
    assert markdown.startswith(publish.as_markdown(board))
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in markdown.splitlines()[-3:]]
    assert [line[0] for line in cells] == [":---", "anchor", "big"]
    assert cells[1][1:] == [str(FACTS[name]) for name in stated.FACTS]


def test_the_published_table_of_codecs_is_that_of_the_published_runs() -> None:
    root = Path(__file__).parents[3] / "results" / "v1"
    runs = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (root / "runs").glob("*.json")}
    expected = fairness.as_csv(publish.facts(runs), ["codec", "run", *stated.FACTS])
    assert (root / "codecs.csv").read_text(encoding="utf-8") == expected


def test_the_columns_are_those_documented(path: Path, tmp_path: Path) -> None:
    for file in publish.export(path, tmp_path / "out")[:-2]:
        assert pd.read_csv(file).columns.tolist() == DOCUMENTED


def test_numbers_are_those_computed_by_hand(tmp_path: Path, row: Rows, write: Write) -> None:
    rows = [
        row(image="a", nbytes=100, error=6000, error_clean=12000, encode_s=1.0),
        row(image="b", nbytes=100, height=40, error=24000, error_clean=48000, encode_s=2.0, ms_ssim=0.5),
        row(image="c", nbytes=400, error=0, error_clean=600, encode_s=6.0, ms_ssim=None, ms_ssim_clean=None),
        row(image="d", status="failed", message="why"),
        row(image="e", status="skipped", message="why"),
    ]
    file = publish.export(write(tmp_path / "r.sqlite", rows), tmp_path / "out")[0]
    (one,) = pd.read_csv(file).to_dict("records")
    peak = 20 * math.log10(255)
    mse, mse_clean = [10.0, 20.0, 0.0], [20.0, 40.0, 1.0]
    expected = {
        "corruption": "fog",
        "severity": 3,
        "point": "q75",
        "n": 3,
        "n_failed": 2,
        "n_lossless": 1,
        "bpp_mean": (4 + 2 + 16) / 3,
        "bpp_corpus": 8 * 600 / 800,
        "psnr_mean": peak - 10 * (math.log10(10) + math.log10(20)) / 2,
        "psnr_of_mse": peak - 10 * math.log10(sum(mse) / 3),
        "ms_ssim_mean": (0.75 + 0.5) / 2,
        "psnr_clean_mean": peak - 10 * sum(map(math.log10, mse_clean)) / 3,
        "psnr_clean_of_mse": peak - 10 * math.log10(sum(mse_clean) / 3),
        "ms_ssim_clean_mean": 0.5,
        "encode_s": 2.0,
        "decode_s": 0.125,
        "run": "r",
    }
    numbers = {name: pytest.approx(value, rel=1e-5) for name, value in expected.items() if isinstance(value, float)}
    assert expected | numbers == one


def test_a_cell_that_failed_altogether_has_no_numbers(tmp_path: Path, row: Rows, write: Write) -> None:
    path = write(tmp_path / "r.sqlite", [row(status="failed", message="why")])
    (one,) = pd.read_csv(publish.export(path, tmp_path / "out")[0]).to_dict("records")
    assert (one["n"], one["n_failed"]) == (0, 1)
    assert all(math.isnan(one[name]) for name in DOCUMENTED[6:16])


def test_the_same_run_file_gives_the_same_bytes(path: Path, tmp_path: Path) -> None:
    first = [file.read_bytes() for file in publish.export(path, tmp_path / "one")]
    assert first == [file.read_bytes() for file in publish.export(path, tmp_path / "two")]
    assert first == [file.read_bytes() for file in publish.export(path, tmp_path / "one")]


def test_sets_of_like_names_are_not_exported_over_each_other(tmp_path: Path, row: Rows, write: Write) -> None:
    names = ("folder:a b", "folder:a-b")
    path = write(tmp_path / "r.sqlite", [row(set=name, nbytes=size) for name, size in zip(names, (1, 2), strict=True)])
    with pytest.raises(NotComparable, match="would both be written to"):
        publish.export(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_points_are_a_line_per_cell(path: Path) -> None:
    table = publish.points(store.read(path))
    assert len(table) == 3 * (5 + 5 + 2)
    assert set(table["n"]) == {2}


def test_what_is_no_run_file_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(RunFileError, match="no run file"):
        publish.export(tmp_path / "missing", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_the_waves_of_a_heatmap_are_in_no_leaderboard_unless_they_are_named(
    path: Path, tmp_path: Path, row: Rows, write: Write
) -> None:
    wave = "fourier_3_m5_of_32"
    waves = [row(**fields | {"corruption": wave, "severity": 3}) for fields in map(asdict, curves(row))]
    one_wave = row(codec="anchor", point="p0", image="a", corruption="fourier_1_1_of_32")
    both = write(tmp_path / "both.sqlite", [*curves(row), *waves, one_wave])
    assert str(publish.leaderboard(both)) == str(publish.leaderboard(path))  # NaN is not equal to itself
    assert publish.leaderboard(both, corruptions=[wave]).conditions == (("none", 0), (wave, 3))
    for file, folder in ((both, "both"), (path, "path")):
        names = ["rate-curves", "bd-rate-by-corruption"]
        assert len(list(drawing.figures(file, tmp_path / folder, names, ["png"], tmp_path))) == 4
    for drawn in (tmp_path / "path").glob("*.png"):  # the captions tell how many rows were left aside
        assert drawn.read_bytes() == (tmp_path / "both" / drawn.name).read_bytes()
