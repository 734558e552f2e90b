"""The leaderboard of a run file says what its rows say, the same in every format."""

import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from codecshift.analysis.ranking import Entry, Leaderboard, NotComparable
from codecshift.benchmark.plan.names import UnknownName
from codecshift.benchmark.report import leaderboard as reporting
from codecshift.benchmark.report.evidence import Choice, Evidence
from codecshift.benchmark.report.formats import render
from codecshift.benchmark.report.sheet import Format, Sheet
from codecshift.benchmark.store import Row, Shift
from codecshift.benchmark.store.facts import FACTS

Rows = Callable[..., Row]
Curves = Callable[..., list[Row]]
Write = Callable[..., Path]


def leaderboard(path: Path, choice: Choice | None = None, **more: Any) -> Leaderboard:
    return reporting.leaderboard(Evidence.open(path, choice or Choice()), **more)


def report(path: Path, **more: Any) -> Any:
    evidence = Evidence.open(path)
    return reporting.report(reporting.leaderboard(evidence, **more), evidence)


def shown(sheet: Sheet) -> list[dict[str, str]]:
    """Return the lines of a sheet as a reader sees them, by heading."""
    return [
        {column.name: column.show(value) for column, value in zip(sheet.columns, line, strict=True)}
        for line in sheet.lines
    ]


# --- leaderboards


@pytest.mark.parametrize("quality", ["psnr", "ms_ssim"])
def test_twice_the_bytes_are_100_percent_of_bits(quality: Any, path: Path) -> None:
    board = leaderboard(path, anchor="anchor", quality=quality)
    entries = {entry.codec: entry for entry in board.entries}
    assert [entry.codec for entry in board.entries] == ["anchor", "big", "short"]
    assert [entry.rank for entry in board.entries] == [1, 2, None]
    assert entries["anchor"].score == pytest.approx(0, abs=1e-9)
    for name in ("score", "clean", "low", "high"):
        assert getattr(entries["big"], name) == pytest.approx(100, abs=1e-6)
    assert math.isnan(entries["big"].medium)
    assert entries["big"].coverage == pytest.approx(1)
    assert entries["big"].bd_rate == pytest.approx(100, abs=1e-6)
    assert (entries["big"].inflation_low, entries["big"].inflation_high) == pytest.approx((1.5, 2), rel=1e-3)
    assert entries["short"].reason == "fewer than two lossy points"


def test_a_leaderboard_can_be_of_a_part(path: Path) -> None:
    board = leaderboard(path, Choice(corruptions=["fog"]))
    assert board.conditions == (("none", 0), ("fog", 3))


def test_a_leaderboard_of_a_band_is_of_its_corruptions(path: Path) -> None:
    """The command line promises it: "A corruption, a band (low, medium, high), or none"."""
    board = leaderboard(path, Choice(corruptions=["high"]))
    assert board.conditions == (("none", 0), ("gaussian_noise", 3))


@pytest.mark.parametrize("part", [{"corruptions": ["fgo"]}, {"severities": [9]}, {"corruptions": ["snow"]}], ids=str)
def test_a_leaderboard_of_what_is_not_there_is_refused(part: dict[str, Any], path: Path) -> None:
    """Else a ranking on clean images is taken for one on what was asked for."""
    with pytest.raises((LookupError, ValueError)):
        leaderboard(path, Choice(**part))


def test_a_set_must_be_chosen_where_there_are_several(tmp_path: Path, curves: Curves, write: Write) -> None:
    path = write(tmp_path / "r.sqlite", curves() + curves("sample"))
    assert leaderboard(path, Choice(sets=["sample"])).set == "sample"
    with pytest.raises(NotComparable, match="choose one of kodak, sample"):
        leaderboard(path)


@pytest.mark.parametrize("anchor", ["nope", "short"])
def test_an_anchor_without_a_score_is_refused(anchor: str, path: Path) -> None:
    with pytest.raises(NotComparable, match=f"{anchor} has no score here: expected an anchor among anchor, big"):
        leaderboard(path, anchor=anchor)


def same(first: object, second: object) -> bool:
    return first == second or (isinstance(first, float) and math.isnan(first) and second in {None, ""})


@pytest.mark.parametrize("file", ["path", "sure"])
def test_csv_json_and_the_board_agree(file: str, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(file)
    board = leaderboard(path, resamples=500)
    assert board.intervals is not None
    printed = report(path, resamples=500)
    lines = list(csv.DictReader(io.StringIO(render(printed, Format.csv))))
    data = json.loads(render(printed, Format.json))
    names = list(Entry.__dataclass_fields__)
    assert [line["codec"] for line in lines] == [one["codec"] for one in data["entries"]] == ["anchor", "big", "short"]
    for entry, line, one in zip(board.entries, lines, data["entries"], strict=True):
        assert [line[name] for name in ("set", "anchor", "quality")] == [board.set, board.anchor, board.quality]
        assert list(line)[: 3 + len(names)] == ["set", "anchor", "quality", *names]
        assert set(one) == {*names, "ratings", "tail", "intervals", "lost"}
        for name in names:
            value = getattr(entry, name)
            assert same(value, one[name]), name
            shown = "" if value is None or same(value, "") else str(value)
            assert shown == line[name], name
        for name, number in board.intervals.numbers.get(entry.codec, {}).items():
            ends = [number.low, number.high] if number.known else None
            assert one["intervals"][name] == ends
            if name != "score":
                assert [line[f"{name}_from"], line[f"{name}_to"]] == (list(map(str, ends)) if ends else ["", ""])
        tail = board.tails.get(entry.codec)
        assert (one["tail"] and one["tail"]["cvar"]) == (tail and tail.cvar)
        assert line["score_cases"] == (str(tail.cases) if tail else "")
        assert [line["confidence"], line["resamples"], line["seed"]] == ["0.95", "500", "24"]
    assert {name: data[name] for name in ("set", "anchor", "quality", "matched_bpp", "images")} == {
        "set": "kodak",
        "anchor": "anchor",
        "quality": "psnr",
        "matched_bpp": 0.5,
        "images": board.images,
    }
    assert data["intervals"] == {"confidence": 0.95, "images": board.images, "resamples": 500, "seed": 24}


RELIED_ON = (
    *("codec", "rank", "rank_low", "rank_high", "score", "score_low", "score_high"),
    *("clean", "low", "medium", "high", "bd_rate", "n", "failed", "reason"),
)


def test_json_has_the_names_that_are_relied_on_and_every_condition(sure: Path) -> None:
    data = json.loads(render(report(sure), Format.json))
    big = data["entries"][1]
    assert set(RELIED_ON) <= set(big)
    assert (big["codec"], big["rank"], big["rank_low"], big["rank_high"]) == ("big", 2, 2, 2)
    assert big["score_low"] < big["score"] < big["score_high"]
    assert list(big["ratings"]) == list(data["conditions"]) == ["none@0", "fog@3", "gaussian_noise@3"]
    assert big["ratings"]["fog@3"]["rating"] == pytest.approx(math.log(2), abs=1e-3)
    assert big["ratings"]["fog@3"]["inflation"] == pytest.approx(1.5, rel=1e-3)
    fog = data["conditions"]["fog@3"]
    assert (fog["codecs"], fog["images"], fog["scored"]) == (["anchor", "big"], 8, True)
    assert fog["weights"] == [[0, 1], [1, 0]]
    assert fog["log_ratios"][1][0] == pytest.approx(math.log(2), abs=1e-3)
    assert fog["inconsistency"] == pytest.approx(0, abs=1e-9)
    assert data["entries"][2]["ratings"]["fog@3"]["rating"] is None


def test_without_resamples_there_are_no_intervals(sure: Path) -> None:
    printed = report(sure, resamples=0)
    data = json.loads(render(printed, Format.json))
    assert data["intervals"] is None
    assert "intervals" not in data["entries"][0]
    (line, *_) = csv.DictReader(io.StringIO(render(printed, Format.csv)))
    assert line["score_low"] == line["clean_from"] == line["resamples"] == ""
    assert "±" not in render(printed, Format.text)
    assert "nterval" not in render(printed, Format.text)


def test_intervals_come_with_their_numbers(sure: Path) -> None:
    board = leaderboard(sure)
    assert board.intervals is not None
    score = board.intervals.numbers["big"]["score"]
    printed = report(sure)
    lines = render(printed, Format.text).splitlines()
    (place,) = (number for number, line in enumerate(lines) if line.split()[:2] == ["2", "big"])
    assert lines[place].split()[2] == "+100.0%"
    assert "Ranks in brackets: the 95% intervals of all ranks together." in " ".join(lines)
    assert lines[place + 1].split()[0] == f"±{score.margin:.1f}%"
    assert f"| +100.0% [+{score.low:.1f}%, +{score.high:.1f}%] |" in render(printed, Format.markdown)
    notes = " ".join(render(printed, Format.text).split())
    assert "±: half the width of the 95% confidence interval, from 10000 paired resamples" in notes
    assert "need at least" not in notes


def test_equal_codecs_share_a_rank_and_its_interval(tmp_path: Path, curves: Curves, write: Write) -> None:
    rows = curves(images="abcdefgh")
    twins = [replace(row, codec="twin") for row in rows if row.codec == "big" and row.nbytes]
    printed = report(write(tmp_path / "t.sqlite", rows + twins))
    ranks = {line["codec"]: line["rank"] for line in shown(printed.sheets[0])}
    assert ranks == {"anchor": "1", "big": "2 (2-3)", "twin": "2 (2-3)", "short": ""}
    assert "| 2 (2-3) | twin |" in render(printed, Format.markdown)


def test_with_few_images_there_are_no_intervals_and_it_is_said(path: Path) -> None:
    (sheet,) = report(path).sheets
    assert "±" not in render(report(path), Format.text)
    assert "Confidence intervals need at least 6 images; this run has 2." in sheet.notes


def test_what_lacks_an_interval_is_said(sure: Path) -> None:
    board = leaderboard(sure)
    assert board.intervals is not None

    def notes(lost: dict[tuple[str, str], float]) -> list[str]:
        return reporting.notes(replace(board, intervals=replace(board.intervals, lost=lost)), reporting.SHOWN)

    lost = notes({("anchor", "high"): 0.25, ("anchor", "low"): 0.01})
    assert "anchor: up to 25.0% of the resamples give no value of high, too many for an interval." in lost
    assert "anchor: up to 1.0% of the resamples give no value of low, which the interval leaves out." in lost
    assert "anchor: up to 0.1% of the resamples give no value of low, which the interval leaves out." in notes(
        {("anchor", "low"): 0.0001}
    )


def test_the_worst_cases_are_told_where_there_are_any(sure: Path) -> None:
    (_, big) = shown(reporting.tail_sheet(leaderboard(sure, resamples=0)))
    # Of 8 images under 2 corruptions the worst takes 2 x 1.09 of the anchor's bytes, a tenth of them is 1.6 cases.
    assert list(big.values()) == ["big", "+100.0%", "+118.0%", "+118.0%", "16", "0"]


def test_the_table_says_what_the_entries_say(path: Path) -> None:
    body = shown(report(path).sheets[0])
    assert [(line["rank"], line["codec"]) for line in body] == [("1", "anchor"), ("2", "big"), ("", "short")]
    assert (body[1]["bits"], body[1]["medium"], body[1]["coverage"]) == ("+100.0%", "", "100%")


def test_columns_are_chosen_by_their_names_in_the_data(path: Path) -> None:
    names = reporting.columns_named("codec, bd_rate,inflation_low")
    evidence = Evidence.open(path)
    printed = reporting.report(reporting.leaderboard(evidence), evidence, columns=names)
    assert [column.name for column in printed.sheets[0].columns] == ["codec", "BD-rate", "inflation\nlow"]
    assert "| codec | BD-rate | inflation low |" in render(printed, Format.markdown)
    assert set(reporting.COLUMNS) <= set(Entry.__dataclass_fields__)
    with pytest.raises(UnknownName, match=r"unknown column 'bdrate': expected one of rank, .*bd_rate"):
        reporting.columns_named("codec,bdrate")


def test_extra_corruptions_are_left_out_unless_asked_for_or_alone(tmp_path: Path, curves: Curves, write: Write) -> None:
    rows = curves()
    extra = [replace(row, corruption="spatter") for row in rows if row.corruption == "fog"]
    both = write(tmp_path / "both.sqlite", [*rows, *extra])
    assert str(leaderboard(both)) == str(leaderboard(write(tmp_path / "alone.sqlite", rows)))
    asked = leaderboard(both, Choice(corruptions=["fog", "spatter"]))
    assert (asked.scored, asked.conditions[2]) == ((("fog", 3),), ("spatter", 3))
    assert asked.entries[1].extra == pytest.approx(100)
    assert leaderboard(both, Choice(corruptions=["spatter"])).scored == (("spatter", 3),)


def test_restoration_is_the_gain_over_the_stored_shifts(tmp_path: Path, curves: Curves, write: Write) -> None:
    rows = curves()
    unknown = report(write(tmp_path / "without.sqlite", rows))
    assert "restoration is unknown" in " ".join(unknown.sheets[0].notes)
    shots = {row.key.shot: row for row in rows if row.corruption != "none" and row.height}
    shifts = [Shift(*shot, row.height or 0, row.width or 0, 10**6, row.run, {}) for shot, row in shots.items()]
    (anchor, *_) = leaderboard(write(tmp_path / "with.sqlite", rows, None, shifts)).entries
    # 20,000 pixels: 0.5 bpp are 1,250 bytes, below the 2,000 of the first point under noise and the 1,500 under fog.
    assert math.isnan(anchor.restoration_high)
    smaller = [replace(row, nbytes=row.nbytes and row.nbytes // 4) for row in rows]
    (anchor, *_) = leaderboard(write(tmp_path / "small.sqlite", smaller, None, shifts)).entries
    # Under noise, 500 bytes at an error of 4e6 against clean; each doubling is 6.02 dB. The shift has 1e6.
    assert anchor.restoration_high == pytest.approx(
        10 * math.log10(1 / 4) + 20 * math.log10(2) * math.log2(2.5), abs=0.01
    )
    (sheet,) = report(tmp_path / "small.sqlite").sheets
    assert any("restoration: the PSNR against the clean image" in note for note in sheet.notes)


def test_fewer_images_than_measured_are_told(tmp_path: Path, curves: Curves, write: Write) -> None:
    rows = curves(images="abcdefgh")
    failed = [
        replace(row, status="failed", message="why")
        if (row.codec, row.point, row.image, row.corruption) == ("big", "p2", "c", "fog")
        else row
        for row in rows
    ]
    (sheet,) = report(write(tmp_path / "f.sqlite", failed)).sheets
    assert "Compared on fewer images than were measured, because some failed: fog@3 (7 of 8)." in sheet.notes


def test_the_title_says_what_the_ranking_is_of(path: Path) -> None:
    expected = "kodak: 2 images, 2 corruptions, severity 3; bits at equal PSNR against anchor"
    assert expected == report(path).sheets[0].title


def test_the_title_of_one_image_under_one_corruption(tmp_path: Path, curves: Curves, write: Write) -> None:
    path = write(tmp_path / "r.sqlite", [row for row in curves(images="a") if row.corruption != "fog"])
    assert report(path).sheets[0].title.startswith("kodak: 1 image, 1 corruption, severity 3; ")


def test_the_title_of_clean_images(tmp_path: Path, curves: Curves, write: Write) -> None:
    path = write(tmp_path / "r.sqlite", [row for row in curves() if row.corruption == "none"])
    assert report(path, quality="ms_ssim").sheets[0].title == (
        "kodak: 2 images, clean images; bits at equal MS-SSIM against anchor"
    )


def test_who_is_not_ranked_is_named(path: Path) -> None:
    assert any(note.startswith("short is not ranked: ") for note in report(path).sheets[0].notes)


def test_lossless_codecs_have_a_table_of_their_own(tmp_path: Path, curves: Curves, write: Write) -> None:
    """Of 20,000 pixels, 20,000 bytes are 8 bpp."""
    exact = [
        replace(one, codec=codec, point="lossless", error=0, nbytes=nbytes, encode_s=0.25)
        for one in curves()
        if one.codec == "short"
        for codec, nbytes in (("png", 20_000), ("identity", 60_008))
    ]
    printed = report(write(tmp_path / "r.sqlite", [*curves(), *exact]))
    board, apart = printed.sheets
    assert [line["codec"] for line in shown(board)] == ["anchor", "big", "short"]
    assert "Not ranked, because lossless: identity, png." in board.notes
    (png,) = shown(apart)
    assert (png["codec"], png["clean"], png["high"], png["encode"]) == ("png", "8.000 bpp", "8.000 bpp", "0.250 s")
    data = json.loads(render(printed, Format.json))
    assert [(line["codec"], line["clean"], line["medium"]) for line in data["lossless"]] == [("png", 8.0, None)]
    reasons = {entry["codec"]: entry["reason"] for entry in data["entries"]}
    assert reasons["png"] == reasons["identity"] == "lossless, apart from the ranking"


def test_a_codec_without_shared_quality_has_a_range_of_ranks_and_no_partial_mean(
    tmp_path: Path, curves: Curves, write: Write
) -> None:
    far = [
        replace(row, codec="far", error=max(1, row.error // (10**5 if row.corruption == "fog" else 1)))
        for row in curves()
        if row.codec == "anchor"
    ]
    (sheet,) = report(write(tmp_path / "r.sqlite", [*curves(), *far])).sheets
    (line,) = (line for line in shown(sheet) if line["codec"] == "far")
    assert (line["rank"], line["bits"], line["low"], line["high"]) == ("(1-2)", "", "", "+0.0%")
    assert (
        "far is not ranked: no shared quality under 1 of 2 conditions: fog@3. Its rank would lie between 1 and 2."
        in sheet.notes
    )


def test_codecs_without_a_rank_for_one_reason_share_a_note(tmp_path: Path, curves: Curves, write: Write) -> None:
    clean = [row for row in curves() if row.codec == "anchor" and row.corruption == "none"]
    others = [replace(row, codec=name) for name in ("apart", "beside") for row in clean]
    (sheet,) = report(write(tmp_path / "r.sqlite", [*curves(), *others])).sheets
    (note,) = (note for note in sheet.notes if "apart" in note)
    assert note == (
        "apart, beside are not ranked: not measured under 2 of 2 conditions. "
        "The rank of each would lie between 1 and 2."
    )


# --- what the codecs were set to

KNOWN = {"version": 1, "kind": "classical", "chroma": "4:2:0", "bit_depth": 8, "colour": "BT.601 full", "settings": "x"}
KNOWN |= {"effort": "speed 6", "threads": 1, "process": False, "library": "libx 1, Pillow 2", "header_bytes": 30}


def stating(**codecs: dict[str, Any]) -> dict[str, Any]:
    return {"sets": {"kodak": {"digest": "0", "images": 2}}, "corruptions": {}, "measures": {}, "codecs": codecs}


def test_a_leaderboard_carries_what_its_codecs_were_set_to(tmp_path: Path, curves: Curves, write: Write) -> None:
    path = write(tmp_path / "r.sqlite", curves(), stating(anchor=KNOWN, big=KNOWN, absent=KNOWN))
    evidence = Evidence.open(path)
    printed = reporting.report(leaderboard(path), evidence, settings=True)
    facts = json.loads(render(printed, Format.json))["codecs"]
    assert [(line["codec"], line["run"]) for line in facts] == [("anchor", "r"), ("big", "r")]
    assert facts[0] == {"codec": "anchor", "run": "r", **KNOWN}
    settings = printed.sheets[-1]
    assert [list(line) for line in settings.lines] == [
        [codec, *(str(KNOWN[name]) for name in FACTS)] for codec in ("anchor", "big")
    ]
    assert any("the PSNR they can reach: anchor (4:2:0), big (4:2:0)." in note for note in printed.sheets[0].notes)


def test_the_waves_of_a_heatmap_are_in_no_leaderboard_unless_they_are_named(
    path: Path, tmp_path: Path, row: Rows, curves: Curves, write: Write
) -> None:
    wave = "fourier_3_m5_of_32"
    waves = [row(**fields | {"corruption": wave, "severity": 3}) for fields in map(asdict, curves())]
    one_wave = row(codec="anchor", point="p0", image="a", corruption="fourier_1_1_of_32")
    both = write(tmp_path / "both.sqlite", [*curves(), *waves, one_wave])
    assert str(leaderboard(both)) == str(leaderboard(path))  # NaN is not equal to itself
    assert leaderboard(both, Choice(corruptions=[wave])).conditions == (("none", 0), (wave, 3))


def test_points_are_a_line_per_cell_of_which_the_first_are_shown(path: Path) -> None:
    (sheet,) = reporting.points_report(Evidence.open(path)).sheets
    cells = 3 * (5 + 5 + 1)
    assert len(sheet.lines) == min(cells, reporting.MOST_POINTS)
    assert {line[2] for line in sheet.lines} == {2}


# --- points on fewer images than the others


def searched(curves: Curves, images: str, points: Sequence[str]) -> list[Row]:
    """Return the rows that a search for matched points leaves: of "anchor", on clean images, off the curve."""
    each = [one for one in curves(images=images) if (one.codec, one.corruption, one.point) == ("anchor", "none", "p2")]
    return [
        replace(one, point=point, nbytes=(one.nbytes or 0) + place, error=(one.error or 0) // 2)
        for one in each
        for place, point in enumerate(points)
    ]


@pytest.mark.parametrize(
    ("images", "points"),
    [("ab", ["x1"]), ("ab", ["x1", "x2", "x3", "x4", "x5", "x6"]), ("uvwxyz", ["x1", "x2"])],
    ids=["heatmap", "searches", "other-images"],
)
@pytest.mark.parametrize("form", [Format.json, Format.csv])
def test_rows_of_a_heatmap_leave_a_board_as_it_is_in_every_digit(
    form: Format, images: str, points: list[str], tmp_path: Path, curves: Curves, write: Write
) -> None:
    board = curves(images="abcdef")
    wave = [replace(one, corruption="fourier_1_1_of_4", severity=4) for one in searched(curves, images, points[-1:])]
    both = write(tmp_path / "both.sqlite", [*board, *searched(curves, images, points), *wave])
    alone = write(tmp_path / "alone.sqlite", board)
    assert render(report(both, resamples=200), form) == render(report(alone, resamples=200), form)
    (sheet,) = report(both, resamples=200).sheets
    assert any(f"Not on a curve: anchor:{points[0]}" in note for note in sheet.notes)
    assert not any("Not on a curve" in note for note in report(alone, resamples=200).sheets[0].notes)


def test_matched_points_at_another_severity_leave_a_board_as_it_is(
    tmp_path: Path, curves: Curves, write: Write
) -> None:
    matched = [replace(one, severity=1) for one in curves(images="ab") if (one.severity, one.point) == (3, "p2")]
    both = write(tmp_path / "both.sqlite", [*curves(images="abcdef"), *matched])
    alone = write(tmp_path / "alone.sqlite", curves(images="abcdef"))
    assert render(report(both, resamples=200), Format.json) == render(report(alone, resamples=200), Format.json)
    notes = " ".join(report(both, resamples=200).sheets[0].notes)
    assert "Not on this board, because no codec has 4 points there: fog@1, gaussian_noise@1." in notes


def test_a_codec_of_a_heatmap_alone_is_no_anchor(tmp_path: Path, curves: Curves, write: Write) -> None:
    """It has enough points, from its search, but only on clean images."""
    extra = [replace(one, codec="jpeg2000") for one in searched(curves, "ab", ["x1", "x2", "x3", "x4"])]
    board = leaderboard(write(tmp_path / "both.sqlite", [*curves(images="abcdef"), *extra]), resamples=0)
    alone = leaderboard(write(tmp_path / "alone.sqlite", curves(images="abcdef")), resamples=0)
    assert board.anchor == alone.anchor == "anchor"
    assert str([entry for entry in board.entries if entry.codec != "jpeg2000"]) == str(list(alone.entries))
    assert board.absent["jpeg2000", ("none", 0)] == "measured on fewer than half of the images"
